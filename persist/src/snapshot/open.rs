//! A store made of a snapshot.

use super::error::SnapshotError;
use super::format::Decoder;
use crate::names::Names;
use crate::options::Options;
use crate::record;
use crate::records::Restored;
use crate::time::{Timeline, unwritten_use};
use cloakroom::{ImportError, Journal, RemovalCause, SessionId, SessionStore};
use cloakroom_codec::{Kept, Refused};
use std::io::Read;
use std::sync::Arc;

/// The journal of a store that was made of a snapshot: it keeps nothing, and knows under which stand-ins sessions wait.
pub(super) struct Waiting {
    pub(super) names: Names,
}

impl Journal for Waiting {
    fn changed(&self, _: &SessionId) {}

    fn ended(&self, _: &SessionId, _: RemovalCause) {}

    fn settle(&self) {}

    fn stand_in(&self, id: &SessionId) -> Option<SessionId> {
        (!self.names.is_stand_in(id)).then(|| self.names.stand_in(&self.names.disk_key(id)))
    }

    fn is_stand_in(&self, id: &SessionId) -> bool {
        self.names.is_stand_in(id)
    }
}

/// Makes a store of string attributes in memory from a snapshot, with what is left of its sessions' times.
///
/// **Sessions that have ended since the snapshot was written come back**: see the [module](crate::snapshot).
///
/// Sessions wait under stand-ins, as after a restart, until their clients come. They count towards the limits of the
/// store; those that do not fit are left out, and counted in [`Restored::refused`]. Nothing is written anywhere: to
/// keep the sessions on disk, [`restore`](super::restore) them into a directory, and open that.
///
/// Of the options count [`store`](Options::store), [`progress`](Options::progress) and the keys. All or nothing: the
/// store is returned when all of the snapshot was read and is intact. Blocks while `from` is read, to its end.
/// Allocates the sessions, and what one record takes. A look-up of an unknown id costs five SHA-256 more than in other
/// stores.
///
/// # Errors
///
/// [`SnapshotError`] if the snapshot is cut off, altered, of another kind of content, or under another key.
///
/// # Examples
///
/// The [module](crate::snapshot) has one.
pub fn open(from: impl Read, options: &Options) -> Result<(Arc<SessionStore>, Restored), SnapshotError> {
    open_any(from, options)
}

/// Makes a store of values in memory from a snapshot: see [`open`](crate::snapshot::open()).
///
/// # Errors
///
/// As for [`open`](crate::snapshot::open()).
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use cloakroom_persist::{Options, snapshot};
///
/// let store = SessionStore::builder().build_typed::<Vec<u32>>()?;
/// let id = store.create_with(vec![7])?;
/// let mut bytes = Vec::new();
/// snapshot::write(&store, &mut bytes, &Options::new())?;
///
/// let (store, _) = snapshot::open_typed::<Vec<u32>>(&*bytes, &Options::new())?;
/// assert_eq!(store.read(&id, Clone::clone), Some(vec![7]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "serde")]
pub fn open_typed<T>(from: impl Read, options: &Options) -> Result<(Arc<SessionStore<T>>, Restored), SnapshotError>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    open_any(from, options)
}

fn open_any<T: Kept + ?Sized>(
    from: impl Read,
    options: &Options,
) -> Result<(Arc<SessionStore<T>>, Restored), SnapshotError> {
    let mut snapshot = Decoder::begin(from)?;
    let timeline = Timeline::resume(Arc::clone(&options.wall), Some(snapshot.mark));
    let journal = Arc::new(Waiting { names: Names::draw()? });
    let told: Arc<dyn Journal> = Arc::<Waiting>::clone(&journal);
    let store = Arc::new(options.store.clone().build_with_journal::<T>(told)?);
    let (clean, scan) = (snapshot.clean, options.scan(store.ttl()));
    let (mut restored, mut buffer) = (Restored { clean, ..Restored::default() }, Vec::new());
    while let Some(entry) = snapshot.next(&options.keys)? {
        let (record, _) = record::read(&entry.key, entry.record, &options.keys, &mut buffer)?;
        // If the wall clock was set back, no time has passed since the session was read.
        let now = timeline.now().max(entry.at);
        let unknown = if clean { 0 } else { unwritten_use(record.idle_timeout.unwrap_or(store.ttl()), scan) };
        let result = match record.carried(now, unknown) {
            None => Err(Refused::Import(ImportError::Expired)),
            Some(carried) => T::restore(&store, &journal.names.stand_in(&entry.key), &carried, record.content),
        };
        match result {
            Ok(()) => {
                restored.sessions += 1;
                options.tell_progress(restored.sessions);
            }
            Err(Refused::Import(ImportError::Expired)) => restored.expired += 1,
            Err(Refused::Import(_)) => restored.refused += 1,
            Err(_) => return Err(SnapshotError::Content),
        }
    }
    Ok((store, restored))
}
