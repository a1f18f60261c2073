//! A chunk of memory: which of its spans are free, and which blocks of the others.
//!
//! # Ownership
//!
//! A set bit says that a block, or a span, is free. A thread takes it by clearing the bit and gives it back by setting
//! the bit. **The thread that has cleared a bit owns what the bit stands for, alone.** A thread owns nothing else: it
//! has no spans of its own.
//!
//! ```text
//! span:   free ──take_spans──▶ owned ──assign──▶ cut into blocks ──take_all──▶ owned ──give_spans──▶ free
//! block:  free ──take──▶ owned ──give──▶ free
//! ```
//!
//! The thread that owns a span cuts it into blocks of one class, and then owns all of these blocks. The blocks become a
//! span again when one thread has taken all of them: no other thread can be using one or find one to take. It follows
//! that **a span keeps its class as long as any thread owns one of its blocks**. A thread that takes blocks from a span
//! of which it owns none does not know their class beforehand. It reads the class afterwards, and gives the blocks back
//! if the class is not the one that it needs.
//!
//! The thread that gives back the last block of a word counts the word as full. The thread that counts the last word
//! tries to take the span. A thread that was suspended may count late, so a count is only a reason to try.
//!
//! # Hints
//!
//! `offered` has for each class the spans that may have blocks worth taking. A thread clears the hint before it takes
//! blocks from the span. A hint may be wrong either way; [`arena`](super::arena) makes sure that a missing hint is set
//! again.
//!
//! # Progress
//!
//! An operation repeats an exchange only if another thread has changed the word meanwhile: lock-free. A suspended
//! thread withholds what it owns: the blocks of a word, a span, or a chunk whose memory it is giving back to the
//! system.
//! Orderings: M1 to M9 of `docs/orderings.md`.

#![deny(unsafe_code)]

use super::classes::{CLASSES, Class, WORDS};
use crate::sync::{AtomicU64, AtomicUsize, MODEL, Ordering, ordered, step};

/// The number of spans in a chunk.
pub(crate) const SPANS: usize = if MODEL { 2 } else { 64 };

/// All spans of a chunk.
pub(crate) const ALL: u64 = u64::MAX >> (64 - SPANS);

/// The words of a chunk. Zeroed memory is a chunk in which nothing is free.
#[repr(C, align(64))]
pub(crate) struct Chunk {
    /// For each span, a bit for each free block.
    blocks: [[AtomicU64; WORDS]; SPANS],
    /// A bit for each free span.
    free: AtomicU64,
    /// A bit for each span that may have been written to since its memory came from the system.
    written: AtomicU64,
    /// 1 while the chunk is empty and keeps its memory.
    spare: AtomicUsize,
    /// The class of each span. Changed by the thread that owns the span.
    class: [AtomicUsize; SPANS],
    /// The number of full words of each span that have been counted.
    full: [AtomicUsize; SPANS],
    /// For each class, a bit for each span that may have blocks worth taking.
    offered: [AtomicU64; CLASSES],
}

/// The outcome of giving blocks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The blocks are free.
    Free,
    /// The blocks are free, and their span now has blocks worth taking.
    WorthTaking,
    /// All blocks of the span were free, and this thread now owns the span.
    Span,
}

