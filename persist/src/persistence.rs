//! A store that is kept on disk.

use crate::disk::{Disk, Found};
use crate::error::{NotDurable, OpenError};
use crate::journal::Journal;
use crate::names::Names;
use crate::options::{Changes, Options};
use crate::record;
use crate::time::Timeline;
use crate::writer::{Dirty, Shared, Writer};
use cloakroom::{Attributes, Carried, SessionStore};
use cloakroom_codec::{Kept, Refused};
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Keeps the sessions of a store in a directory.
///
/// [`store`](Self::store) is an ordinary [`SessionStore`], for the adapters and everything else. While this exists, two
/// threads write what happens in it.
///
/// Call [`close`](Self::close) once the server has stopped. Dropping does the same and ignores errors.
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Options, Persistence};
///
/// # let tmp = tempfile::tempdir()?;
/// # let dir = tmp.path().join("sessions");
/// let sessions = Persistence::open(&dir, Options::new())?;
/// let id = sessions.store().create_with([("user", "ada")])?;
/// sessions.close()?;
///
/// // After a restart:
/// let sessions = Persistence::open(&dir, Options::new())?;
/// assert_eq!(sessions.restored().sessions, 1);
/// assert_eq!(sessions.store().get(&id, "user").as_deref(), Some("ada"));
///
/// // This returns when it is on disk.
/// assert!(sessions.store().delete(&id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Persistence<T: Kept + ?Sized = Attributes> {
    store: Arc<SessionStore<T>>,
    journal: Arc<Journal>,
    restored: Restored,
    threads: Option<(JoinHandle<bool>, JoinHandle<()>)>,
}

/// Tells what was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Sessions that were restored.
    pub sessions: u64,
    /// Sessions that had expired.
    pub expired: u64,
    /// Sessions that the limits of the store do not allow any more. They have ended.
    pub refused: u64,
    /// Whether the process before has closed the directory. If not, it has crashed, or this is the first.
    pub clean: bool,
}

/// Tells whether writing works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// For how long writing has failed, and why the last attempt did. `None` if the last attempt succeeded.
    pub failing: Option<(Duration, io::ErrorKind)>,
    /// Commits since the directory was made.
    pub commits: u64,
    /// Sessions that waited to be written at the end of the last commit or attempt.
    pub unwritten: usize,
}

impl Persistence {
    /// Opens a directory, and restores its sessions of string attributes. Makes the directory if there is none; the one
    /// above it must exist.
    ///
    /// Blocks while it reads the files and restores the sessions.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the directory is in use, is accessible to other users, or has damaged files.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_any(dir.as_ref(), options)
    }
}

#[cfg(feature = "serde")]
impl<T> Persistence<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Opens a directory, and restores its sessions of values: see [`open`](Persistence::open).
    ///
    /// # Errors
    ///
    /// As for [`open`](Persistence::open).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_persist::{Options, Persistence};
    ///
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path().join("sessions");
    /// let sessions = Persistence::<Vec<u32>>::open_typed(&dir, Options::new())?;
    /// let id = sessions.store().create_with(vec![7])?;
    /// sessions.close()?;
    ///
    /// let sessions = Persistence::<Vec<u32>>::open_typed(&dir, Options::new())?;
    /// assert_eq!(sessions.store().read(&id, Clone::clone), Some(vec![7]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_typed(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_any(dir.as_ref(), options)
    }
}

impl<T: Kept + ?Sized> Persistence<T> {
    fn open_any(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let (mut disk, found) = Disk::open(dir, options.faults.clone(), options.when_damaged)?;
        let timeline = Timeline::resume(Arc::clone(&options.wall), found.map(|found| found.mark));
        let journal = Arc::new(Journal::new(Names::draw()?, options.changes, options.waiting));
        let told: Arc<dyn cloakroom::Journal> = Arc::<Journal>::clone(&journal);
        let store = Arc::new(options.store.clone().build_with_journal::<T>(told)?);
        let interval = match options.changes {
            Changes::Within(interval) => interval,
            Changes::BeforeReturn => Duration::from_secs(1),
        };
        let scan = (store.ttl() / 64).clamp(interval.min(Duration::from_secs(1)), Duration::from_secs(60));
        let keys = options.keys.clone();
        let shared = Arc::new(Shared { store, journal, timeline, keys, scan: scan.max(Duration::from_millis(1)) });
        let mut later = Dirty::new();
        let restored = restore(&shared, &disk, found, &options, &mut later)?;
        // From now on the record is that of a process that has not ended in order.
        let begun = disk.commit(&[], shared.timeline.mark(), false).and_then(|()| disk.sync_witness());
        begun.map_err(|error| OpenError::Io(io::Error::other(error)))?;
        let (store, journal) = (Arc::clone(&shared.store), Arc::clone(&shared.journal));
        let writer = Writer { shared: Arc::clone(&shared), disk, urgent: Dirty::new(), later, next: [0; 24], interval };
        let writing = thread::Builder::new().name("cloakroom-write".into()).spawn(move || writer.run())?;
        let mut persistence = Self { store, journal, restored, threads: None };
        match thread::Builder::new().name("cloakroom-scan".into()).spawn(move || shared.scan()) {
            Ok(scanning) => persistence.threads = Some((writing, scanning)),
            Err(error) => {
                persistence.journal.stop();
                let _ = writing.join();
                return Err(error.into());
            }
        }
        Ok(persistence)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<SessionStore<T>> {
        &self.store
    }

    /// Tells what was restored when the directory was opened.
    #[must_use]
    pub fn restored(&self) -> Restored {
        self.restored
    }

    /// Tells whether writing works. May block for an instant.
    #[must_use]
    pub fn health(&self) -> Health {
        let (failing, commits, unwritten) = self.journal.health();
        Health { failing: failing.map(|(since, kind)| (since.elapsed(), kind)), commits, unwritten }
    }

    /// Runs operations that do not block until the ends of sessions are on disk. Awaiting what is returned does. For
    /// async code.
    ///
    /// The operations take effect in memory when they run, whether or not the result is awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_persist::{Options, Persistence};
    ///
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path().join("sessions");
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let sessions = Persistence::open(&dir, Options::new())?;
    /// let id = sessions.store().create()?;
    /// let ended = sessions.deferred(|store| store.delete(&id)).await?;
    /// assert!(ended);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deferred<R>(&self, f: impl FnOnce(&SessionStore<T>) -> R) -> Deferred<R> {
        let (result, ticket) = self.journal.deferred(|| f(&self.store));
        Deferred { journal: Arc::clone(&self.journal), ticket, result: Some(result) }
    }

