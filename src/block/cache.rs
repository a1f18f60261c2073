//! What a thread has retired and not flushed, and what it keeps to use again.

use super::batch::{Batch, ROOM};
use super::record::{Record, Registry};
use super::spare::{Kind, Spare};
use super::{Block, heap, prefetch};
use crate::reclaim::{self, Guard};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};
use core::cell::{Cell, RefCell};
use core::mem::{ManuallyDrop, replace, take};
use core::ptr::{self, NonNull};

/// So many bytes are retired together at the most. (It takes 2 KB of the collector's to have a batch freed.)
const BATCH_BYTES: usize = 32 * 1024;

/// An object that takes more is retired alone, and freed where it is found that it can be.
const LARGE: usize = 8 * 1024;

/// So many bytes are kept for a thread at the most: batches that are, or will be, returned, and what it has taken out
/// of them; but for those of a thread that [frees many](FreesMany).
const KEPT: usize = 256 * 1024;

/// Whether the blocks of spares are used again. Not where AddressSanitizer has to see each entry freed.
pub(super) const REUSED: bool = cfg!(not(crossbeam_sanitize));

/// As many spares as a thread that allocates again will soon need.
pub(super) const ENOUGH: usize = if REUSED { 64 } else { 0 };

static REGISTRY: Registry = Registry(AtomicPtr::new(ptr::null_mut()));

/// Bytes that threads without a record have retired, less those that were freed by any thread but the one that had
/// retired them. Comes round.
static BALANCE: AtomicUsize = AtomicUsize::new(0);

/// Bytes that have been retired by any thread, and are neither freed nor used again.
pub(crate) fn retired_bytes() -> usize {
    let strays = BALANCE.load(Ordering::Relaxed); // Relaxed: a mere number, as below.
    let all = REGISTRY.records().map(Record::balance).fold(strays, usize::wrapping_add);
    // Less than none: what has been freed since the others were read.
    if all > usize::MAX / 2 { 0 } else { all }
}

/// Frees objects that were retired.
fn free(spares: impl Iterator<Item = Spare>) {
    let bytes: usize = spares.map(Spare::free).sum();
    BALANCE.fetch_sub(bytes, Ordering::Relaxed); // Relaxed: a mere number.
}

/// What has been retired together, to be [released](Self::release) once nobody uses any of it.
pub(crate) enum Retired {
    /// Is returned to the thread that retired it.
    Batch(&'static Record, ClosedBatch),
    /// Is freed where it is found: a batch.
    Free(ClosedBatch),
    /// The same: what another thread has taken.
    Over(Vec<Spare>),
    /// The same: what is large, or whose thread is being torn down.
    One(Spare),
    /// The same, of a table that is being dropped.
    Owned(Spare),
    /// To take what the thread has in its open batch.
    Ticket(&'static Record),
}

/// A closed batch, into which no thread looks but those that are pinned.
pub(crate) struct ClosedBatch(NonNull<Batch>);

// SAFETY: a batch may be sent.
unsafe impl Send for ClosedBatch {}

impl ClosedBatch {
    fn new(batch: Box<Batch>) -> Self {
        Self(NonNull::from(Box::leak(batch)))
    }

    /// To be called once, when nobody looks into it any more.
    fn into_box(self) -> Box<Batch> {
        // SAFETY: it came out of a box, and is nobody else's.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

/// What the collector takes without another allocation.
const _: () = assert!(size_of::<Retired>() <= 3 * size_of::<usize>());

impl Retired {
    /// To be called once nobody uses any of it. Does not unwind.
    ///
    /// Content that is dropped may use any store, and so come back to here: then this only notes what is to be
    /// released, and the call that is the outermost of this thread's does it. So there is never one `Drop` of retired
    /// content below another.
    pub(crate) fn release(self) {
        std::thread_local! {
            // Neither has anything to be dropped, so that both are there while the thread is torn down.
            static BUSY: Cell<bool> = const { Cell::new(false) };
            static NOTED: RefCell<ManuallyDrop<Vec<Retired>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
        }
        if BUSY.replace(true) {
            NOTED.with_borrow_mut(|noted| noted.push(self));
            return;
        }
        let mut next = Some(self);
        while let Some(retired) = next {
            retired.end();
            next = NOTED.with_borrow_mut(|noted| noted.pop());
        }
        // Gives back its room.
        NOTED.with_borrow_mut(|noted| drop(take(&mut **noted)));
        BUSY.set(false);
    }

    fn end(self) {
        match self {
            Self::Batch(record, batch) => {
                if let Some(mut batch) = record.give_back(batch.into_box()) {
                    free(batch.drain_to_free());
                }
            }
            Self::Free(batch) => free(batch.into_box().drain_to_free()),
            Self::Over(spares) => free(spares.into_iter()),
            Self::One(spare) => free([spare].into_iter()),
            Self::Owned(spare) => drop(spare),
            Self::Ticket(record) => {
                let guard = reclaim::pin();
                let retired = record.redeem(&guard);
                if !retired.is_empty() {
                    guard.defer(Self::Over(retired));
                }
            }
        }
    }
}

/// What has become of an object that was to be retired into a thread's open batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    Well,
    /// And now the batch is full.
    Full,
    /// And it must not wait until the batch is.
    WithContents,
    /// It has been counted, and no more.
    TooLarge,
    /// The thread is being torn down.
    Not,
}

/// What one thread has.
struct Cache {
    record: Option<&'static Record>,
    /// The batch into which this thread retires; null if there is none.
    open: *mut Batch,
    /// Whether an object that has been retired into it has content.
    has_contents: bool,
    /// What may be used again, the youngest last.
    ready: Vec<Spare>,
    /// To be the next open one.
    empty: Option<Box<Batch>>,
    /// Whether all batches are returned, however many.
    frees_many: bool,
}

std::thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache::new()) };
}

