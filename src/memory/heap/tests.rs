//! Blocks, spans and chunks: that each is had by one, and where they end up.

use super::arena::{Arena, CHUNK, Walk};
use super::chunk::SPANS;
use super::classes::{Class, LARGEST, SPAN, class_for};
use super::region::arena_for_a_test;
use super::system::{PAGE, Space, allow_writing, can_release};
use super::*;
use crate::sync::on_step;
use core::ptr;
use rustix::mm::mlock;
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Memory that a test has, filled with a byte.
struct Piece {
    offset: usize,
    bytes: usize,
    fill: u8,
}

/// What one thread of a test takes and gives back.
struct User {
    arena: &'static Arena,
    numbers: Numbers,
    /// The blocks that it has taken and not used yet, for each class, and its way.
    stock: BTreeMap<usize, (usize, u64, Walk)>,
    filled: u8,
}

impl User {
    fn new(arena: &'static Arena, seed: u64) -> Self {
        Self { arena, numbers: Numbers(seed), stock: BTreeMap::new(), filled: 0 }
    }

    fn block(&mut self, class: usize) -> usize {
        let (first, blocks, walk) = self.stock.entry(class).or_insert((0, 0, Walk::OVER));
        if *blocks == 0 {
            let taken = self.arena.take(class, walk).expect("there is room");
            (*first, *blocks) = (self.arena.offset_of(taken.first).unwrap(), taken.blocks);
        }
        let bit = blocks.trailing_zeros() as usize;
        *blocks &= *blocks - 1;
        *first + bit * Class::of(class).size()
    }

    /// Takes so many bytes and fills them. Where they have to be zeroed, they are.
    fn take(&mut self, bytes: usize) -> Piece {
        let offset = match class_for(bytes) {
            Some(class) => self.block(class),
            None => {
                let memory = self.arena.take_zeroed(bytes).expect("there is room");
                // SAFETY: of so many bytes, and zeroed.
                let taken = unsafe { core::slice::from_raw_parts(memory.as_ptr(), bytes) };
                assert!(taken.iter().all(|&byte| byte == 0), "{bytes} bytes are not zeroed");
                self.arena.offset_of(memory).unwrap()
            }
        };
        self.filled = self.filled.wrapping_add(1);
        // SAFETY: of so many bytes, which are this test's.
        unsafe { self.memory(offset).write_bytes(self.filled, bytes) };
        Piece { offset, bytes, fill: self.filled }
    }

    fn memory(&self, offset: usize) -> NonNull<u8> {
        // SAFETY: within the arena.
        unsafe { self.arena.start().add(offset) }
    }

    /// Looks whether the piece is as it was filled, and gives it back.
    fn give(&self, piece: &Piece) {
        // SAFETY: of so many bytes, which are this test's.
        let found = unsafe { core::slice::from_raw_parts(self.memory(piece.offset).as_ptr(), piece.bytes) };
        assert!(
            found.iter().all(|&byte| byte == piece.fill),
            "somebody else has used a piece of {} bytes",
            piece.bytes
        );
        match class_for(piece.bytes) {
            Some(class) => self.arena.give_block(piece.offset, class),
            None => self.arena.give_large(piece.offset, piece.bytes),
        }
    }

    fn some_size(&mut self) -> usize {
        match self.numbers.below(100) {
            0..80 => 1 + self.numbers.below(400),
            80..95 => 1 + self.numbers.below(LARGEST),
            95..99 => SPAN << self.numbers.below(6),
            _ => CHUNK << self.numbers.below(2),
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for (class, (first, blocks, walk)) in core::mem::take(&mut self.stock) {
            if blocks != 0 {
                self.arena.give_blocks(first, class, blocks);
            }
            self.arena.leave(class, walk);
        }
    }
}

#[test]
fn pieces_of_any_size_do_not_overlap_and_keep_their_content() {
    let mut user = User::new(arena_for_a_test(64), 1);
    let (mut pieces, mut ends) = (Vec::new(), BTreeMap::new());
    for turn in 0..20_000 {
        // Waves, so that chunks become empty now and then.
        let most = if turn / 4_000 % 2 == 0 { 1_000 } else { 10 };
        if pieces.len() < most && user.numbers.below(100) < 60 {
            let bytes = user.some_size();
            if bytes >= SPAN && pieces.iter().filter(|piece: &&Piece| piece.bytes >= SPAN).count() > 20 {
                continue;
            }
            let piece = user.take(bytes);
            assert_eq!(piece.offset % 16, 0);
            let before = ends.range(..=piece.offset).next_back().map_or(0, |(_, &end)| end);
            let after = ends.range(piece.offset..).next().map_or(usize::MAX, |(&start, _)| start);
            assert!(before <= piece.offset && piece.offset + bytes <= after, "two pieces overlap");
            ends.insert(piece.offset, piece.offset + bytes);
            pieces.push(piece);
        } else if !pieces.is_empty() {
            let piece = pieces.swap_remove(user.numbers.below(pieces.len()));
            ends.remove(&piece.offset);
            user.give(&piece);
        }
    }
    pieces.iter().for_each(|piece| user.give(piece));
    let arena = user.arena;
    drop(user);
    assert_eq!(arena.spans_in_use(), 0);
}

#[test]
fn what_threads_give_back_of_each_others_is_had_by_one_again() {
    const THREADS: usize = 4;
    let arena = arena_for_a_test(64);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<Piece>()).unzip();
    thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let neighbour = senders[(number + 1) % THREADS].clone();
            scope.spawn(move || {
                let mut user = User::new(arena, number as u64);
                for _ in 0..20_000 {
                    let bytes = if user.numbers.below(1_000) == 0 { SPAN } else { 100 + user.numbers.below(100) };
                    // The neighbour may have come to its end.
                    if let Err(unsent) = neighbour.send(user.take(bytes)) {
                        user.give(&unsent.0);
                    }
                    receiver.try_iter().for_each(|piece| user.give(&piece));
                }
                drop(neighbour);
                // Those that come later are given back as well: the last one to end has no sender any more.
                while let Ok(piece) = receiver.recv_timeout(Duration::from_secs(1)) {
                    user.give(&piece);
                }
            });
        }
    });
    drop(senders);
    assert_eq!(arena.spans_in_use(), 0);
}

