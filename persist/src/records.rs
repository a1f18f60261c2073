//! What was on disk when the directory was opened, and how much of it is in the store.

use crate::disk::Disk;
use crate::error::OpenError;
use crate::keys::Keys;
use crate::names::DiskKey;
use crate::record;
use cloakroom::Principal;
use cloakroom_codec::Kept;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

/// Tells what was restored so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Sessions that were restored.
    pub sessions: u64,
    /// Sessions that had expired.
    pub expired: u64,
    /// Sessions that the limits of the store do not allow any more. They have ended.
    pub refused: u64,
    /// Sessions that were on disk when the directory was opened.
    pub total: u64,
    /// Whether all of them were dealt with.
    pub done: bool,
    /// Whether the process before has closed the directory. If not, it has crashed, or this is the first.
    pub clean: bool,
}

/// One session's record.
pub(crate) struct Record {
    pub(crate) key: DiskKey,
    /// Where its bytes are.
    chunk: u32,
    start: u32,
    len: u32,
    /// Whether it should be written again, because it is not under the present key.
    pub(crate) stale: bool,
    /// Whether it was put into the store.
    pub(crate) brought: Once,
}

/// The bytes of a chunk, unless one record has more.
const CHUNK: usize = 1 << 20;

/// The records that were on disk, decrypted, in the order of their keys.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) records: Vec<Record>,
    chunks: Vec<Vec<u8>>,
    /// The first bytes of each principal, and the number of a record. Sorted.
    principals: Vec<([u8; 8], u32)>,
}

fn start_of(principal: &Principal) -> [u8; 8] {
    *principal.to_bytes().first_chunk().expect("it is longer")
}

impl Records {
    /// Reads all records, and checks that each can be restored.
    pub(crate) fn read<T: Kept + ?Sized>(disk: &Disk, keys: &Keys) -> Result<Self, OpenError> {
        let (mut all, mut buffer) = (Self::default(), Vec::new());
        disk.read(|key, sealed| {
            let (plain, stale) = record::unseal(&key, sealed, keys, &mut buffer).map_err(|_| OpenError::Unreadable)?;
            let record = record::parse(plain).map_err(|_| OpenError::Unreadable)?;
            if !T::is_readable(record.content) || all.records.last().is_some_and(|last| last.key >= key) {
                return Err(OpenError::Unreadable);
            }
            let number = u32::try_from(all.records.len()).map_err(|_| OpenError::Unreadable)?;
            all.principals.extend(record.principal.map(|principal| (start_of(&principal), number)));
            let [chunk, start, len] = all.keep(plain).ok_or(OpenError::Unreadable)?;
            all.records.push(Record { key, chunk, start, len, stale, brought: Once::new() });
            Ok(())
        })?;
        all.principals.sort_unstable();
        Ok(all)
    }

    fn keep(&mut self, plain: &[u8]) -> Option<[u32; 3]> {
        if self.chunks.last().is_none_or(|last| last.capacity() - last.len() < plain.len()) {
            self.chunks.push(Vec::with_capacity(plain.len().max(CHUNK)));
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        let start = chunk.len();
        chunk.extend_from_slice(plain);
        Some([u32::try_from(at).ok()?, u32::try_from(start).ok()?, u32::try_from(plain.len()).ok()?])
    }

    pub(crate) fn bytes(&self, record: &Record) -> &[u8] {
        &self.chunks[record.chunk as usize][record.start as usize..][..record.len as usize]
    }

    pub(crate) fn find(&self, key: &DiskKey) -> Option<&Record> {
        let at = self.records.binary_search_by_key(key, |record| record.key).ok()?;
        Some(&self.records[at])
    }

    pub(crate) fn of(&self, principal: &Principal) -> impl Iterator<Item = &Record> {
        let start = start_of(principal);
        let first = self.principals.partition_point(|(other, _)| *other < start);
        let same = self.principals[first..].iter().take_while(move |(other, _)| *other == start);
        same.map(|(_, number)| &self.records[*number as usize])
    }
}

/// How far the restoration is.
#[derive(Default)]
pub(crate) struct Restoring {
    /// `None` once all were dealt with.
    records: RwLock<Option<Arc<Records>>>,
    done: AtomicBool,
    total: u64,
    pub(crate) sessions: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Records that were dealt with.
    passed: AtomicU64,
    pub(crate) clean: bool,
    any_stale: bool,
    wakers: Mutex<Vec<Waker>>,
    finished: Condvar,
}

impl Restoring {
    pub(crate) fn new(records: Records, clean: bool) -> Self {
        let (total, any_stale) = (records.records.len(), records.records.iter().any(|record| record.stale));
        Self {
            records: RwLock::new((total > 0).then(|| Arc::new(records))),
            done: AtomicBool::new(total == 0),
            total: total as u64,
            clean,
            any_stale,
            ..Self::default()
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Whether records have to be written again under the present key.
    pub(crate) fn any_stale(&self) -> bool {
        self.any_stale
    }

    pub(crate) fn so_far(&self) -> Restored {
        // Acquire: the counts are final once this is set; pairs with the store in `pass`.
        let done = self.done.load(Ordering::Acquire);
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Restored {
            sessions: count(&self.sessions),
            expired: count(&self.expired),
            refused: count(&self.refused),
            total: self.total,
            done,
            clean: self.clean,
        }
    }

    /// The records, until all were dealt with.
    pub(crate) fn records(&self) -> Option<Arc<Records>> {
        if self.done.load(Ordering::Acquire) {
            return None;
        }
        self.records.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a record that was dealt with.
    pub(crate) fn pass(&self) {
        // AcqRel: the last one sees what all others have counted.
        if self.passed.fetch_add(1, Ordering::AcqRel) + 1 == self.total {
            let records = self.records.write().unwrap_or_else(PoisonError::into_inner).take();
            let mut waiting = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            // Release: pairs with the loads of those that find that all is restored.
            self.done.store(true, Ordering::Release);
            let wakers = core::mem::take(&mut *waiting);
            drop(waiting);
            self.finished.notify_all();
            wakers.into_iter().for_each(Waker::wake);
            drop(records);
        }
    }

    fn wait(&self) {
        let mut guard = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.done.load(Ordering::Acquire) {
            guard = self.finished.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.done.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// Puts records into the store sooner than the restoring thread would.
pub(crate) trait Restore: Send + Sync {
    /// Puts the record with this key into the store, unless it was. Returns whether this call has found that the store
    /// does not allow it any more.
    fn bring(&self, key: &DiskKey) -> bool;

    /// The same for all records of a principal.
    fn bring_of(&self, principal: &Principal);

    /// The same for all records.
    fn bring_all(&self);
}

/// Waits until all sessions are restored. Made by [`Persistence::restoration`](crate::Persistence::restoration).
///
/// As a future it is ready once they are, without making that sooner.
#[must_use = "without `.await` or `wait` it does nothing"]
pub struct Restoration {
    pub(crate) restoring: Arc<Restoring>,
}

impl Restoration {
    /// Blocks until all sessions are restored.
    pub fn wait(self) -> Restored {
        self.restoring.wait();
        self.restoring.so_far()
    }
}

impl Future for Restoration {
    type Output = Restored;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Restored> {
        self.restoring.poll(context).map(|()| self.restoring.so_far())
    }
}

impl fmt::Debug for Restoration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restoration").field("restored", &self.restoring.so_far()).finish_non_exhaustive()
    }
}