/// Does something to this thread's cache; not while the thread is torn down, nor within itself.
#[inline]
fn with_cache<R>(f: impl FnOnce(&mut Cache) -> R) -> Option<R> {
    CACHE.try_with(|cache| cache.try_borrow_mut().ok().map(|mut cache| f(&mut cache))).ok().flatten()
}

impl Cache {
    const fn new() -> Self {
        Self {
            record: None,
            open: ptr::null_mut(),
            has_contents: false,
            ready: Vec::new(),
            empty: None,
            frees_many: false,
        }
    }

    #[inline]
    fn record(&mut self) -> &'static Record {
        self.record.unwrap_or_else(|| self.enter())
    }

    #[cold]
    fn enter(&mut self) -> &'static Record {
        self.record.insert(REGISTRY.enter())
    }

    #[cold]
    fn open(&mut self, record: &Record) {
        self.open = Box::into_raw(self.empty.take().unwrap_or_else(Batch::new));
        self.has_contents = false;
        record.open(self.open);
    }

    /// Retires an object into the open batch.
    #[inline]
    fn push(&mut self, object: NonNull<()>, kind: &'static Kind, bytes: usize) -> Pushed {
        let record = self.record();
        if bytes > LARGE {
            record.count_retired(bytes);
            return Pushed::TooLarge;
        }
        if self.open.is_null() {
            self.open(record);
        }
        let open_bytes = record.count_open(bytes);
        // SAFETY: what is promised for the spare that the caller has, and forgets.
        let spare = unsafe { Spare::new(object, kind) };
        let has_contents = spare.has_contents();
        // SAFETY: it is there until it is closed, which this thread has not done.
        let open = unsafe { &*self.open };
        // SAFETY: the batch is this thread's, and closed when it is full.
        let retired = unsafe { open.push(spare) };
        if has_contents {
            self.has_contents = true;
        }
        if retired >= ROOM || open_bytes >= BATCH_BYTES {
            return Pushed::Full;
        }
        if self.ready.len() > ENOUGH {
            self.free_one();
        }
        if has_contents { Pushed::WithContents } else { Pushed::Well }
    }

    /// Closes the open batch, if there is one.
    fn close(&mut self) -> Option<Retired> {
        let record = self.record?;
        let batch = NonNull::new(replace(&mut self.open, ptr::null_mut()))?;
        record.open(ptr::null_mut());
        // SAFETY: it is there until it is released.
        let open = unsafe { batch.as_ref() };
        let kept = |bytes| {
            let kept = record.returning() + record.cached() + bytes <= KEPT;
            if kept {
                record.expect(bytes);
            }
            kept
        };
        // SAFETY: the batch is this thread's, and was open until now.
        unsafe { open.close(record.count_closed(), self.has_contents, kept) };
        Some(Retired::Batch(record, ClosedBatch(batch)))
    }

    /// Takes in what has been returned, unless that is to be freed anyway.
    #[cold]
    fn receive(&mut self) {
        let Some(record) = self.record.filter(|record| record.has_returned() && !self.frees_many) else { return };
        let mut batches: Vec<_> = record.take_returned().collect();
        // The oldest first.
        while let Some(mut batch) = batches.pop() {
            record.count_cached(batch.closed().bytes);
            let first = self.ready.len();
            self.ready.extend(batch.drain());
            self.ready[first..].iter().for_each(|spare| prefetch(spare.object().as_ptr()));
            self.empty = Some(batch.reopened());
        }
    }

    /// The youngest spare, to be [taken apart](take_apart).
    #[inline]
    fn pop(&mut self) -> Option<(Spare, &'static Record)> {
        let record = self.record?;
        Some((self.ready.pop()?, record))
    }

    #[cold]
    fn free_one(&mut self) {
        drop(self.pop().map(take_apart));
    }

    fn free_ready(&mut self) {
        while let Some(spare) = self.pop() {
            drop(take_apart(spare));
        }
    }
}

