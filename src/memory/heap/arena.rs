//! All chunks: where blocks and spans are found, and what becomes of spans and chunks that are empty.

use super::chunk::{Chunk, Given, SPANS};
use super::classes::{CLASSES, Class, SPAN};
use super::index::Index;
use super::system;
use crate::sync::{AtomicUsize, Ordering, step};
use core::ptr::NonNull;

/// The bytes of a chunk.
pub(crate) const CHUNK: usize = SPANS * SPAN;

/// So many chunks that are entirely free keep their memory; the others give it back to the system.
const SPARE: usize = 1;

/// Memory that is divided into chunks. Zeroed but for what [`new`](Self::new) sets, it has none yet.
pub(crate) struct Arena {
    /// Where the first chunk lies.
    start: NonNull<u8>,
    /// What is known of the chunks: as many as there may be.
    chunks: NonNull<Chunk>,
    most: usize,
    /// How many chunks there are. They lie one behind the other.
    number: AtomicUsize,
    /// How many of them are entirely free and keep their memory.
    spare: AtomicUsize,
    /// Which chunks have free spans.
    roomy: Index,
    /// For each class, which chunks have spans with blocks that are worth taking.
    offers: [Index; CLASSES],
}

// SAFETY: all but the atomics is constant, and the memory of chunks is had by whoever took it.
unsafe impl Sync for Arena {}
// SAFETY: as above.
unsafe impl Send for Arena {}

/// A thread's way through a span, of which it takes the blocks word by word.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// Counted over all chunks.
    span: u32,
    /// The next word.
    word: u32,
}

impl Walk {
    /// One that is over.
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

/// Blocks that were taken: those of one word.
pub(crate) struct Taken {
    /// Where the first block of the word lies, taken or not.
    pub(crate) first: NonNull<u8>,
    pub(crate) blocks: u64,
}

impl Arena {
    /// The arena of these chunks, none of which has anything to give.
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
    /// The caller must ensure that `place` is zeroed and nobody else's, that `start` has room for `most` chunks, and
    /// that `chunks` has zeroed memory for as many of them as [`system::map`] is asked for.
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
        self.number.load(Ordering::Relaxed) // Relaxed: at the worst the last chunks are not seen.
    }

    /// Where a chunk lies.
    fn memory(&self, chunk: usize) -> NonNull<u8> {
        // SAFETY: there is address space for it.
        unsafe { self.start.add(chunk * CHUNK) }
    }

    fn span_memory(&self, span: usize) -> NonNull<u8> {
        // SAFETY: there is address space for it.
        unsafe { self.start.add(span * SPAN) }
    }

    /// Where the first chunk lies.
    #[cfg(all(test, not(loom)))]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many spans are not free, at rest.
    #[cfg(all(test, not(loom)))]
    pub(super) fn spans_in_use(&self) -> usize {
        (0..self.number()).map(|chunk| SPANS - self.chunk(chunk).free_spans()).sum()
    }

    /// How far behind the start the memory lies, if it is the arena's.
    #[inline]
    pub(crate) fn offset_of(&self, memory: NonNull<u8>) -> Option<usize> {
        let offset = memory.addr().get().wrapping_sub(self.start.addr().get());
        (offset < self.most * CHUNK).then_some(offset)
    }

    /// Where it says which blocks are free of the span that lies there.
    #[inline]
    pub(crate) fn words_of(&self, offset: usize) -> *const () {
        self.chunk(offset / CHUNK).words_of(offset / SPAN % SPANS)
    }

    /// Takes free blocks of a class: those that come next on this way, or on another one. None if the system has no
    /// more memory.
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

