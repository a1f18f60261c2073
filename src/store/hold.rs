//! Holding a session in use.

use super::SessionStore;
use crate::content::Content;
use crate::expiry::Ticking;
use crate::id::SessionId;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

/// Holds a session in use: as long as this exists, the session does not expire for being idle. For a request or a
/// stream that runs for longer than the idle timeout, such as an upload, server-sent events or a WebSocket.
///
/// * The absolute timeout still applies, and so does each revocation: the session ends at once, whether held or not.
///   The owner of the hold has to look, for instance by [`SessionStore::touch`] before each message.
/// * A hold names an id. If the session is rotated, the new id is not held.
/// * A held session is ended to make room for another one only if all others are held or in use too.
/// * If several holds of one session exist, the last one counts. When it is dropped, the session is touched, so that
///   its idle timeout begins.
///
/// A hold costs no thread and no time while nothing happens: whether a session is held is asked only when it would
/// expire. An existing hold takes about a hundred bytes in the store.
///
/// # Examples
///
/// ```
/// use cloakroom::{Hold, ManualClock, SessionStore};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let (clock, minute) = (ManualClock::new(), Duration::from_secs(60));
/// let store = Arc::new(SessionStore::builder().ttl(minute).clock(clock.clone()).build()?);
/// let id = store.create()?;
/// let hold = Hold::new(Arc::clone(&store), &id).expect("the session is live");
/// clock.advance(60 * minute);
/// assert!(store.exists(&id));
/// drop(hold);
/// clock.advance(2 * minute);
/// assert!(!store.exists(&id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a hold ends it"]
pub struct Hold<S, T>
where
    S: Deref<Target = SessionStore<T>>,
    T: Content + ?Sized,
{
    store: S,
    id: SessionId,
    content: PhantomData<fn() -> *const T>,
}

impl<S: Deref<Target = SessionStore<T>>, T: Content + ?Sized> Hold<S, T> {
    /// Holds a session in use, and touches it. `None` if there is no such session.
    ///
    /// The store's handle may be a reference or an [`Arc`](std::sync::Arc). Lock-free; allocates. Takes effect when the
    /// session is touched.
    pub fn new(store: S, id: &SessionId) -> Option<Self> {
        store.holds.add(id.as_bytes(), store.time.tick());
        let hold = Self { store, id: *id, content: PhantomData };
        // After the hold is there, so that no time is left in which the session could expire.
        hold.store.touch(id).then_some(hold)
    }

    /// Returns whether the session is still there, and touches it. `false` once it has been ended or rotated, or its
    /// absolute timeout is over. Lock-free; allocates nothing.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.store.touch(&self.id)
    }
}

impl<S: Deref<Target = SessionStore<T>>, T: Content + ?Sized> Drop for Hold<S, T> {
    fn drop(&mut self) {
        // Before the hold goes, so that the idle timeout begins now.
        self.store.touch(&self.id);
        self.store.holds.remove(self.id.as_bytes());
    }
}

/// Shows no id.
impl<S: Deref<Target = SessionStore<T>>, T: Content + ?Sized> fmt::Debug for Hold<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold(..)")
    }
}
