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

/// How many spans a chunk has.
pub(crate) const SPANS: usize = if MODEL { 2 } else { 64 };

/// All spans of a chunk.
pub(crate) const ALL: u64 = u64::MAX >> (64 - SPANS);

/// What is known of a chunk. Zeroed memory is one that has nothing to give.
#[repr(C, align(64))]
pub(crate) struct Chunk {
    /// For each span a bit for each of its blocks that is free.
    blocks: [[AtomicU64; WORDS]; SPANS],
    /// A bit for each span that is free.
    free: AtomicU64,
    /// A bit for each span that may have been written to since its memory came from the system.
    written: AtomicU64,
    /// Not 0 while the chunk counts among the spare ones.
    spare: AtomicUsize,
    /// Of what class the blocks of each span are. Changed by a thread that holds the span.
    class: [AtomicUsize; SPANS],
    /// How many words of each span are full, as far as it has been counted.
    full: [AtomicUsize; SPANS],
    /// For each class a bit for each span that may have blocks worth taking.
    offered: [AtomicU64; CLASSES],
}

/// What has come of giving blocks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// They are free.
    Free,
    /// And now their span has blocks that are worth taking.
    WorthTaking,
    /// And now this thread holds their span.
    Span,
}

impl Chunk {
    /// A chunk that has nothing to give. Elsewhere than in the models it is zeroed memory.
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

    /// Takes so many neighbouring spans, and says which is the first: the first that is free of all if it is one, or
    /// else the last run that begins at a multiple of their number.
    pub(crate) fn take_spans(&self, number: usize) -> Option<usize> {
        let mut free = self.free.load(Ordering::Relaxed); // Relaxed, as below: a mere guess.
        loop {
            let first = if number == 1 { first_of(free) } else { last_run(free, number) }?;
            let taken = run(first, number);
            // Acquire: that others have done with the spans; pairs with M6.
            match self.free.compare_exchange(free, free & !taken, ordered("M5", Ordering::Acquire), Ordering::Relaxed) {
                Ok(_) => return Some(first),
                Err(now) => free = now,
            }
        }
    }

    /// Takes all spans, if all are free.
    pub(crate) fn take_chunk(&self) -> bool {
        // Acquire: as M5; pairs with M6.
        self.free.compare_exchange(ALL, 0, ordered("M7", Ordering::Acquire), Ordering::Relaxed).is_ok()
    }

    /// Gives back spans that this thread holds. Says whether all are free now.
    pub(crate) fn give_spans(&self, first: usize, number: usize) -> bool {
        let given = run(first, number);
        // Release: that this thread has done with them; pairs with M5 and M7.
        let before = self.free.fetch_or(given, ordered("M6", Ordering::Release));
        debug_assert_eq!(before & given, 0, "a span is given back twice");
        before | given == ALL
    }

    /// Whether any span is free.
    pub(crate) fn has_spans(&self) -> bool {
        self.free.load(Ordering::Relaxed) != 0 // Relaxed: whoever relies on it has acquired what it must see.
    }

    /// How many spans are free.
    #[cfg(all(test, not(loom)))]
    pub(super) fn free_spans(&self) -> usize {
        self.free.load(Ordering::Relaxed).count_ones() as usize // Relaxed: asked for at rest.
    }

    /// Whether spans that this thread holds may have been written to; from now on they have been.
    pub(crate) fn write_spans(&self, first: usize, number: usize) -> bool {
        let spans = run(first, number);
        // Relaxed: of a span that a thread holds, M5 has made the bit visible.
        self.written.fetch_or(spans, Ordering::Relaxed) & spans != 0
    }

    /// Notes that the memory of a chunk, which this thread holds as a whole, is to be as it comes from the system. Says
    /// whether it may be otherwise.
    pub(crate) fn wipe(&self) -> bool {
        self.written.swap(0, Ordering::Relaxed) != 0 // Relaxed: as above.
    }

