//! All chunks: finding blocks and spans, and freeing empty spans and chunks.

use super::chunk::{Chunk, Given, SPANS};
use super::classes::{CLASSES, Class, SPAN};
use super::index::Index;
use super::system;
use crate::sync::{AtomicUsize, Ordering, step};
use core::ptr::NonNull;

/// The size of a chunk in bytes.
pub(crate) const CHUNK: usize = SPANS * SPAN;

/// The number of empty chunks that keep their memory. The others return it to the system.
const SPARE: usize = 1;

/// Memory that is divided into chunks.
pub(crate) struct Arena {
    /// The address of the first chunk.
    start: NonNull<u8>,
    /// The words of the chunks.
    chunks: NonNull<Chunk>,
    most: usize,
    /// The number of chunks, which are adjacent.
    number: AtomicUsize,
    /// The number of empty chunks that keep their memory.
    spare: AtomicUsize,
    /// The chunks that have free spans.
    roomy: Index,
    /// For each class, the chunks that have spans with blocks worth taking.
    offers: [Index; CLASSES],
}

// SAFETY: everything except the atomics is constant, and a chunk's memory is used only by the threads that own it.
unsafe impl Sync for Arena {}
// SAFETY: as above.
unsafe impl Send for Arena {}

/// A thread's position in a span, whose blocks it takes word by word.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// The number of the span, counted over all chunks.
    span: u32,
    /// The next word.
    word: u32,
}

impl Walk {
    /// A position behind the last word.
    pub(crate) const OVER: Self = Self { span: 0, word: u32::MAX };

    fn through(span: usize, word: u32) -> Self {
        Self { span: u32::try_from(span).expect("there are fewer spans"), word }
    }

    fn span(self) -> usize {
        self.span as usize
    }

    fn word(self) -> usize {
        self.word as usize
    }
}

/// Blocks of one word that were taken.
pub(crate) struct Taken {
    /// The address of the word's first block, taken or not.
    pub(crate) first: NonNull<u8>,
    pub(crate) blocks: u64,
}

impl Arena {
    /// An arena of these chunks, in which nothing is free.
    #[cfg(loom)]
    pub(crate) fn new(start: NonNull<u8>, chunks: NonNull<Chunk>, most: usize) -> Self {
        Self {
            start,
            chunks,
            most,
            number: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            roomy: Index::new(),
            offers: core::array::from_fn(|_| Index::new()),
        }
    }

    /// Makes an arena out of zeroed memory.
    ///
    /// # Safety
    ///
    /// The caller must ensure:
    /// * `place` is zeroed, and nothing else uses it;
    /// * `start` has room for `most` chunks;
    /// * `chunks` has zeroed memory for as many of them as [`system::map`] is asked for.
    #[cfg(not(loom))]
    pub(crate) unsafe fn init(place: NonNull<Self>, start: NonNull<u8>, chunks: NonNull<Chunk>, most: usize) {
        let arena = place.as_ptr();
        // SAFETY: the caller's promise, as below.
        let start_field = unsafe { &raw mut (*arena).start };
        // SAFETY: as above.
        let chunks_field = unsafe { &raw mut (*arena).chunks };
        // SAFETY: as above.
        let most_field = unsafe { &raw mut (*arena).most };
        // SAFETY: as above.
        unsafe { start_field.write(start) };
        // SAFETY: as above.
        unsafe { chunks_field.write(chunks) };
        // SAFETY: as above.
        unsafe { most_field.write(most) };
    }

    fn chunk(&self, chunk: usize) -> &Chunk {
        debug_assert!(chunk < self.number());
        // SAFETY: there is memory for it.
        let chunk = unsafe { self.chunks.add(chunk) };
        // SAFETY: zeroed memory is a chunk, and only its atomics change.
        unsafe { chunk.as_ref() }
    }

    fn number(&self) -> usize {
        // Acquire: that the chunks are writable; pairs with the release in `add_chunks`.
        self.number.load(Ordering::Acquire)
    }

    /// The address of a chunk.
    fn memory(&self, chunk: usize) -> NonNull<u8> {
        // SAFETY: there is address space for it.
        unsafe { self.start.add(chunk * CHUNK) }
    }

    fn span_memory(&self, span: usize) -> NonNull<u8> {
        // SAFETY: there is address space for it.
        unsafe { self.start.add(span * SPAN) }
    }

    /// The address of the first chunk.
    #[cfg(all(test, not(loom)))]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The number of spans that are not free, at rest.
    #[cfg(all(test, not(loom)))]
    pub(super) fn spans_in_use(&self) -> usize {
        (0..self.number()).map(|chunk| SPANS - self.chunk(chunk).free_spans()).sum()
    }

    /// The offset of memory from the start, if it is the arena's.
    #[inline]
    pub(crate) fn offset_of(&self, memory: NonNull<u8>) -> Option<usize> {
        let offset = memory.addr().get().wrapping_sub(self.start.addr().get());
        (offset < self.most * CHUNK).then_some(offset)
    }

