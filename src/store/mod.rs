//! The session store: the public operations, over the table.
//!
//! This module gives each operation its moment (one reading of the clock), builds the content and the overrides of new
//! versions, and maps the table's refusals to the public errors. The concurrent protocols are in [`crate::table`].
//!
//! | file | operations |
//! |---|---|
//! | `mod` | on a session with any content: `read`, `exists`, `delete`, ... |
//! | `builder` | making a store |
//! | `create` | creating a session |
//! | `room` | making room for a session that is created or becomes larger |
//! | `carry` | taking a session to another store |
//! | `detached` | attributes outside of a store |
//! | `journal` | restored sessions, and what the journal is told |
//! | `insert` | creating a session under a given id; replacing the whole content |
//! | `reserve` | reserving an id for a session that is fetched from elsewhere |
//! | `era` | ending all sessions at once |
//! | `attributes`, `edit`, `json` | reading and changing string attributes; values as JSON |
//! | `typed` | creating and updating a session that holds a value |
//! | `enumerate` | on all sessions, one after the other |
//! | `stats`, `export` | figures, and their export to `metrics` |
//! | `evict` | ending expired sessions |
//! | `timeouts` | the timeouts of one session |
//! | `ticket` | the audience of a session, and the lifetime of its cookie |
//! | `rotate`, `undo` | giving a session another id; taking that back |
//! | `replaced` | telling an id that was replaced or logged out from an unknown one |
//! | `hold` | holding a session in use |
//! | `principals` | login, and the sessions of one user |

mod attributes;
mod builder;
mod carry;
mod create;
mod detached;
mod edit;
mod enumerate;
mod era;
mod evict;
#[cfg(feature = "metrics")]
mod export;
mod hold;
mod insert;
mod journal;
#[cfg(feature = "json")]
mod json;
mod principals;
mod replaced;
mod reserve;
mod room;
mod rotate;
mod stats;
mod ticket;
mod timeouts;
mod typed;
mod undo;

pub use builder::SessionStoreBuilder;
pub use carry::Carried;
pub use create::NewSession;
pub use enumerate::SessionView;
pub use evict::Eviction;
pub use hold::Hold;
pub use reserve::Reservation;
pub use rotate::Rotation;
pub use stats::Stats;
pub use ticket::SessionTicket;
pub use timeouts::Timeouts;
pub use undo::Undo;

use crate::attributes::Attributes;
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::Content;
use crate::entry::EntryRef;
use crate::error::MissingError;
use crate::events::Tracer;
use crate::events::{Listener, Registrar};
use crate::expiry::{Moment, Tick, Ticking, limit};
use crate::fingerprint::{Fingerprint, Fingerprints};
use crate::id::SessionId;
use crate::memory;
use crate::principal::index::Index;
use crate::registry::holds::Holds;
use crate::registry::replaced::Replaced;
use crate::registry::tentative::Tentative;
use crate::sync::AtomicU64;
use crate::table::{Absence, Change, Refusal, Table};
use core::fmt;
use era::StoreTime;
use journal::Journaled;
use std::sync::Arc;
use std::time::Duration;

