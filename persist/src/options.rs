//! The settings.

use crate::keys::Keys;
use crate::storage::{Access, Faults, Verdict};
use crate::time::{SystemWall, Wall};
use cloakroom::{SessionStore, SessionStoreBuilder};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Chooses when creations and changes are on disk. Ends of sessions do not wait for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changes {
    /// Within this time after they have taken effect. A crash loses what is younger: a session that was created in the
    /// meantime has to log in again, and a changed one has its former attributes.
    Within(Duration),
    /// Before the call returns, as ends of sessions are.
    BeforeReturn,
}

/// Chooses where a thread waits for the disk that has ended a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// In the call, which blocks the thread: [`delete`](cloakroom::SessionStore::delete) returns when the end is on
    /// disk.
    #[default]
    InCall,
    /// Where the program says: in [`Persistence::settled`](crate::Persistence::settled) or
    /// [`settle`](crate::Persistence::settle), before it answers its client. For async servers, whose threads must not
    /// block.
    WhereAsked,
}

/// Chooses what happens when the record of sessions and revocations is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDamaged {
    /// [`Persistence::open`](crate::Persistence::open) fails with [`OpenError::Damaged`](crate::OpenError::Damaged),
    /// and changes nothing.
    #[default]
    Refuse,
    /// The files are renamed to `*.damaged`, and the store begins without sessions: everybody has to log in again.
    BeginAnew,
    /// What can be read is restored. **Sessions that have ended may come back**, if the record is older than it was.
    RestoreAnyway,
}

/// Chooses what happens while the disk is full or fails. Ends of sessions take effect in memory in either case, and are
/// written once the disk works again. A failure is never taken for "no such session".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFailing {
    /// The store goes on in memory. [`Persistence::health`](crate::Persistence::health) and each wait for the disk tell
    /// of the failure.
    #[default]
    KeepInMemory,
    /// In addition, no session gets another id: rotations, logins, `bind` and `unbind` fail with
    /// [`RotateError::NotDurable`](cloakroom::RotateError::NotDurable) or
    /// [`BindError::NotDurable`](cloakroom::BindError::NotDurable), and the session stays as it was. A crash cannot
    /// bring an id back then that a login has replaced.
    ///
    /// `delete` and the like do not fail, because a logout has to hold in memory at least.
    /// [`Persistence::delete`](crate::Persistence::delete) tells whether it is on disk. An operation that was waiting
    /// for the disk when the failure was found has taken effect in memory:
    /// [`Persistence::settle`](crate::Persistence::settle) tells.
    RefuseRotations,
}

/// The settings of a [`Persistence`](crate::Persistence).
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Changes, Options};
/// use std::time::Duration;
///
/// let options = Options::new().changes(Changes::Within(Duration::from_millis(200)));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(crate) store: SessionStoreBuilder,
    pub(crate) changes: Changes,
    pub(crate) waiting: Waiting,
    pub(crate) when_damaged: WhenDamaged,
    pub(crate) when_failing: WhenFailing,
    pub(crate) keys: Keys,
    pub(crate) wall: Arc<dyn Wall>,
    pub(crate) faults: Option<Faults>,
    pub(crate) progress: Option<Progress>,
    pub(crate) restore_first: u64,
    pub(crate) before_each: Option<Progress>,
}

/// Is told a number.
pub(crate) type Told = dyn Fn(u64) + Send + Sync;

/// Is called while sessions are restored, with the number of those that were.
type Progress = Arc<Told>;

impl Default for Options {
    fn default() -> Self {
        Self {
            store: SessionStore::builder(),
            changes: Changes::Within(Duration::from_secs(1)),
            waiting: Waiting::default(),
            when_damaged: WhenDamaged::default(),
            when_failing: WhenFailing::default(),
            keys: Keys::default(),
            wall: Arc::new(SystemWall),
            faults: None,
            progress: None,
            restore_first: 10_000,
            before_each: None,
        }
    }
}

impl Options {
    /// Makes the default settings: changes within a second, ends before the call returns, no encryption.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the settings of the store.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_persist::Options;
    ///
    /// let options = Options::new().store(SessionStore::builder().max_sessions(100_000));
    /// ```
    pub fn store(mut self, store: SessionStoreBuilder) -> Self {
        self.store = store;
        self
    }

    /// Sets when creations and changes are on disk.
    pub fn changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// Sets where a thread that has ended a session waits for the disk.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets what happens when the record is damaged.
    pub fn when_damaged(mut self, policy: WhenDamaged) -> Self {
        self.when_damaged = policy;
        self
    }

    /// Sets what happens while the disk is full or fails.
    pub fn when_failing(mut self, policy: WhenFailing) -> Self {
        self.when_failing = policy;
        self
    }

    /// Restores the sessions before [`Persistence::open`](crate::Persistence::open) returns if there are so many of
    /// them or fewer: 10,000 if it is not set, which takes some milliseconds. [`u64::MAX`] always does so, 0 never.
    pub fn restore_first(mut self, most: u64) -> Self {
        self.restore_first = most;
        self
    }

    /// Calls `progress` after each 10,000 restored sessions, with their number, on the thread that restores them.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Encrypts records with this key. Records without encryption are read, and written again with it.
    ///
    /// The key must be random, and must not be kept beside the directory.
    #[cfg(feature = "encrypt")]
    pub fn key(mut self, key: [u8; 32]) -> Self {
        self.keys = self.keys.with(key);
        self
    }

    /// Reads records that were encrypted with this former key too, and writes them again with the present one. Once
    /// [`Persistence::flush`](crate::Persistence::flush) has returned, the former key is not needed any more.
    #[cfg(feature = "encrypt")]
    pub fn former_key(mut self, key: [u8; 32]) -> Self {
        self.keys = self.keys.and_former(key);
        self
    }

    /// Replaces the system's clocks, for tests.
    pub fn wall(mut self, wall: impl Wall) -> Self {
        self.wall = Arc::new(wall);
        self
    }

    /// Is called before each session that is restored in turn, for tests.
    #[doc(hidden)]
    pub fn before_each(mut self, before: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.before_each = Some(Arc::new(before));
        self
    }

    /// Injects faults into the file, for tests.
    #[doc(hidden)]
    pub fn faults(mut self, faults: impl Fn(Access) -> Verdict + Send + Sync + 'static) -> Self {
        self.faults = Some(Faults::new(faults));
        self
    }
}

/// Shows no key.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("store", &self.store)
            .field("changes", &self.changes)
            .field("waiting", &self.waiting)
            .field("when_damaged", &self.when_damaged)
            .field("when_failing", &self.when_failing)
            .field("keys", &self.keys)
            .field("wall", &self.wall)
            .finish_non_exhaustive()
    }
}
