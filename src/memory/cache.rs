//! A thread's cache: its open batch, and the blocks that it keeps for its next allocations.

use super::batch::{BATCH, Batch};
use super::block::Block;
use super::epoch::{Guard, pin};
use super::heap;
use super::object::{Kind, RetiredObject};
use super::prefetch::prefetch;
use super::record::{Record, Registry};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::mem::{ManuallyDrop, replace, take};
use core::ptr::{self, NonNull};

/// The most bytes in a batch. (The collector takes 2 KB to have a batch freed.)
const BATCH_BYTES: usize = 32 * 1024;

/// A larger object is retired alone, and freed by the thread that finds it reclaimable.
const LARGE: usize = 8 * 1024;

/// The most bytes that are kept for one thread: batches that are or will be returned, and cached objects. Does not
/// bound a thread that [frees many](FreesMany).
const KEPT: usize = 256 * 1024;

/// Whether blocks are reused. Not where AddressSanitizer has to see each entry freed.
const REUSED: bool = cfg!(not(crossbeam_sanitize));

/// The number of cached objects above which a thread frees one for each that it retires.
const ENOUGH: usize = if REUSED { 64 } else { 0 };

static REGISTRY: Registry = Registry(AtomicPtr::new(ptr::null_mut()));

/// Bytes that threads without a record have retired, less the bytes that were freed by another thread than the one that
/// retired them. Wraps.
static BALANCE: AtomicUsize = AtomicUsize::new(0);

/// Bytes that any thread has retired and that are neither freed nor reused.
pub(crate) fn retired_bytes() -> usize {
    let strays = BALANCE.load(Ordering::Relaxed); // Relaxed: a mere number.
    let all = REGISTRY.records().map(Record::balance).fold(strays, usize::wrapping_add);
    // Negative if objects have been freed since their counts were read.
    if all > usize::MAX / 2 { 0 } else { all }
}

/// Frees retired objects.
fn free(objects: impl Iterator<Item = RetiredObject>) {
    let bytes: usize = objects.map(RetiredObject::free).sum();
    BALANCE.fetch_sub(bytes, Ordering::Relaxed); // Relaxed: a mere number.
}

/// Retired objects that the collector [releases](Self::release) once no thread can use them.
pub(crate) enum Deferred {
    /// A batch, to be returned to the thread that retired it.
    Batch(&'static Record, ClosedBatch),
    /// A batch, to be freed.
    Free(ClosedBatch),
    /// Objects that another thread has taken from an open batch, to be freed.
    Taken(Vec<RetiredObject>),
    /// One object, to be freed, because it is large or its thread is being torn down.
    One(RetiredObject),
    /// One object of a table that is being dropped, to be freed.
    Owned(RetiredObject),
    /// A ticket: take the objects in this thread's open batch.
    Ticket(&'static Record),
}

impl Guard {
    /// Releases `deferred` once all threads that are pinned now have unpinned.
    #[cold]
    pub(super) fn release_later(&self, deferred: Deferred) {
        // SAFETY: `deferred` may be released on any thread, at any later time.
        unsafe { self.defer(move || deferred.release()) }
    }
}

/// A closed batch. Only threads that are still pinned look into it.
pub(crate) struct ClosedBatch(NonNull<Batch>);

// SAFETY: a batch may be sent.
unsafe impl Send for ClosedBatch {}

impl ClosedBatch {
    fn new(batch: Box<Batch>) -> Self {
        Self(NonNull::from(Box::leak(batch)))
    }

    /// To be called once, when no thread looks into it any more.
    fn into_box(self) -> Box<Batch> {
        // SAFETY: it came out of a box, and nothing else owns it.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

/// The collector stores a call of this size without another allocation.
const _: () = assert!(size_of::<Deferred>() <= 3 * size_of::<usize>());

impl Deferred {
    /// Frees the objects, or returns them to their thread. To be called once no thread uses them. Does not unwind.
    ///
    /// The `Drop` of contents may use any store, and so call this recursively. A nested call only queues its objects,
    /// and the thread's outermost call releases them. So the depth of the stack is constant.
    pub(crate) fn release(self) {
        std::thread_local! {
            // Neither needs to be dropped, so both are usable while the thread is torn down.
            static BUSY: Cell<bool> = const { Cell::new(false) };
            static QUEUED: RefCell<ManuallyDrop<Vec<Deferred>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
        }
        if BUSY.replace(true) {
            QUEUED.with_borrow_mut(|queued| queued.push(self));
            return;
        }
        let mut next = Some(self);
        while let Some(retired) = next {
            retired.end();
            next = QUEUED.with_borrow_mut(|queued| queued.pop());
        }
        // Frees the queue's memory.
        QUEUED.with_borrow_mut(|queued| drop(take(&mut **queued)));
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
            Self::Taken(objects) => free(objects.into_iter()),
            Self::One(object) => free([object].into_iter()),
            Self::Owned(object) => drop(object),
            Self::Ticket(record) => {
                let guard = pin();
                let retired = record.redeem(&guard);
                if !retired.is_empty() {
                    guard.release_later(Self::Taken(retired));
                }
            }
        }
    }
}

/// The outcome of retiring an object into a thread's open batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    Done,
    /// Done, and the batch is full.
    Full,
    /// Done, and its contents must not wait until the batch is full.
    WithContents,
    /// Counted only, because the object is large.
    TooLarge,
    /// Not done: the thread is being torn down.
    NoCache,
}

/// The cache of one thread.
struct Cache {
    record: Option<&'static Record>,
    /// The batch into which this thread retires; null if there is none.
    open: *mut Batch,
    /// Whether an object in it has contents.
    has_contents: bool,
    /// Objects whose blocks may be reused, the youngest last.
    ready: Vec<RetiredObject>,
    /// The next open batch.
    empty: Option<Box<Batch>>,
    /// Whether all batches are returned, whatever their size.
    frees_many: bool,
}

std::thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache::new()) };
}