    /// Returns a future that waits until the ends of all sessions that have ended so far, by whatever thread, are on
    /// disk.
    pub fn settled(&self) -> Deferred<()> {
        Deferred { journal: Arc::clone(&self.journal), ticket: self.journal.last_urgent(), result: Some(()) }
    }

    /// Does the same as [`settled`](Self::settled), and blocks.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails.
    pub fn settle(&self) -> Result<(), NotDurable> {
        self.journal.wait(self.journal.last_urgent(), false)
    }

    /// Blocks until everything that has happened so far is on disk, except for last uses.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails.
    pub fn flush(&self) -> Result<(), NotDurable> {
        self.journal.wait(self.journal.last(), true)
    }

    /// Writes everything, last uses too, and closes the directory, so that the next process can open it. Call it when
    /// the server has stopped: what happens in the store afterwards is lost with the process, ends of sessions too.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails.
    pub fn close(mut self) -> Result<(), NotDurable> {
        self.shut()
    }

    fn shut(&mut self) -> Result<(), NotDurable> {
        let Some((writing, scanning)) = self.threads.take() else { return Ok(()) };
        self.journal.stop();
        let scanned = scanning.join();
        let written = writing.join();
        if scanned.is_ok() && written.unwrap_or(false) { Ok(()) } else { Err(NotDurable) }
    }
}

impl<T: Kept + ?Sized> Drop for Persistence<T> {
    fn drop(&mut self) {
        let _ = self.shut();
    }
}

impl<T: Kept + ?Sized> fmt::Debug for Persistence<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistence")
            .field("restored", &self.restored)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

/// Restores the sessions. Those that are not restored go to `later`, so that their records are removed.
fn restore<T: Kept + ?Sized>(
    shared: &Shared<T>,
    disk: &Disk,
    found: Option<Found>,
    options: &Options,
    later: &mut Dirty,
) -> Result<Restored, OpenError> {
    let Shared { store, journal, timeline, keys, .. } = shared;
    let clean = found.is_some_and(|found| found.clean);
    let mut restored = Restored { clean, ..Restored::default() };
    let mut buffer = Vec::new();
    disk.read(|key, bytes| {
        let (record, stale) = record::read(&key, bytes, keys, &mut buffer).map_err(|_| OpenError::Unreadable)?;
        let now = timeline.now();
        let timeout = record.idle_timeout.unwrap_or(store.ttl());
        // After a crash nobody knows whether the session was used since its last use was written.
        let unknown = if clean { 0 } else { shared.unwritten_use(timeout) };
        let last_use = record.last_use.saturating_add(unknown).min(now);
        let mut carried = Carried::default();
        carried.idle_for = Duration::from_millis(now - last_use);
        carried.idle_timeout = record.idle_timeout;
        carried.ends_in = record.end.map(|end| Duration::from_millis(end.saturating_sub(now)));
        (carried.principal, carried.version, carried.serial) = (record.principal, record.version, record.serial);
        (carried.audience, carried.cookie_life) = (record.audience, record.cookie_life);
        carried.cookie_sent = record.cookie_sent.map(|sent| Duration::from_millis(now.saturating_sub(sent)));
        let over = record.end.is_some_and(|end| end < now);
        let result = if over {
            Err(Refused::Import(cloakroom::ImportError::Expired))
        } else {
            T::restore(store, &journal.names.stand_in(&key), &carried, record.content)
        };
        match result {
            Ok(()) => {
                restored.sessions += 1;
                if restored.sessions.is_multiple_of(10_000)
                    && let Some(progress) = &options.progress
                {
                    progress(restored.sessions);
                }
                if stale {
                    later.insert(key, None);
                }
                return Ok(());
            }
            Err(Refused::Import(cloakroom::ImportError::Expired)) => restored.expired += 1,
            Err(Refused::Import(_)) => restored.refused += 1,
            Err(_) => return Err(OpenError::Unreadable),
        }
        later.insert(key, None);
        Ok(())
    })?;
    Ok(restored)
}

/// The result of operations whose effect on disk is awaited. Made by [`Persistence::deferred`] and
/// [`Persistence::settled`].
///
/// Its output is an error if the disk fails. The operations have taken effect in memory all the same.
#[must_use = "without `.await` nobody knows whether it is on disk"]
pub struct Deferred<R> {
    journal: Arc<Journal>,
    ticket: u64,
    result: Option<R>,
}

impl<R> Deferred<R> {
    /// Blocks until it is on disk.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails.
    pub fn wait(mut self) -> Result<R, NotDurable> {
        self.journal.wait(self.ticket, false)?;
        Ok(self.result.take().expect("it is taken once"))
    }
}

impl<R: Unpin> Future for Deferred<R> {
    type Output = Result<R, NotDurable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.journal.poll(self.ticket, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(self.result.take().expect("polled after it was ready"))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<R> fmt::Debug for Deferred<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}
