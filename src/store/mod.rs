//! The session store: its operations over the table.
//!
//! Here the operations get their moment (one reading of the clock each), sessions their content and terms, and refusals
//! their names. What is concurrent about them lies in [`crate::table`].
//!
//! | file | the operations |
//! |---|---|
//! | `mod` | on a session whatever it holds: `read`, `exists`, `delete`, ... |
//! | `create` | creation, and room for it |
//! | `insert` | creation under a given id; replacing all that a session holds |
//! | `attributes`, `edit`, `json` | on string attributes: looking, changing, values as JSON |
//! | `typed` | on a value |
//! | `enumerate` | on all sessions, one after the other |
//! | `stats` | figures on how the store is doing |
//! | `export` | the same for `metrics` |
//! | `evict` | the end of expired sessions |
//! | `timeouts` | a session's own limits |
//! | `rotate` | another id for a session |
//! | `principals` | all sessions of somebody |

mod attributes;
mod builder;
mod create;
mod edit;
mod enumerate;
mod evict;
#[cfg(feature = "metrics")]
mod export;
mod insert;
#[cfg(feature = "json")]
mod json;
mod principals;
mod rotate;
mod stats;
mod timeouts;
mod typed;

pub use builder::SessionStoreBuilder;
pub use create::NewSession;
pub use enumerate::SessionView;
pub use evict::Eviction;
pub use rotate::Rotation;
pub use stats::Stats;
pub use timeouts::Timeouts;

use crate::attributes::Attributes;
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::Content;
use crate::error::UpdateError;
use crate::events::Tracer;
use crate::events::{Listener, Registrar};
use crate::expiry::{Moment, Tick, Ticking, limit};
use crate::fingerprint::{Fingerprint, Fingerprints};
use crate::id::SessionId;
use crate::memory;
use crate::principal::index::Index;
use crate::sync::AtomicU64;
use crate::table::{Absence, Refusal, Table};
use core::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A concurrent store of sessions: string attributes under a random id, which expire when they have not been used for a
/// while.
///
/// Every method takes `&self` and may be called from any thread; none waits for another thread, so none blocks an async
/// executor either. (The memory allocator and, for new ids, the operating system's random source are outside of this
/// claim; a thread's first call registers it with the memory reclamation, which allocates.) Put the store behind an
/// [`Arc`] or into a `static`.
///
/// * **Linearizable.** Each operation on a session takes effect at one instant, which its documentation names.
/// * **Revocation wins.** Once [`delete`](Self::delete) has returned, no operation on that id succeeds again, whatever
///   was under way. Only creation brings an id into being: [`create_with`](Self::create_with) with a new one each time,
///   [`insert_with`](Self::insert_with) with that which it is given.
/// * **Never early, never late.** A session that was used within its TTL is not expired; an expired one is never
///   returned.
/// * **No lost updates.** Of two concurrent [`set`](Self::set)s of different keys, both survive.
/// * **Nothing escapes.** Values come back owned, or are seen inside of a closure: no borrow of the store can be held
///   across an `.await`, where it would stall the reclamation of memory.
///
/// A session holds string [`Attributes`] unless told otherwise; a `SessionStore<T>` keeps a value of type `T` for each
/// instead, on the same table and with the same promises ([`typed`](Self::typed)).
///
/// Dropping the store frees all sessions. A forked child has a copy of them, and may use it; what is revoked in one of
/// the processes is not revoked in the other ([what a fork means]).
///
/// [what a fork means]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/design.md#forks
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
/// Nothing that `read` shows can be kept:
///
/// ```compile_fail
/// # let store = cloakroom::SessionStore::default();
/// # let id = store.create().unwrap();
/// let kept: Option<&str> = store.read(&id, |attributes| attributes.get("user_id")).flatten();
/// ```
///
/// but what is made from it can:
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
    time: TimeSource,
    /// How many ticks a session may lie untouched.
    idle: u64,
    /// Which sessions are bound to which principals.
    index: Arc<Index>,
    /// How many sessions have been given an id of the caller's.
    inserted: AtomicU64,
    rejections: stats::Rejections,
    fingerprints: Fingerprints,
    tracer: Tracer,
}