/// How many bytes of an arena's chunks are in memory.
fn resident(arena: &Arena, chunks: usize) -> usize {
    let mut pages = vec![0_u8; chunks * CHUNK / 4096];
    // SAFETY: there is a byte for each page.
    let told = unsafe { libc::mincore(arena.start().as_ptr().cast(), chunks * CHUNK, pages.as_mut_ptr()) };
    assert_eq!(told, 0);
    pages.iter().filter(|&&page| page & 1 == 1).count() * 4096
}

#[test]
fn the_memory_of_chunks_that_are_empty_goes_back() {
    let arena = arena_for_a_test(16);
    let mut user = User::new(arena, 1);
    let pieces: Vec<_> = (0..8 * CHUNK / 160).map(|_| user.take(150)).collect();
    assert!(resident(arena, 16) >= 8 * CHUNK);
    // One in each chunk keeps them.
    let (stay, go): (Vec<_>, Vec<_>) = pieces.into_iter().enumerate().partition(|(number, _)| number % 10_000 == 0);
    go.iter().for_each(|(_, piece)| user.give(piece));
    assert!(resident(arena, 16) >= 7 * CHUNK);
    stay.iter().for_each(|(_, piece)| user.give(piece));
    drop(user);
    assert!(resident(arena, 16) <= CHUNK, "{} bytes are left", resident(arena, 16));
}

#[test]
fn few_blocks_touch_few_pages() {
    let arena = arena_for_a_test(16);
    let mut user = User::new(arena, 1);
    // Ten sessions in an empty table of 64 shards.
    (0..64).for_each(|_| _ = user.take(512));
    (0..10).for_each(|_| _ = user.take(150));
    assert!(resident(arena, 16) <= 40 * 1024, "{} bytes", resident(arena, 16));
}

#[test]
fn what_becomes_free_is_found_again() {
    for size in [64, 144, 500, 2_000, 8_000, 16_000] {
        let arena = arena_for_a_test(16);
        let mut user = User::new(arena, 1);
        let mut pieces: Vec<_> = (0..4 * CHUNK / size).map(|_| user.take(size)).collect();
        let spans = arena.spans_in_use();
        for _ in 0..10 * pieces.len() {
            let place = user.numbers.below(pieces.len());
            user.give(&pieces[place]);
            pieces[place] = user.take(size);
        }
        let more = arena.spans_in_use() - spans;
        assert!(more <= spans / 10 + 1, "{more} more spans than {spans} for blocks of {size} bytes");
    }
}

#[test]
fn what_a_thread_has_not_used_is_free_when_it_ends() {
    // A size that no other test uses, of which two blocks make a span.
    let layout = Layout::from_size_align(15_000, 16).unwrap();
    // SAFETY: of this layout, and used by nobody.
    let give_back =
        |block: usize| assert!(unsafe { give(NonNull::new(ptr::with_exposed_provenance_mut(block)).unwrap(), layout) });
    let block = move || take(layout).unwrap().as_ptr().expose_provenance();
    let first = thread::spawn(block).join().unwrap();
    let second = block();
    assert_ne!(first, second);
    assert_eq!(first / SPAN, second / SPAN);
    give_back(first);
    give_back(second);
}

/// Fills a chunk, and locks its last page. So the system does not take the memory back.
fn fill_and_lock(arena: &Arena, offset: usize) {
    // SAFETY: the test has this chunk.
    let chunk = unsafe { arena.start().add(offset) };
    // SAFETY: as above.
    unsafe { chunk.write_bytes(0xff, CHUNK) };
    // SAFETY: as above.
    let page = unsafe { chunk.add(CHUNK - PAGE) };
    // SAFETY: locking changes no memory.
    unsafe { mlock(page.as_ptr().cast(), PAGE) }.expect("64 KiB can be locked");
}