/// Stores sessions: string attributes, or a value, under a random id, until they expire.
///
/// Every method takes `&self` and may be called from any thread. Put the store behind an [`Arc`] or into a `static`.
///
/// * **Linearizable.** Each operation on a session takes effect at one instant, which its documentation names.
/// * **Revocation wins.** Once [`delete`](Self::delete) has returned, no operation on that id succeeds again, not even
///   one that began earlier. Only creation makes an id valid: [`create_with`](Self::create_with) makes a new one each
///   time, and [`insert_with`](Self::insert_with) takes the caller's.
/// * **Never early, never late.** A session that was used within its idle timeout is not expired, and an expired
///   session is never returned. It counts as missing; the first operation that meets it ends it and removes it.
/// * **No lost updates.** Of two concurrent [`set`](Self::set)s of different keys, both survive.
/// * **No borrow escapes.** Values are returned owned, or shown to a closure. So no borrow of the store can be held
///   across an `.await`, where it would stall the reclamation of memory.
///
/// A session holds string [`Attributes`] by default. A `SessionStore<T>` holds a value of type `T` for each session
/// instead, on the same table and with the same guarantees ([`typed`](Self::typed)).
///
/// Dropping the store frees all sessions. A forked child has a copy of them and may use it, but a session that one
/// process revokes stays valid in the other ([forks]).
///
/// [forks]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/design.md#forks
///
/// # Progress
///
/// No operation waits for another thread, so none blocks an async executor. "Wait-free" means that an operation
/// finishes in a bounded number of its own steps; "lock-free" means that it is repeated only if an operation of another
/// thread has succeeded in between. Both leave out code that is not the store's:
///
/// * the memory allocator. "Allocates nothing" leaves out the bookkeeping of memory reclamation: the first call of each
///   thread registers the thread, a call that ends a session may open a new batch of retired memory, and any call may
///   free memory.
/// * the operating system's random source, for operations that make an id: creation, rotation, login.
/// * code that the application brings: the closure of the operation, a custom [`Clock`](crate::Clock), a listener
///   ([`on_removal`](crate::SessionStoreBuilder::on_removal)), the `Drop` of values, and under the features of the same
///   names, the `tracing` subscriber and the `metrics` recorder. If such code blocks, the operation that called it
///   blocks, and no other.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use std::time::Duration;
///
/// let store = SessionStore::builder().ttl(Duration::from_secs(30 * 60)).build()?;
/// let id = store.create()?;
/// store.set(&id, "user_id", "42")?;
/// assert_eq!(store.get(&id, "user_id").as_deref(), Some("42"));
///
/// assert!(store.delete(&id));
/// assert_eq!(store.get(&id, "user_id"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A borrow that `read` shows cannot be kept:
///
/// ```compile_fail
/// # let store = cloakroom::SessionStore::default();
/// # let id = store.create().unwrap();
/// let kept: Option<&str> = store.read(&id, |attributes| attributes.get("user_id")).flatten();
/// ```
///
/// but a copy can:
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// # let id = store.create().unwrap();
/// let kept: Option<String> = store.read(&id, |attributes| attributes.get("user_id").map(str::to_owned)).flatten();
/// # assert_eq!(kept, None);
/// ```
pub struct SessionStore<T: Content + ?Sized = Attributes> {
    table: Table<T::Payload>,
    config: SessionConfig,
    time: StoreTime,
    /// The idle timeout in ticks.
    idle: u64,
    /// The sessions of each principal.
    index: Arc<Index>,
    /// The number of sessions that were created under an id of the caller's.
    inserted: AtomicU64,
    /// Ids that were replaced or logged out a short while ago.
    replaced: Replaced,
    /// For how many ticks they are remembered. `None`: not at all.
    remembered_for: Option<u64>,
    /// Rotations that may still be taken back.
    tentative: Arc<Tentative>,
    /// Sessions that are held in use.
    holds: Arc<Holds>,
    rejections: stats::Rejections,
    fingerprints: Fingerprints,
    tracer: Tracer,
    journal: Option<Journaled<T>>,
}

impl<T: Content + ?Sized> SessionStore<T> {
    pub(crate) fn assemble(config: SessionConfig, time: TimeSource, listener: Option<Listener>) -> Self {
        Self::assemble_with(config, time, listener, None)
    }

