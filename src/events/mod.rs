//! Events of a store: the listener that the application has installed, and `tracing`.

mod journal;
mod removal;
mod trace;

pub use crate::table::RemovalCause;
pub use journal::Journal;
pub use removal::Removal;
pub(crate) use trace::Tracer;

use crate::content::Content;
use crate::entry::Key;
use crate::expiry::Tick;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::Index;
use crate::registry::holds::Holds;
use crate::sync::contain;
use crate::table::{Bound, Captured, Ended, Observer};
use core::any::{Any, TypeId};
use core::fmt;
use std::sync::Arc;

/// The application's listener, which is called for each ended session.
#[derive(Clone)]
pub(crate) struct Listener {
    call: Arc<Call>,
    capture: Option<Capture>,
}

type Call = dyn Fn(&Removal, Captured) + Send + Sync;

/// What the listener takes from the content of an ended session.
#[derive(Clone)]
struct Capture {
    /// The type of the payloads that it knows.
    payload: TypeId,
    of: Arc<CaptureOf>,
}

/// Takes the text and the payload of the last version.
type CaptureOf = dyn Fn(&str, &dyn Any) -> Captured + Send + Sync;

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        Self { call: Arc::new(move |removal, _| listener(removal)), capture: None }
    }

    pub(crate) fn with_content<T: Content + ?Sized, C: 'static>(
        capture: impl Fn(&T) -> C + Send + Sync + 'static,
        listener: impl Fn(&Removal, Option<C>) + Send + Sync + 'static,
    ) -> Self {
        let of = move |text: &str, payload: &dyn Any| -> Captured {
            let content = T::shown(text, payload.downcast_ref()?);
            let mut captured: Captured = None;
            contain(|| captured = Some(Box::new(capture(content))));
            captured
        };
        let call = move |removal: &Removal, captured: Captured| {
            listener(removal, captured.and_then(|captured| captured.downcast().ok()).map(|captured| *captured));
        };
        let capture = Capture { payload: TypeId::of::<T::Payload>(), of: Arc::new(of) };
        Self { call: Arc::new(call), capture: Some(capture) }
    }

    /// Whether it is for sessions with this content.
    pub(crate) fn is_for<T: Content + ?Sized>(&self) -> bool {
        self.capture.as_ref().is_none_or(|capture| capture.payload == TypeId::of::<T::Payload>())
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// The store's own observer: tells the journal of an ended session, removes it from the index of principals, and calls
/// the listener. It also knows which sessions are held.
pub(crate) struct Registrar {
    pub(crate) index: Arc<Index>,
    pub(crate) holds: Arc<Holds>,
    pub(crate) listener: Option<Listener>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

impl Observer for Registrar {
    fn observes_all(&self) -> bool {
        self.listener.is_some() || self.journal.is_some()
    }

    fn capture(&self, text: &str, payload: &dyn Any) -> Captured {
        let capture = self.listener.as_ref()?.capture.as_ref()?;
        (capture.of)(text, payload)
    }

    fn held_since(&self, key: &Key) -> Option<Tick> {
        self.holds.since(key)
    }

    fn ended(&self, ended: Ended) {
        let Ended { key, cause, bound, serial, listed, captured } = ended;
        let principal = bound.as_ref().map(|bound| Principal::from_key(bound.principal));
        if let Some(journal) = &self.journal {
            let id = SessionId::from_bytes(key);
            match cause {
                // A restored session has got its own id, which is the one that its client has.
                RemovalCause::Rotated if journal.is_stand_in(&id) => return,
                // The operation that has rotated the id tells the journal.
                RemovalCause::Rotated => {}
                // Before the session leaves the index: the thread that ends all sessions of a principal tells the
                // journal of those that it finds there.
                _ => journal.ended(&id, cause),
            }
        }
        if let Some(Bound { binding, used: Some(used), .. }) = bound {
            self.index.leave(used, binding, listed);
        }
        if let Some(Listener { call, .. }) = &self.listener {
            let removal = Removal { id: SessionId::from_bytes(key), cause, principal, serial };
            contain(|| call(&removal, captured));
        }
    }
}