    /// The address of the words of the span at this offset.
    #[inline]
    pub(crate) fn words_of(&self, offset: usize) -> *const () {
        self.chunk(offset / CHUNK).words_of(offset / SPAN % SPANS)
    }

    /// Takes free blocks of a class: the next ones of this walk, or of a new walk. `None` if the system has no more
    /// memory.
    pub(crate) fn take(&self, class: usize, walk: &mut Walk) -> Option<Taken> {
        loop {
            if let Some(taken) = self.take_next(class, walk) {
                return Some(taken);
            }
            if let Some(span) = self.take_offer(class) {
                *walk = Walk::through(span, 0);
                continue;
            }
            let (span, _) = self.take_spans(1)?;
            let blocks = self.chunk(span / SPANS).assign(span % SPANS, class);
            *walk = Walk::through(span, 1);
            return Some(self.taken(class, span, 0, blocks));
        }
    }

    /// Takes the next free blocks of this walk.
    fn take_next(&self, class: usize, walk: &mut Walk) -> Option<Taken> {
        let span = walk.span();
        while walk.word() < Class::of(class).words() {
            let word = walk.word();
            walk.word += 1;
            let Some((of, blocks)) = self.chunk(span / SPANS).take(span % SPANS, word) else { continue };
            if of == class {
                return Some(self.taken(class, span, word, blocks));
            }
            self.give(span, of, word, blocks);
            break;
        }
        *walk = Walk::OVER;
        None
    }

    fn taken(&self, class: usize, span: usize, word: usize, blocks: u64) -> Taken {
        // SAFETY: the blocks of the word are within the span.
        let first = unsafe { self.span_memory(span).add(Class::of(class).offset_of(word)) };
        Taken { first, blocks }
    }

    /// Ends a walk, and offers its remaining blocks to other threads.
    pub(crate) fn leave(&self, class: usize, walk: Walk) {
        if walk.word() < Class::of(class).words() {
            self.offer(walk.span(), class);
        }
    }

    /// Gives back a block of this class.
    #[inline]
    pub(crate) fn give_block(&self, offset: usize, class: usize) {
        let (span, (word, bit)) = (offset / SPAN, Class::of(class).block_at(offset % SPAN));
        self.give(span, class, word, bit);
    }

    /// Gives back blocks of this class. They belong to one word, and the first one is at `offset`.
    pub(crate) fn give_blocks(&self, offset: usize, class: usize, blocks: u64) {
        let (span, (word, _)) = (offset / SPAN, Class::of(class).block_at(offset % SPAN));
        self.give(span, class, word, blocks);
    }

    #[inline]
    fn give(&self, span: usize, class: usize, word: usize, blocks: u64) {
        let given = self.chunk(span / SPANS).give(span % SPANS, class, word, blocks);
        if given != Given::Free {
            self.given(span, given);
        }
    }

    #[cold]
    fn given(&self, span: usize, given: Given) {
        // If the span has another class by now, the hint is useless.
        let class = self.chunk(span / SPANS).class_of(span % SPANS);
        if given == Given::Span {
            self.chunk(span / SPANS).withdraw(span % SPANS, class);
            self.give_spans(span, 1);
        } else {
            self.offer(span, class);
        }
    }

    fn offer(&self, span: usize, class: usize) {
        self.chunk(span / SPANS).offer(span % SPANS, class);
        step("heap: offered");
        self.offers[class].set(span / SPANS);
    }

    fn take_offer(&self, class: usize) -> Option<usize> {
        let take = |chunk| self.chunk(chunk).take_offer(class).map(|span| chunk * SPANS + span);
        self.offers[class].find(self.number(), take, |chunk| !self.chunk(chunk).has_offers(class))
    }

    /// Takes `number` neighbouring spans of one chunk. Returns the first, and whether their memory is known to be
    /// zeroed. `None` if the system has no more memory.
    fn take_spans(&self, number: usize) -> Option<(usize, bool)> {
        debug_assert!(number <= SPANS);
        let take = |chunk| self.chunk(chunk).take_spans(number).map(|first| (chunk, first));
        loop {
            let found = self.roomy.find(self.number(), take, |chunk| !self.chunk(chunk).has_spans());
            if let Some((chunk, first)) = found {
                self.count_spare(chunk, false);
                let written = self.chunk(chunk).write_spans(first, number);
                return Some((chunk * SPANS + first, !written));
            }
            if let Some(chunk) = self.add_chunks(1)? {
                self.chunk(chunk).write_spans(0, number);
                self.chunk(chunk).give_spans(number, SPANS - number);
                self.roomy.set(chunk);
                return Some((chunk * SPANS, true));
            }
        }
    }

    /// Adds `number` chunks, which this thread then owns. Adds none if another thread has just added chunks.
    fn add_chunks(&self, number: usize) -> Option<Option<usize>> {
        let chunk = self.number();
        if chunk + number > self.most || !self.map(chunk, number) {
            return None;
        }
        step("heap: mapped");
        // Release: that the chunks are writable; pairs with `number`. Relaxed on failure: the caller loads it again.
        let added = self.number.compare_exchange(chunk, chunk + number, Ordering::Release, Ordering::Relaxed);
        Some(added.ok())
    }