/// Calls `f` with this thread's cache, unless the thread is being torn down or this is a nested call.
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
        // SAFETY: the caller has such an object, and forgets it.
        let object = unsafe { RetiredObject::new(object, kind) };
        let has_contents = object.has_contents();
        // SAFETY: it is not freed before it is closed, which this thread has not done.
        let open = unsafe { &*self.open };
        // SAFETY: the batch is this thread's, and is closed when it is full.
        let retired = unsafe { open.push(object) };
        if has_contents {
            self.has_contents = true;
        }
        if retired >= BATCH || open_bytes >= BATCH_BYTES {
            return Pushed::Full;
        }
        if self.ready.len() > ENOUGH {
            self.free_one();
        }
        if has_contents { Pushed::WithContents } else { Pushed::Done }
    }

    /// Closes the open batch, if there is one.
    fn close(&mut self) -> Option<Deferred> {
        let record = self.record?;
        let batch = NonNull::new(replace(&mut self.open, ptr::null_mut()))?;
        record.open(ptr::null_mut());
        // SAFETY: it is not freed before it is released.
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
        Some(Deferred::Batch(record, ClosedBatch(batch)))
    }

    /// Caches the objects of returned batches, unless they are about to be freed anyway.
    #[cold]
    fn receive(&mut self) {
        let Some(record) = self.record.filter(|record| record.has_returned() && !self.frees_many) else { return };
        let mut batches: Vec<_> = record.take_returned().collect();
        // The oldest first.
        while let Some(mut batch) = batches.pop() {
            record.count_cached(batch.closed().bytes);
            let first = self.ready.len();
            self.ready.extend(batch.drain());
            self.ready[first..].iter().for_each(|object| prefetch(object.object().as_ptr()));
            self.empty = Some(batch.reopened());
        }
    }

    /// Takes the youngest cached object, to be [taken apart](take_apart).
    #[inline]
    fn pop(&mut self) -> Option<(RetiredObject, &'static Record)> {
        let record = self.record?;
        Some((self.ready.pop()?, record))
    }

    #[cold]
    fn free_one(&mut self) {
        drop(self.pop().map(take_apart));
    }

    fn free_ready(&mut self) {
        while let Some(cached) = self.pop() {
            drop(take_apart(cached));
        }
    }
}

/// Turns a cached object of this thread into its block, or frees it.
#[inline]
fn take_apart((object, record): (RetiredObject, &Record)) -> Option<Block> {
    let remains = object.take_apart();
    record.count_reused(remains.as_ref().map_or_else(|&bytes| bytes, Block::size));
    remains.ok()
}