/// Tells what a [`lookup`](SessionStore::lookup) has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<R> {
    /// The session is live; what the closure made of it.
    Live(R),
    /// The session was there, but has expired: this call has ended it.
    Expired,
    /// There is no such session. There may have been one that was deleted, or that expired and has been removed
    /// already.
    Unknown,
}

impl<T: Content + ?Sized> SessionStore<T> {
    pub(crate) fn assemble(config: SessionConfig, time: TimeSource, listener: Option<Listener>) -> Self {
        let idle = limit(config.ttl, time.resolution());
        let index = Arc::new(Index::new(config.shard_count()));
        let fingerprints = Fingerprints::new();
        let tracer = Tracer::new(&fingerprints);
        let registrar = Registrar { index: Arc::clone(&index), listener };
        let observer = tracer.observer(Box::new(registrar));
        let table = Table::new(config.shard_count(), config.max_sessions).observed_by(observer);
        let (inserted, rejections) = (AtomicU64::new(0), stats::Rejections::default());
        Self { table, config, time, idle, index, inserted, rejections, fingerprints, tracer }
    }

    /// Shows what a session holds, all of one version, to a closure, and touches the session. `None` if it does not
    /// exist or has expired (it is removed then).
    ///
    /// Nothing is copied or allocated. The closure may call the store, even for the same session; what it is shown
    /// stays as it was. While it runs no memory that any thread retires from this or another store is freed, so keep it
    /// short. If it panics, the store is as before, and the session touched.
    ///
    /// Lock-free. Takes effect when the session is touched.
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
    pub fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.table.read(id.as_bytes(), true, self.moment(), |version| f(T::of(version))).ok()
    }

    /// Does what [`read`](Self::read) does, and tells an expired session from an unknown id: for audit logs.
    ///
    /// That a session has expired is reported once, by whoever ends it: a later look-up, or one after the session was
    /// evicted, finds [`Unknown`](Lookup::Unknown). Do not tell the visitor which it was.
    ///
    /// Lock-free. Takes effect when the session is touched or ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Lookup, ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// let id = store.create_with([("user", "ada")])?;
    /// assert_eq!(store.lookup(&id, |attributes| attributes.len()), Lookup::Live(1));
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(store.lookup(&id, |_| ()), Lookup::Expired);
    /// assert_eq!(store.lookup(&id, |_| ()), Lookup::Unknown);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Lookup<R> {
        match self.table.read(id.as_bytes(), true, self.moment(), |version| f(T::of(version))) {
            Ok(result) => Lookup::Live(result),
            Err(Absence::Expired) => Lookup::Expired,
            Err(Absence::Unknown) => Lookup::Unknown,
        }
    }

    /// Does what [`read`](Self::read) does without touching the session: for looking at somebody else's, as in a list
    /// of devices, which must not keep them alive.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
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
    pub fn peek<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.table.read(id.as_bytes(), false, self.moment(), |version| f(T::of(version))).ok()
    }

    /// Touches the session: says whether it exists, and if so, lets its idle timeout begin anew.
    ///
    /// Lock-free. Takes effect when the session is touched.
    pub fn touch(&self, id: &SessionId) -> bool {
        self.read(id, |_| ()).is_some()
    }

    /// Tells whether the session exists, without touching it. An expired session does not exist (and is removed).
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
    pub fn exists(&self, id: &SessionId) -> bool {
        self.peek(id, |_| ()).is_some()
    }

    /// Returns the number by which sessions of one id are told apart, without touching the session: 0 if the store has
    /// drawn the id, which then names no other session; or else which of the sessions that
    /// [`insert_with`](SessionStore#method.insert_with) has created it is, counted from 1. `None` if it does not exist
    /// or has expired (it is removed then).
    ///
    /// A [`Removal`](crate::Removal) has it too. The listener is called by the thread that has ended a session, after
    /// the end: where an id is given again at once, it may be told of the end of the former session when the next one
    /// lives already.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
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
    pub fn serial(&self, id: &SessionId) -> Option<u64> {
        self.table.read(id.as_bytes(), false, self.moment(), |version| version.overrides().serial).ok()
    }

    /// Ends a session, and says whether it was there. An expired one was not, but is removed as well.
    ///
    /// Once this has returned, no operation on the id succeeds again, even if it was under way before. An id that still
    /// leads to another one after a [rotation](Self::rotate_id) with grace ends the session that it leads to; a delete
    /// that loses to a rotation without grace answers false, and the session lives on under its new id.
    ///
    /// Lock-free. Takes effect when the session's live version dies.
    pub fn delete(&self, id: &SessionId) -> bool {
        self.table.remove(id.as_bytes(), self.moment())
    }

    /// Returns what names this id in logs: eight hex digits of a hash of it, under a random key that each store has for
    /// this alone. The events of the feature `tracing` name sessions by the same digits.
    ///
    /// The digits are enough to follow a session through a log, and not enough to find its id: they hold 32 bits, and
    /// an id has 256. Another store, and this one after a restart, has other digits for the same id. A rotated session
    /// has a new id, and so a new fingerprint.
    ///
    /// Among 10,000 sessions, two have the same fingerprint with a probability of about 1 %: write it to logs, and
    /// never look a session up by it.
    ///
    /// Says nothing about whether there is such a session, and touches none. Wait-free; allocates nothing.
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
    pub fn fingerprint(&self, id: &SessionId) -> Fingerprint {
        self.fingerprints.of(id.as_bytes())
    }

    /// Returns the number of sessions, including expired ones that nobody has met or evicted yet.
    ///
    /// Exact when no operation is under way. While some are, a session that is just coming or going may be counted or
    /// not; with [`max_sessions`](SessionConfig::max_sessions) set, the result never exceeds it. Wait-free.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Frees memory of ended sessions and replaced versions that no thread can be using any more.
    ///
    /// This happens by and by anyway as the store is used, and after [`evict_expired`](Self::evict_expired); it is
    /// worth a call when the store falls idle after much has been deleted. One call frees up to a million such objects,
    /// unless a `read` closure that is running somewhere holds them back. Reaches what other threads have retired, of
    /// all stores of the process, also if those threads are idle; but for up to 256 KB a thread may keep to use again.
    /// What is left is shown by [`Stats::retired_bytes`](crate::Stats::retired_bytes). May take a fraction of a
    /// millisecond, and longer by what the [`Drop`] of values takes; lock-free.
    pub fn flush(&self) {
        memory::flush(FLUSHED);
    }

    /// The configuration that the store was made with.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// The name of the cookie that is to carry the id.
    pub fn cookie_name(&self) -> &str {
        self.config.cookie_name.as_str()
    }

    /// How long a session may lie idle that has no timeout of its own.
    pub fn ttl(&self) -> Duration {
        self.config.ttl
    }

    /// What must hold when no operation is under way: the tables are in order, and the index names the live sessions of
    /// a principal and no others.
    #[cfg(loom)]
    pub(crate) fn check_at_rest(&self, principal: &crate::principal::Principal) {
        self.table.check_at_rest();
        self.index.check_at_rest();
        // Ends those first that have expired.
        let live = self.sessions_of(principal);
        let members = self.index.find(principal.key()).map(|user| user.members()).unwrap_or_default();
        let listed = members.into_iter().map(|member| SessionId::from_bytes(member.id)).collect::<Vec<_>>();
        assert_eq!(listed, live, "ids in the index and live sessions");
    }

    /// The moment of an operation that begins now.
    #[inline]
    fn moment(&self) -> Moment<'_> {
        Moment::new(self.time.tick(), self.idle, &self.time)
    }

    /// The moment of an operation that goes by an earlier reading of the clock.
    fn moment_at<'a>(&self, now: &'a Tick) -> Moment<'a> {
        Moment::new(*now, self.idle, now)
    }
}

/// Why an update has changed nothing, in the words of the operation.
fn why_unchanged<E: From<UpdateError>>(refusal: Refusal<E>) -> E {
    match refusal {
        Refusal::NotFound => UpdateError::NotFound.into(),
        Refusal::Expired => UpdateError::Expired.into(),
        Refusal::Build(error) => error,
    }
}

/// How many retired objects a flush is ready to free.
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