/// The block of a spare of this thread's, if it has one.
#[inline]
fn take_apart((spare, record): (Spare, &Record)) -> Option<Block> {
    let remains = spare.take_apart();
    record.count_reused(remains.as_ref().map_or_else(|&bytes| bytes, Block::size));
    remains.ok()
}

impl Drop for Cache {
    /// The thread is being torn down: what it has retired may still be in use.
    fn drop(&mut self) {
        let retired = self.close();
        self.free_ready();
        if let Some(record) = self.record.take() {
            record.leave().for_each(release_returned);
        }
        if let Some(retired) = retired {
            reclaim::pin().defer(retired);
        }
    }
}

/// While there is one, all that this thread retires is returned to it as it is: it is about to free more than others
/// should find in their way, and to [collect](reclaim::collect) it.
pub(crate) struct FreesMany {
    before: bool,
}

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self { before: Self::set(true) }
    }

    /// Says what was set before.
    fn set(frees_many: bool) -> bool {
        let set = with_cache(|cache| {
            let before = replace(&mut cache.frees_many, frees_many);
            (before, (before != frees_many).then(|| cache.record().sweeps(frees_many)))
        });
        let Some((before, returned)) = set else { return false };
        returned.into_iter().flatten().for_each(release_returned);
        before
    }
}

impl Drop for FreesMany {
    fn drop(&mut self) {
        Self::set(self.before);
    }
}

/// Frees a batch that has been taken from a thread to which it was returned.
fn release_returned(batch: Box<Batch>) {
    Retired::Free(ClosedBatch::new(batch)).release();
}

/// Notes what this thread has retired. What this returns is to be released once no thread is pinned that is pinned now.
#[inline(always)]
pub(crate) fn retire(spare: Spare, bytes: usize) -> Option<Retired> {
    let spare = ManuallyDrop::new(spare);
    let pushed = with_cache(|cache| cache.push(spare.object(), spare.kind(), bytes)).unwrap_or(Pushed::Not);
    if pushed == Pushed::Well { None } else { due(spare, bytes, pushed) }
}

#[cold]
#[inline(never)]
fn due(spare: ManuallyDrop<Spare>, bytes: usize, pushed: Pushed) -> Option<Retired> {
    match pushed {
        Pushed::Well => None,
        Pushed::Full => with_cache(|cache| {
            cache.receive();
            cache.close()
        })
        .flatten(),
        Pushed::WithContents => {
            let record = with_cache(|cache| cache.record())?;
            record.wants_ticket().then_some(Retired::Ticket(record))
        }
        Pushed::TooLarge => Some(Retired::One(ManuallyDrop::into_inner(spare))),
        Pushed::Not => {
            BALANCE.fetch_add(bytes, Ordering::Relaxed); // Relaxed: a mere number.
            Some(Retired::One(ManuallyDrop::into_inner(spare)))
        }
    }
}

/// Closes the batch of what this thread has retired, however little it is.
pub(crate) fn close() -> Option<Retired> {
    with_cache(Cache::close).flatten()
}

/// Takes the youngest spare apart.
#[inline]
pub(super) fn take_apart_one() -> Option<Block> {
    let youngest = with_cache(|cache| {
        if cache.ready.is_empty() {
            cache.receive();
        }
        cache.pop()
    });
    take_apart(youngest.flatten()?)
}

/// Frees what this thread keeps, also what has just been returned.
pub(crate) fn free_all() {
    let returned = with_cache(|cache| {
        cache.free_ready();
        cache.ready = Vec::new();
        cache.empty = None;
        cache.record.map(Record::take_returned)
    });
    returned.flatten().into_iter().flatten().for_each(release_returned);
    heap::flush();
}

/// Takes what threads have retired and not flushed, this one among them; and frees what has been returned to them.
pub(crate) fn flush_others(guard: &Guard) -> Option<Retired> {
    let retired: Vec<_> = REGISTRY.records().flat_map(|record| record.take_retired(guard)).collect();
    (!retired.is_empty()).then_some(Retired::Over(retired))
}

/// Frees what has been returned to any thread.
pub(crate) fn free_returned() {
    REGISTRY.records().flat_map(Record::take_returned).for_each(release_returned);
}

/// Gives this thread a record of which no other thread knows.
#[cfg(all(test, not(crossbeam_sanitize)))]
pub(super) fn hide() {
    let record = Box::leak(Box::new(Record::new()));
    with_cache(|cache| cache.record = Some(record)).expect("the thread is not torn down");
}

/// Frees an object that was never retired, and that nobody uses. Does not unwind.
pub(crate) fn free_owned(spare: Spare) {
    Retired::Owned(spare).release();
}