    fn assemble_with(
        config: SessionConfig,
        time: TimeSource,
        listener: Option<Listener>,
        journal: Option<Journaled<T>>,
    ) -> Self {
        let idle = limit(config.ttl, time.resolution());
        let index = Arc::new(Index::new(config.shard_count()));
        let fingerprints = Fingerprints::new();
        let tracer = Tracer::new(&fingerprints);
        let (shards, remembered) = (config.shard_count(), config.remember_replaced);
        let (replaced, tentative) = (Replaced::new(shards), Arc::new(Tentative::new(shards)));
        let remembered_for = (!remembered.is_zero()).then(|| limit(remembered, time.resolution()));
        let holds = Arc::new(Holds::new(shards));
        let told = journal.as_ref().map(|journaled| Arc::clone(&journaled.journal));
        let registrar = Registrar { index: Arc::clone(&index), holds: Arc::clone(&holds), listener, journal: told };
        let observer = tracer.observer(Box::new(registrar));
        let table = Table::new(config.shard_count(), config.max_sessions);
        let table = table.within_bytes(config.max_sessions, config.max_bytes).observed_by(observer);
        let time = StoreTime::new(time);
        let (inserted, rejections) = (AtomicU64::new(0), stats::Rejections::default());
        Self {
            table,
            config,
            time,
            idle,
            index,
            inserted,
            replaced,
            remembered_for,
            tentative,
            holds,
            rejections,
            fingerprints,
            tracer,
            journal,
        }
    }