fn is_zeroed(memory: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: the test has this memory, and all of it is initialised.
    unsafe { core::slice::from_raw_parts(memory.as_ptr(), bytes) }.iter().all(|&byte| byte == 0)
}

#[test]
fn memory_that_the_system_keeps_is_zeroed_before_it_is_used_again() {
    let arena = arena_for_a_test(4);
    let both = arena.take_zeroed(2 * CHUNK).expect("there is room");
    let offset = arena.offset_of(both).unwrap();
    [offset, offset + CHUNK].into_iter().for_each(|chunk| fill_and_lock(arena, chunk));
    // One of them keeps its memory anyway, as the spare chunk.
    arena.give_large(offset, 2 * CHUNK);
    let both = arena.take_zeroed(2 * CHUNK).expect("there is room");
    assert_eq!(arena.offset_of(both), Some(offset));
    assert!(is_zeroed(both, 2 * CHUNK), "whole chunks");
    [offset, offset + CHUNK].into_iter().for_each(|chunk| fill_and_lock(arena, chunk));
    arena.give_large(offset, 2 * CHUNK);
    let pieces: Vec<_> = (0..4).map(|_| arena.take_zeroed(CHUNK / 2).expect("there is room")).collect();
    assert_eq!(arena.spans_in_use(), 2 * SPANS);
    assert!(pieces.into_iter().all(|piece| is_zeroed(piece, CHUNK / 2)), "spans");
}

#[test]
fn a_system_that_keeps_memory_is_recognised() {
    let space = Space::reserve(PAGE).expect("there is address space");
    // SAFETY: reserved by this test.
    assert!(unsafe { allow_writing(space.start, PAGE) });
    // SAFETY: writable, zeroed by the system and used by nothing else.
    assert!(unsafe { can_release(space.start) });
    // SAFETY: locking changes no memory.
    unsafe { mlock(space.start.as_ptr().cast(), PAGE) }.expect("64 KiB can be locked");
    // SAFETY: as above.
    assert!(!unsafe { can_release(space.start) });
    space.give_back();
}

#[test]
fn what_is_large_or_aligned_to_more_is_not_had_here() {
    for (size, align) in [(LARGEST + 1, 16), (64, 32)] {
        let layout = Layout::from_size_align(size, align).unwrap();
        assert_eq!((take(layout), footprint(layout)), (None, size));
    }
    assert_eq!(footprint(Layout::from_size_align(150, 16).unwrap()), 160);
    let other = NonNull::from(Box::leak(Box::new([0_u64; 8])));
    // SAFETY: it is left alone.
    assert!(!unsafe { give(other.cast(), Layout::new::<[u64; 8]>()) });
    // SAFETY: out of a box, and nobody uses it.
    drop(unsafe { Box::from_raw(other.as_ptr()) });
}

/// Takes and gives back whatever there is.
fn work(user: &mut User, turns: usize) {
    let mut pieces = Vec::new();
    for _ in 0..turns {
        let bytes = if user.numbers.below(100) == 0 { SPAN } else { 300 * (1 + user.numbers.below(4)) };
        pieces.push(user.take(bytes));
        if pieces.len() > 6_000 {
            pieces.drain(..).for_each(|piece| user.give(&piece));
        }
    }
    pieces.iter().for_each(|piece| user.give(piece));
}

/// A thread is stopped at each of the steps that the sources of this module name, while another one takes and gives
/// back what there is.
#[test]
fn a_suspended_thread_holds_up_nobody() {
    let steps = [
        "heap: blocks taken",
        "heap: word full",
        "heap: class guessed",
        "heap: a full word taken",
        "heap: offered",
        "heap: mapped",
        "heap: spans given back",
        "heap: chunk taken",
    ];
    for step in steps {
        let arena = arena_for_a_test(64);
        let (stopped, is_stopped) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            on_step(move |name| {
                // Once: later there is nobody to be told.
                if name == step && stopped.send(()).is_ok() {
                    let _ = may_go_on.recv_timeout(Duration::from_secs(60));
                }
            });
            work(&mut User::new(arena, 1), 13_000);
        });
        is_stopped.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("no thread comes to \"{step}\""));
        let (done, is_done) = mpsc::channel();
        let other = thread::spawn(move || {
            work(&mut User::new(arena, 2), 13_000);
            done.send(arena.spans_in_use()).unwrap();
        });
        let held = is_done.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("held up at \"{step}\""));
        // What the first one uses, and what it was about to use; or the chunk whose memory it is about to give back.
        assert!(held <= 300 + SPANS, "{held} spans are held at \"{step}\"");
        drop((is_stopped, go_on));
        other.join().unwrap();
        thread.join().unwrap();
        assert_eq!(arena.spans_in_use(), 0, "\"{step}\"");
    }
}