    /// Has the chunk counted among the spare ones, or not. Says whether that was a change.
    pub(crate) fn count_spare(&self, spare: bool) -> bool {
        let spare = usize::from(spare);
        // Relaxed, both: a mere number. Looked at first, for it hardly ever changes.
        self.spare.load(Ordering::Relaxed) != spare && self.spare.swap(spare, Ordering::Relaxed) != spare
    }

    /// Cuts a span that this thread holds into blocks of this class. The thread has those of the first word, which are
    /// returned; the others are free.
    pub(crate) fn assign(&self, span: usize, number: usize) -> u64 {
        let class = Class::of(number);
        // Relaxed: published with the blocks, M1.
        self.class[span].store(number, Ordering::Relaxed);
        for word in 1..class.words() {
            // Not all of them: the thread has the first ones.
            self.give(span, number, word, class.full(word));
        }
        class.full(0)
    }

    /// Takes the free blocks of a word, and says of what class they are. None if there are no free blocks.
    pub(crate) fn take(&self, span: usize, word: usize) -> Option<(usize, u64)> {
        let blocks = &self.blocks[span][word];
        // Relaxed: at the worst a block that has just become free is not seen.
        if blocks.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Acquire: that others have done with the blocks, and of what class they are; pairs with M1.
        let taken = blocks.swap(0, ordered("M2", Ordering::Acquire));
        if taken == 0 {
            return None;
        }
        step("heap: blocks taken");
        // Relaxed: fixed while this thread has blocks of the span, and made visible by M2.
        let number = self.class[span].load(Ordering::Relaxed);
        if taken == Class::of(number).full(word) {
            self.full[span].fetch_sub(1, Ordering::Relaxed); // Relaxed: late or not, nothing is read by way of it.
        }
        Some((number, taken))
    }

    /// Gives back blocks of this class that this thread has.
    #[inline]
    pub(crate) fn give(&self, span: usize, number: usize, word: usize, given: u64) -> Given {
        let class = Class::of(number);
        // Release: that this thread has done with the blocks; pairs with M2 and M4.
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

    /// Counts a word among the full ones, and takes the span if that was the last one.
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
        // Acquire and release: who counts the last word sees the others full; pairs with itself.
        self.full[span].fetch_add(1, ordered("M3", Ordering::AcqRel)).wrapping_add(1) >= class.words()
    }

    /// Takes all blocks of a span, if all are free. Says otherwise whether to try again: this thread has had some, and
    /// others have given back the rest meanwhile.
    fn take_all(&self, span: usize) -> Result<(), bool> {
        // Relaxed: a guess, which is looked at again below.
        let guess = self.class[span].load(Ordering::Relaxed);
        let class = Class::of(guess);
        for word in 0..class.words() {
            let (blocks, full) = (&self.blocks[span][word], class.full(word));
            // Acquire: that others have done with the blocks, and of what class they are; pairs with M1.
            let swap = blocks.compare_exchange(full, 0, ordered("M4", Ordering::Acquire), Ordering::Relaxed);
            step("heap: a full word taken");
            if swap.is_err() {
                let may_be_all = self.give_words(span, class, word);
                // A thread that fills the word later counts it later, and tries then. Relaxed: a thread that has filled
                // it before was seen to count it, by M3.
                return Err(may_be_all && blocks.load(Ordering::Relaxed) == full);
            }
            self.full[span].fetch_sub(1, Ordering::Relaxed); // Relaxed: as for M2.
            // Relaxed: fixed while this thread has blocks of the span, and made visible by M4.
            let number = self.class[span].load(Ordering::Relaxed);
            if number != guess {
                return Err(self.give_words(span, Class::of(number), word + 1));
            }
        }
        Ok(())
    }

    /// Gives back the first words of a span, of which this thread has all blocks. Says whether all words may be full
    /// then.
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
        // Relaxed: who has to see it has acquired it.
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