    /// Shows the content of a session, all of one version, to a closure, and touches the session. Returns the result of
    /// the closure, or `None` if there is no such session.
    ///
    /// The closure may call the store, even for the same session; the content that it was shown does not change. While
    /// a closure runs, no memory that any thread retires from this or another store is freed, so keep it short. If it
    /// panics, the session has been touched and nothing else has changed.
    ///
    /// Lock-free; allocates nothing. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// # let id = store.create_with([("user_id", "42"), ("role", "admin")])?;
    /// let is_admin = store.read(&id, |attributes| attributes.get("role") == Some("admin"));
    /// assert_eq!(is_admin, Some(true));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use = "to touch a session only, call `touch`"]
    pub fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.read_version(id, true, |version| f(T::of(version))).ok()
    }

    /// Does the same as [`read`](Self::read), and tells an expired session and a replaced id from an unknown id, for
    /// audit logs and `?`.
    ///
    /// The expiry of a session is reported once, by the operation that ends the session. Later operations, and those
    /// after an eviction, return [`NotFound`](MissingError::NotFound). Do not tell the visitor which it was.
    ///
    /// For a short while the store [remembers](crate::SessionConfig#structfield.remember_replaced) an id that a
    /// rotation or a login has [replaced](MissingError::Replaced), or that has [logged out](Self::log_out). A request
    /// that brings such an id was under way during the change, or somebody has kept the id and replays it, which is a
    /// sign of theft. [`Stats::replays`](crate::Stats::replays) counts these look-ups, and the feature `tracing` has an
    /// event for each.
    ///
    /// Lock-free; allocates nothing. Takes effect when the session is touched or ended.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, MissingError, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// let id = store.create_with([("user", "ada")])?;
    /// assert_eq!(store.lookup(&id, |attributes| attributes.len()), Ok(1));
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(store.lookup(&id, |_| ()), Err(MissingError::Expired));
    /// assert_eq!(store.lookup(&id, |_| ()), Err(MissingError::NotFound));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, MissingError> {
        let read = self.read_version(id, true, |version| f(T::of(version)));
        read.map_err(|absence| self.missing(id, absence))
    }

    /// Does the same as [`read`](Self::read) without touching the session: for another user's session, as in a list of
    /// devices, which must not keep the sessions alive.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// let id = store.create_with([("device", "laptop")])?;
    /// clock.advance(Duration::from_secs(60));
    /// let device = store.peek(&id, |attributes| attributes.get("device").map(str::to_owned)).flatten();
    /// assert_eq!(device.as_deref(), Some("laptop"));
    /// clock.advance(Duration::from_secs(1));
    /// assert!(!store.exists(&id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn peek<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.read_version(id, false, |version| f(T::of(version))).ok()
    }

    /// Touches a session, which restarts its idle timeout. Returns whether there is such a session.
    ///
    /// Lock-free; allocates nothing. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// let id = store.create()?;
    /// clock.advance(Duration::from_secs(40));
    /// assert!(store.touch(&id));
    /// clock.advance(Duration::from_secs(40));
    /// assert!(store.touch(&id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn touch(&self, id: &SessionId) -> bool {
        self.read(id, |_| ()).is_some()
    }

    /// Tells whether there is such a session, without touching it.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert!(store.exists(&id));
    /// store.delete(&id);
    /// assert!(!store.exists(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn exists(&self, id: &SessionId) -> bool {
        self.peek(id, |_| ()).is_some()
    }

    /// Returns the serial number of a session, which tells the sessions of one id apart, without touching the session.
    /// `None` if there is no such session.
    ///
    /// The number is 0 if the store made the id, because no other session ever has that id. The sessions that
    /// [`insert_with`](SessionStore#method.insert_with) creates, and the [reservations](Self::reserve) that sessions
    /// are made of, are numbered from 1.
    ///
    /// [`Removal::serial`](crate::Removal::serial) has it too. The thread that ends a session calls the listener after
    /// the end. If the id is inserted again at once, the listener may receive the end of the former session when the
    /// next one is already live.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionId, Timeouts};
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?;
    /// store.insert_with(&id, Timeouts::default(), [("user", "ada")])?;
    /// let first = store.serial(&id);
    /// store.delete(&id);
    /// store.insert_with(&id, Timeouts::default(), [("user", "ada")])?;
    /// assert_ne!(store.serial(&id), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn serial(&self, id: &SessionId) -> Option<u64> {
        self.read_version(id, false, |version| version.overrides().serial).ok()
    }

    /// Ends a session. Returns whether this call has ended it: false if there is no such session.
    ///
    /// Once this has returned, no operation on the id succeeds again, not even one that began earlier. An id that still
    /// forwards to a session after a [rotation](Self::rotation) with grace ends that session. If a rotation without
    /// grace takes effect first, the deletion of the old id returns false, and the session lives on under its new id.
    /// As long as that rotation is [tentative](crate::Undo), the deletion of the old id ends the session.
    ///
    /// If the id is only [reserved](Self::reserve), this ends the reservation and returns false.
    ///
    /// Lock-free; allocates nothing. Takes effect when the session's live version, or the reservation, dies.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert!(store.delete(&id));
    /// assert!(!store.delete(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn delete(&self, id: &SessionId) -> bool {
        let ended =
            self.on_session(id, |id| self.table.remove(id.as_bytes(), self.moment())) || self.delete_tentative(id);
        self.settle();
        ended
    }

    /// Returns a short name of an id for logs: eight hex digits of a hash of it, under a random key that each store
    /// draws for this purpose. The events of the feature `tracing` name sessions by the same digits.
    ///
    /// The digits are enough to follow a session through a log, and too few to find its id: they are 32 of
    /// the hash's bits. Another store has other digits for the same id, and so has this one after a restart. A rotated
    /// session has a new id, and so a new fingerprint.
    ///
    /// Among 10,000 sessions, two have the same fingerprint with a probability of about 1 %. Write it to logs, and
    /// never look up a session by it.
    ///
    /// There need not be a session of this id, and none is touched. Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// let line = format!("session {}: logged in", store.fingerprint(&id));
    /// assert_eq!(line.len(), "session 01234567: logged in".len());
    /// assert_eq!(store.fingerprint(&id), store.fingerprint(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn fingerprint(&self, id: &SessionId) -> Fingerprint {
        self.fingerprints.of(id.as_bytes())
    }

    /// Returns the number of sessions, including expired sessions that are not removed yet.
    ///
    /// Exact while no other operation is in progress. During one, the session that it creates or ends may be counted or
    /// not. With [`max_sessions`](SessionConfig#structfield.max_sessions) set, the result never exceeds it.
    ///
    /// Wait-free; allocates nothing. Without `max_sessions` it adds up one counter for each
    /// [shard](SessionConfig#structfield.shards), so it has no single instant of effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// store.create()?;
    /// store.create()?;
    /// assert_eq!(store.count(), 2);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Frees the memory of ended sessions and replaced versions that no thread can be reading.
    ///
    /// Ordinary operations do this little by little, and so does [`evict_expired`](Self::evict_expired). A call is
    /// worthwhile when the store becomes idle after many deletions. It reaches memory that any thread of the process
    /// has retired, from any store, except up to 256 KB that each thread may keep for reuse. One call frees up to a
    /// million objects, unless a `read` closure that is running on some thread holds them back.
    /// [`Stats::retired_bytes`](crate::Stats::retired_bytes) shows the rest.
    ///
    /// Lock-free. May take a fraction of a millisecond, and the time that the [`Drop`] of values takes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// for _ in 0..1_000 {
    ///     store.create()?;
    /// }
    /// store.delete_where(|_| true);
    /// store.flush();
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn flush(&self) {
        memory::flush(FLUSHED);
    }

    /// Returns the configuration that the store was made with. Wait-free; allocates nothing.
    #[must_use]
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Returns the name of the cookie that carries the id. Wait-free; allocates nothing.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.config.cookie_name.as_str()
    }

    /// Returns the idle timeout of sessions that have none of their own. Wait-free; allocates nothing.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.config.ttl
    }

    /// Checks what must hold while no operation is in progress: the table is in order, and the index lists the live
    /// sessions of a principal and no others.
    #[cfg(loom)]
    pub(crate) fn check_at_rest(&self, principal: &crate::principal::Principal) {
        self.table.check_at_rest();
        self.index.check_at_rest();
        // This first ends the sessions that have expired.
        let live = self.sessions_of(principal);
        let members = self.index.find(principal.key()).map(|user| user.members()).unwrap_or_default();
        let listed = members.into_iter().map(|member| SessionId::from_bytes(member.id)).collect::<Vec<_>>();
        assert_eq!(listed, live, "ids in the index and live sessions");
    }

    /// Shows `f` the live version of a session, and first touches the session if `touch` is set. Follows a forward.
    #[inline(always)]
    fn read_version<R>(
        &self,
        id: &SessionId,
        touch: bool,
        f: impl FnOnce(EntryRef<'_, T::Payload>) -> R,
    ) -> Result<R, Absence> {
        self.show_session(id, touch, f)
    }

    /// Changes the live version of a session, which does not become larger, as `build` says. Tells the journal.
    fn update_version<E>(
        &self,
        id: &SessionId,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, T::Payload>, Tick) -> Result<Change<T::Payload>, E>,
    ) -> Result<(), Refusal<E>> {
        self.updating(id, build, |id, noted| {
            let build = |version: EntryRef<'_, T::Payload>, stamp| noted.build(version, stamp);
            self.table.update(id.as_bytes(), moment, build)
        })
    }

    /// The moment of an operation that begins now.
    #[inline]
    fn moment(&self) -> Moment<'_> {
        Moment::new(self.time.tick(), self.idle, &self.time)
    }

    /// The moment of an operation that uses an earlier reading of the clock.
    fn moment_at<'a>(&self, now: &'a Tick) -> Moment<'a> {
        Moment::new(*now, self.idle, now)
    }
}

impl From<Absence> for MissingError {
    fn from(absence: Absence) -> Self {
        match absence {
            Absence::Unknown => Self::NotFound,
            Absence::Expired => Self::Expired,
        }
    }
}

/// Maps a refusal of the table to the error of the operation.
fn error_of<E: From<MissingError>>(refusal: Refusal<E>) -> E {
    match refusal {
        Refusal::NotFound => MissingError::NotFound.into(),
        Refusal::Expired => MissingError::Expired.into(),
        Refusal::Build(error) => error,
        Refusal::Full => unreachable!("the new version takes no more bytes than the old one"),
    }
}

/// The most retired objects that one flush frees.
const FLUSHED: usize = 1 << 20;

impl Default for SessionStore {
    fn default() -> Self {
        Self::new(SessionConfig::default())
    }
}

impl<T: Content + ?Sized> fmt::Debug for SessionStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore")
            .field("config", &self.config)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