impl Drop for Cache {
    /// The thread is being torn down. Other threads may still use the objects that it has retired.
    fn drop(&mut self) {
        let retired = self.close();
        self.free_ready();
        if let Some(record) = self.record.take() {
            record.leave().for_each(release_returned);
        }
        if let Some(retired) = retired {
            pin().release_later(retired);
        }
    }
}

/// While one exists, every batch of this thread is returned to it unchanged, whatever its size. For a thread that is
/// about to free many objects and to [collect](super::collect) them, so that other threads need not.
pub(crate) struct FreesMany {
    before: bool,
}

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self { before: Self::set(true) }
    }

    /// Returns the former value.
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

/// Frees a batch that had been returned.
fn release_returned(batch: Box<Batch>) {
    Deferred::Free(ClosedBatch::new(batch)).release();
}

/// Retires an object. The caller has to release the result once all threads that are pinned now have
/// unpinned.
#[inline(always)]
pub(super) fn retire(object: RetiredObject, bytes: usize) -> Option<Deferred> {
    let object = ManuallyDrop::new(object);
    let pushed = with_cache(|cache| cache.push(object.object(), object.kind(), bytes)).unwrap_or(Pushed::NoCache);
    if pushed == Pushed::Done { None } else { due(object, bytes, pushed) }
}

#[cold]
#[inline(never)]
fn due(object: ManuallyDrop<RetiredObject>, bytes: usize, pushed: Pushed) -> Option<Deferred> {
    match pushed {
        Pushed::Done => None,
        Pushed::Full => with_cache(|cache| {
            cache.receive();
            cache.close()
        })
        .flatten(),
        Pushed::WithContents => {
            let record = with_cache(|cache| cache.record())?;
            record.wants_ticket().then_some(Deferred::Ticket(record))
        }
        Pushed::TooLarge => Some(Deferred::One(ManuallyDrop::into_inner(object))),
        Pushed::NoCache => {
            BALANCE.fetch_add(bytes, Ordering::Relaxed); // Relaxed: a mere number.
            Some(Deferred::One(ManuallyDrop::into_inner(object)))
        }
    }
}

/// Closes this thread's open batch, even if it is not full.
pub(super) fn close() -> Option<Deferred> {
    with_cache(Cache::close).flatten()
}

/// Returns a block of this layout, whose size must not be zero: a cached one if the youngest has this layout, otherwise
/// a new one. Its bytes are uninitialized.
///
/// # Panics
///
/// Panics as [`Block::new`] does.
#[inline(always)]
pub(crate) fn allocate(layout: Layout) -> Block {
    if REUSED
        && let Some(block) = take_youngest()
        && block.layout() == layout
    {
        return block;
    }
    Block::new(layout)
}

/// Takes the youngest cached object apart.
#[inline(always)]
pub(super) fn take_youngest() -> Option<Block> {
    let youngest = with_cache(|cache| {
        if cache.ready.is_empty() {
            cache.receive();
        }
        cache.pop()
    });
    take_apart(youngest.flatten()?)
}

/// Frees this thread's cached objects and returned batches.
pub(super) fn free_all() {
    let returned = with_cache(|cache| {
        cache.free_ready();
        cache.ready = Vec::new();
        cache.empty = None;
        cache.record.map(Record::take_returned)
    });
    returned.flatten().into_iter().flatten().for_each(release_returned);
    heap::flush();
}

/// Takes the objects in the open batches of all threads.
pub(super) fn flush_others(guard: &Guard) -> Option<Deferred> {
    let retired: Vec<_> = REGISTRY.records().flat_map(|record| record.take_retired(guard)).collect();
    (!retired.is_empty()).then_some(Deferred::Taken(retired))
}

/// Frees the returned batches of all threads.
pub(super) fn free_returned() {
    REGISTRY.records().flat_map(Record::take_returned).for_each(release_returned);
}

/// Gives this thread a record that is not in the registry.
#[cfg(all(test, not(crossbeam_sanitize)))]
pub(super) fn hide() {
    let record = Box::leak(Box::new(Record::new()));
    with_cache(|cache| cache.record = Some(record)).expect("the thread is not torn down");
}

/// Frees an object that was never retired and that nothing uses. Does not unwind.
pub(crate) fn free_owned(object: RetiredObject) {
    Deferred::Owned(object).release();
}