    fn map(&self, chunk: usize, number: usize) -> bool {
        // SAFETY: there is address space for it.
        let known = unsafe { self.chunks.add(chunk) };
        // SAFETY: both are the arena's, and may be mapped more than once.
        let mapped =
            unsafe { system::map(self.memory(chunk), number * CHUNK, known.cast(), number * size_of::<Chunk>()) };
        // The first chunk starts with small pages, so that a small store takes little memory.
        if mapped && chunk + number > 1 {
            system::advise_huge_pages(self.memory(chunk), number * CHUNK);
            if chunk == 1 {
                system::advise_huge_pages(self.memory(0), CHUNK);
            }
        }
        mapped
    }

    fn give_chunk(&self, chunk: usize) {
        self.chunk(chunk).give_spans(0, SPANS);
        self.roomy.set(chunk);
    }

    /// Gives back spans that this thread owns.
    fn give_spans(&self, first: usize, number: usize) {
        let chunk = first / SPANS;
        let all_are_free = self.chunk(chunk).give_spans(first % SPANS, number);
        step("heap: spans given back");
        self.roomy.set(chunk);
        if all_are_free {
            self.emptied(chunk);
        }
    }

    /// Lets an empty chunk keep its memory if few others do, and returns the memory otherwise.
    fn emptied(&self, chunk: usize) {
        // Relaxed: a mere number. If several threads load it at once, a few chunks more or fewer keep their memory.
        if self.spare.load(Ordering::Relaxed) < SPARE {
            self.count_spare(chunk, true);
        } else if self.chunk(chunk).take_chunk() {
            step("heap: chunk taken");
            if !self.wipe(chunk) {
                self.chunk(chunk).write_spans(0, SPANS);
            }
            self.give_chunk(chunk);
        }
    }

    /// Returns the memory of a chunk that this thread owns to the system, if it may have been written. Returns whether
    /// the memory is zero now. It is not if the system keeps it, as it does with locked memory.
    fn wipe(&self, chunk: usize) -> bool {
        self.count_spare(chunk, false);
        !self.chunk(chunk).wipe() || system::release(self.memory(chunk), CHUNK)
    }

    fn count_spare(&self, chunk: usize, spare: bool) {
        if self.chunk(chunk).count_spare(spare) {
            // Relaxed: a mere number, which wraps.
            self.spare.fetch_add(if spare { 1 } else { usize::MAX }, Ordering::Relaxed);
        }
    }

    /// Takes `bytes` zeroed bytes, which begin at a multiple of 4 KiB: whole spans, or whole chunks for more than half
    /// a chunk. `None` if the system has no more memory.
    pub(crate) fn take_zeroed(&self, bytes: usize) -> Option<NonNull<u8>> {
        let spans = bytes.div_ceil(SPAN);
        if spans > SPANS / 2 {
            return self.take_chunks(bytes.div_ceil(CHUNK)).map(|chunk| self.memory(chunk));
        }
        let (first, zeroed) = self.take_spans(spans)?;
        let memory = self.span_memory(first);
        if !zeroed {
            // SAFETY: this thread owns the spans.
            unsafe { memory.write_bytes(0, spans * SPAN) };
        }
        Some(memory)
    }

    /// Gives back memory of `bytes` bytes that `take_zeroed` returned.
    pub(crate) fn give_large(&self, offset: usize, bytes: usize) {
        let spans = bytes.div_ceil(SPAN);
        if spans <= SPANS / 2 {
            return self.give_spans(offset / SPAN, spans);
        }
        for chunk in 0..bytes.div_ceil(CHUNK) {
            self.give_spans(offset / SPAN + chunk * SPANS, SPANS);
        }
    }

    /// Takes `number` neighbouring chunks, zeroed.
    fn take_chunks(&self, number: usize) -> Option<usize> {
        let first = loop {
            if let Some(first) = self.take_free_chunks(number) {
                break first;
            }
            if let Some(first) = self.add_chunks(number)? {
                break first;
            }
        };
        for chunk in first..first + number {
            if !self.wipe(chunk) {
                // SAFETY: this thread owns the chunk.
                unsafe { self.memory(chunk).write_bytes(0, CHUNK) };
            }
            self.chunk(chunk).write_spans(0, SPANS);
        }
        Some(first)
    }

    fn take_free_chunks(&self, number: usize) -> Option<usize> {
        let mut taken = 0;
        let chunks = self.number();
        for chunk in 0..chunks {
            if self.chunk(chunk).take_chunk() {
                taken += 1;
                if taken == number {
                    return Some(chunk + 1 - number);
                }
            } else {
                (chunk - taken..chunk).for_each(|chunk| self.give_chunk(chunk));
                taken = 0;
            }
        }
        (chunks - taken..chunks).for_each(|chunk| self.give_chunk(chunk));
        None
    }
}