impl Chunk {
    /// A chunk in which nothing is free. Outside of models and tests a chunk is zeroed memory.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        use core::array::from_fn;
        let number = |_| AtomicUsize::new(0);
        Self {
            blocks: from_fn(|_| from_fn(|_| AtomicU64::new(0))),
            free: AtomicU64::new(0),
            written: AtomicU64::new(0),
            spare: AtomicUsize::new(0),
            class: from_fn(number),
            full: from_fn(number),
            offered: from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Takes `number` neighbouring spans and returns the first: the first free span if `number` is one, and the last
    /// free run that begins at a multiple of `number` otherwise.
    pub(crate) fn take_spans(&self, number: usize) -> Option<usize> {
        let mut free = self.free.load(Ordering::Relaxed); // Relaxed, as below: a mere guess.
        loop {
            let first = if number == 1 { first_of(free) } else { last_run(free, number) }?;
            let taken = run(first, number);
            // Acquire: every earlier use of the spans; pairs with M6.
            match self.free.compare_exchange(free, free & !taken, ordered("M5", Ordering::Acquire), Ordering::Relaxed) {
                Ok(_) => return Some(first),
                Err(now) => free = now,
            }
        }
    }

    /// Takes all spans, if all are free.
    pub(crate) fn take_chunk(&self) -> bool {
        // Acquire: as M5; pairs with M6. Relaxed on failure: nothing was taken.
        self.free.compare_exchange(ALL, 0, ordered("M7", Ordering::Acquire), Ordering::Relaxed).is_ok()
    }

    /// Gives back spans that this thread owns. Returns whether all spans of the chunk are free now.
    pub(crate) fn give_spans(&self, first: usize, number: usize) -> bool {
        let given = run(first, number);
        // Release: this thread's use of the spans; pairs with M5 and M7.
        let before = self.free.fetch_or(given, ordered("M6", Ordering::Release));
        debug_assert_eq!(before & given, 0, "a span is given back twice");
        before | given == ALL
    }

    /// Whether any span is free.
    pub(crate) fn has_spans(&self) -> bool {
        self.free.load(Ordering::Relaxed) != 0 // Relaxed: callers that depend on it have acquired what they must see.
    }

    /// The number of free spans.
    #[cfg(all(test, not(loom)))]
    pub(super) fn free_spans(&self) -> usize {
        self.free.load(Ordering::Relaxed).count_ones() as usize // Relaxed: called at rest.
    }

    /// Marks spans that this thread owns as written. Returns whether they may have been written before.
    pub(crate) fn write_spans(&self, first: usize, number: usize) -> bool {
        let spans = run(first, number);
        // Relaxed: M5 has made the bits of an owned span visible.
        self.written.fetch_or(spans, Ordering::Relaxed) & spans != 0
    }

    /// Marks a chunk that this thread owns as not written. Returns whether it may have been written before.
    pub(crate) fn wipe(&self) -> bool {
        self.written.swap(0, Ordering::Relaxed) != 0 // Relaxed: as above.
    }

    /// Sets whether the chunk is empty and keeps its memory. Returns whether that was a change.
    pub(crate) fn count_spare(&self, spare: bool) -> bool {
        let spare = usize::from(spare);
        // Relaxed, both: a mere number. Loaded first, because it hardly ever changes.
        self.spare.load(Ordering::Relaxed) != spare && self.spare.swap(spare, Ordering::Relaxed) != spare
    }

    /// Cuts a span that this thread owns into blocks of this class. Returns the blocks of the first word, which the
    /// thread owns. The others are free.
    pub(crate) fn assign(&self, span: usize, number: usize) -> u64 {
        let class = Class::of(number);
        // Relaxed: published with the blocks, M1.
        self.class[span].store(number, Ordering::Relaxed);
        for word in 1..class.words() {
            // Does not fill the span, because the thread owns the first word.
            self.give(span, number, word, class.full(word));
        }
        class.full(0)
    }

    /// Takes the free blocks of a word, and returns their class. `None` if there are none.
    pub(crate) fn take(&self, span: usize, word: usize) -> Option<(usize, u64)> {
        let blocks = &self.blocks[span][word];
        // Relaxed: at worst a block that has just become free is not seen.
        if blocks.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Acquire: every earlier use of the blocks, and their class; pairs with M1.
        let taken = blocks.swap(0, ordered("M2", Ordering::Acquire));
        if taken == 0 {
            return None;
        }
        step("heap: blocks taken");
        // Relaxed: constant while this thread owns blocks of the span, and made visible by M2.
        let number = self.class[span].load(Ordering::Relaxed);
        if taken == Class::of(number).full(word) {
            self.full[span].fetch_sub(1, Ordering::Relaxed); // Relaxed: a count, which may be late.
        }
        Some((number, taken))
    }

    /// Gives back blocks of this class that this thread owns.
    #[inline]
    pub(crate) fn give(&self, span: usize, number: usize, word: usize, given: u64) -> Given {
        let class = Class::of(number);
        // Release: this thread's use of the blocks; pairs with M2 and M4.
        let before = self.blocks[span][word].fetch_or(given, ordered("M1", Ordering::Release));
        debug_assert_eq!(before & given, 0, "a block is given back twice");
        let now = before | given;
        if now == class.full(word) {
            self.filled(span, class)
        } else if class.has_become_worth_it(before, now) {
            Given::WorthTaking
        } else {
            Given::Free
        }
    }

    /// Counts a word as full, and takes the span if that was the last one.
    #[cold]
    fn filled(&self, span: usize, class: &Class) -> Given {
        step("heap: word full");
        let mut last = self.count_full(span, class);
        while last {
            let Err(missed) = self.take_all(span) else { return Given::Span };
            last = missed;
        }
        Given::WorthTaking
    }

    /// Whether all words of the span may be full.
    fn count_full(&self, span: usize, class: &Class) -> bool {
        // Acquire and release: the thread that counts the last word sees the others full; pairs with itself.
        self.full[span].fetch_add(1, ordered("M3", Ordering::AcqRel)).wrapping_add(1) >= class.words()
    }

    /// Takes all blocks of a span, if all are free. Otherwise returns whether to try again, because other threads have
    /// given back the rest while this thread owned some.
    fn take_all(&self, span: usize) -> Result<(), bool> {
        // Relaxed: a guess, which is checked below.
        let guess = self.class[span].load(Ordering::Relaxed);
        let class = Class::of(guess);
        step("heap: class guessed");
        for word in 0..class.words() {
            let (blocks, full) = (&self.blocks[span][word], class.full(word));
            // Acquire: every earlier use of the blocks, and their class; pairs with M1.
            let swap = blocks.compare_exchange(full, 0, ordered("M4", Ordering::Acquire), Ordering::Relaxed);
            step("heap: a full word taken");
            if swap.is_err() {
                let may_be_all = self.give_words(span, class, word);
                // A thread that fills the word later counts it later, and tries then. Relaxed: a thread that has filled
                // it before was seen to count it, by M3.
                return Err(may_be_all && blocks.load(Ordering::Relaxed) == full);
            }
            // Relaxed: constant while this thread owns blocks of the span, and made visible by M4.
            let number = self.class[span].load(Ordering::Relaxed);
            if number != guess {
                return Err(self.give_guessed(span, Class::of(number), word, full));
            }
            self.full[span].fetch_sub(1, Ordering::Relaxed); // Relaxed: as for M2.
        }
        Ok(())
    }

    /// Gives back the blocks that this thread has taken of a word as if their class was another. They may be a part of
    /// the free blocks that the word can have. Returns whether all words of the span may be full then.
    #[cold]
    fn give_guessed(&self, span: usize, class: &Class, word: usize, taken: u64) -> bool {
        let full = class.full(word);
        if taken == full {
            self.full[span].fetch_sub(1, Ordering::Relaxed); // Relaxed: as for M2.
        }
        // Release: as M1; pairs with M2 and M4.
        let before = self.blocks[span][word].fetch_or(taken, ordered("M1", Ordering::Release));
        before | taken == full && self.count_full(span, class)
    }

    /// Gives back the first words of a span, whose blocks this thread owns. Returns whether all words may be full then.
    fn give_words(&self, span: usize, class: &Class, words: usize) -> bool {
        let mut last = false;
        for word in 0..words {
            // Release: as M1; pairs with M2 and M4.
            self.blocks[span][word].fetch_or(class.full(word), ordered("M1", Ordering::Release));
            last = self.count_full(span, class);
        }
        last
    }

    /// Where it says which blocks of a span are free.
    #[inline]
    pub(crate) fn words_of(&self, span: usize) -> *const () {
        (&raw const self.blocks[span]).cast()
    }

    /// Of what class a span's blocks are: at most a hint for a thread that has none of them.
    pub(crate) fn class_of(&self, span: usize) -> usize {
        self.class[span].load(Ordering::Relaxed) // Relaxed: a hint.
    }

    /// Notes that a span may have blocks of this class that are worth taking.
    pub(crate) fn offer(&self, span: usize, number: usize) {
        // Release: the blocks; pairs with M9.
        self.offered[number].fetch_or(1 << span, ordered("M8", Ordering::Release));
    }

    /// Takes such a note away.
    pub(crate) fn withdraw(&self, span: usize, number: usize) {
        let offered = &self.offered[number];
        // Relaxed, both: a hint that is wrong costs a look.
        if offered.load(Ordering::Relaxed) & (1 << span) != 0 {
            offered.fetch_and(!(1 << span), Ordering::Relaxed);
        }
    }

    /// Takes one of the notes away, and says which.
    pub(crate) fn take_offer(&self, number: usize) -> Option<usize> {
        let offered = &self.offered[number];
        loop {
            // Relaxed: looked at again.
            let span = first_of(offered.load(Ordering::Relaxed))?;
            // Acquire: the blocks for whose sake it was set; pairs with M8.
            if offered.fetch_and(!(1 << span), ordered("M9", Ordering::Acquire)) & (1 << span) != 0 {
                return Some(span);
            }
        }
    }

    /// Whether there is any such note.
    pub(crate) fn has_offers(&self, number: usize) -> bool {
        // Relaxed: callers that depend on it have acquired what they must see.
        self.offered[number].load(Ordering::Relaxed) != 0
    }
}

fn first_of(bits: u64) -> Option<usize> {
    (bits != 0).then(|| bits.trailing_zeros() as usize)
}

/// So many bits from `first` on.
fn run(first: usize, number: usize) -> u64 {
    u64::MAX >> (64 - number) << first
}

/// Where the last run of so many bits begins, among those that begin at a multiple of the next power of two.
fn last_run(bits: u64, number: usize) -> Option<usize> {
    let step = number.next_power_of_two();
    (0..SPANS / step).rev().map(|place| place * step).find(|&first| run(first, number) & !bits == 0)
}