    /// Takes the free blocks that come next on this way.
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
        // SAFETY: the word tells of blocks within the span.
        let first = unsafe { self.span_memory(span).add(Class::of(class).offset_of(word)) };
        Taken { first, blocks }
    }

    /// Ends a way: what is left on it others may find.
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

    /// Gives back blocks of this class: some that one word tells of, of which the first one lies at `offset`.
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
        // If the class is another one by now, the hint is in vain.
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

    /// Takes so many neighbouring spans of one chunk. Says which is the first, and whether their memory is known to be
    /// zeroed. None if the system has no more memory.
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

    /// Makes room for so many more chunks, which this thread holds then; but for no chunk, if another thread has just
    /// made room.
    fn add_chunks(&self, number: usize) -> Option<Option<usize>> {
        let chunk = self.number();
        if chunk + number > self.most || !self.map(chunk, number) {
            return None;
        }
        step("heap: mapped");
        // Relaxed: chunks are published by what they give, M6.
        let added = self.number.compare_exchange(chunk, chunk + number, Ordering::Relaxed, Ordering::Relaxed);
        Some(added.ok())
    }

    fn map(&self, chunk: usize, number: usize) -> bool {
        // SAFETY: there is address space for it.
        let known = unsafe { self.chunks.add(chunk) };
        // SAFETY: both are the arena's, and may be mapped more than once.
        let mapped =
            unsafe { system::map(self.memory(chunk), number * CHUNK, known.cast(), number * size_of::<Chunk>()) };
        // The first chunk gets small pages at first, so that a small store takes little.
        if mapped && chunk > 0 {
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

    /// Gives back spans that this thread holds.
    fn give_spans(&self, first: usize, number: usize) {
        let chunk = first / SPANS;
        let all_are_free = self.chunk(chunk).give_spans(first % SPANS, number);
        step("heap: spans given back");
        self.roomy.set(chunk);
        if all_are_free {
            self.emptied(chunk);
        }
    }

    /// Has a chunk that is entirely free keep its memory, if few others do; or gives the memory back.
    fn emptied(&self, chunk: usize) {
        // Relaxed: a mere number. If several threads look at once, some chunks more or less keep their memory.
        if self.spare.load(Ordering::Relaxed) < SPARE {
            self.count_spare(chunk, true);
        } else if self.chunk(chunk).take_chunk() {
            step("heap: chunk taken");
            self.wipe(chunk);
            self.give_chunk(chunk);
        }
    }

    /// Gives the memory of a chunk that this thread holds back to the system, if it may have been written to.
    fn wipe(&self, chunk: usize) {
        self.count_spare(chunk, false);
        if self.chunk(chunk).wipe() {
            system::release(self.memory(chunk), CHUNK);
        }
    }

    fn count_spare(&self, chunk: usize, spare: bool) {
        if self.chunk(chunk).count_spare(spare) {
            // Relaxed: a mere number, which comes round.
            self.spare.fetch_add(if spare { 1 } else { usize::MAX }, Ordering::Relaxed);
        }
    }

    /// Takes so many zeroed bytes, which begin at a multiple of 4 KiB: whole spans, or whole chunks if they are more
    /// than half of one. None if the system has no more memory.
    pub(crate) fn take_zeroed(&self, bytes: usize) -> Option<NonNull<u8>> {
        let spans = bytes.div_ceil(SPAN);
        if spans > SPANS / 2 {
            return self.take_chunks(bytes.div_ceil(CHUNK)).map(|chunk| self.memory(chunk));
        }
        let (first, zeroed) = self.take_spans(spans)?;
        let memory = self.span_memory(first);
        if !zeroed {
            // SAFETY: this thread holds the spans.
            unsafe { memory.write_bytes(0, spans * SPAN) };
        }
        Some(memory)
    }

    /// Gives back what `take_zeroed` returned for so many bytes.
    pub(crate) fn give_large(&self, offset: usize, bytes: usize) {
        let spans = bytes.div_ceil(SPAN);
        if spans <= SPANS / 2 {
            return self.give_spans(offset / SPAN, spans);
        }
        for chunk in 0..bytes.div_ceil(CHUNK) {
            self.give_spans(offset / SPAN + chunk * SPANS, SPANS);
        }
    }

    /// Takes so many neighbouring chunks, zeroed.
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
            self.wipe(chunk);
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
