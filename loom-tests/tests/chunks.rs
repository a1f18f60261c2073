//! Models of the memory of entries: blocks and spans that are taken and given back, spans that become empty and change
//! their class, chunks whose memory goes back to the system, and threads that leave. Each 16 bytes of memory are a cell
//! that loom watches. A thread writes to the cells of its blocks, and the system to those of memory that it takes back.
#![cfg(loom)]
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../src/memory/heap/arena.rs"]
mod arena;
#[path = "../../src/memory/heap/chunk.rs"]
mod chunk;
#[path = "../../src/memory/heap/classes.rs"]
mod classes;
#[path = "../../src/memory/heap/index.rs"]
mod index;
#[path = "../../src/sync.rs"]
mod sync;

/// A stand-in for the system.
mod system {
    use core::ptr::NonNull;

    /// # Safety
    ///
    /// None.
    pub(crate) unsafe fn map(_: NonNull<u8>, _: usize, _: NonNull<u8>, _: usize) -> bool {
        true
    }

    pub(crate) fn advise_huge_pages(_: NonNull<u8>, _: usize) {}

    pub(crate) fn release(start: NonNull<u8>, bytes: usize) -> bool {
        crate::write(start, bytes);
        true
    }
}

use arena::{Arena, CHUNK, Taken, Walk};
use chunk::{Chunk, Given};
use classes::{Class, SPAN};
use core::ptr::NonNull;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

const GRAIN: usize = 16;
/// Four blocks in a span, in two words; two blocks, in one word; and one block.
const SMALL: usize = 0;
const LARGE: usize = 1;
const WHOLE: usize = 2;

struct Memory {
    start: NonNull<u8>,
    cells: Vec<UnsafeCell<()>>,
}

std::thread_local! {
    // All threads of an execution run on one thread of the system, in turn.
    static MEMORY: RefCell<Option<Rc<Memory>>> = const { RefCell::new(None) };
}

/// Writes to this memory.
fn write(start: NonNull<u8>, bytes: usize) {
    let memory = MEMORY.with_borrow(|memory| memory.clone().unwrap());
    let first = (start.addr().get() - memory.start.addr().get()) / GRAIN;
    memory.cells[first..first + bytes / GRAIN].iter().for_each(|cell| cell.with_mut(|_| ()));
}

/// Blocks that a thread has.
struct Held {
    class: usize,
    taken: Taken,
}

// SAFETY: a thread that has blocks may pass them on.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    fn addresses(&self) -> Vec<NonNull<u8>> {
        let size = Class::of(self.class).size();
        let bits = (0..64).filter(|bit| self.taken.blocks & (1 << bit) != 0);
        // SAFETY: within the span.
        bits.map(|bit| unsafe { self.taken.first.add(bit * size) }).collect()
    }

    fn write(&self) {
        self.addresses().into_iter().for_each(|block| write(block, Class::of(self.class).size()));
    }
}

struct Scene {
    arena: Arena,
    start: NonNull<u8>,
}

// SAFETY: of what lies at the start, loom watches who uses it.
unsafe impl Send for Scene {}
// SAFETY: as above.
unsafe impl Sync for Scene {}

struct Start(NonNull<u8>);

// SAFETY: as above.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

impl Scene {
    /// An arena of so many chunks.
    fn new(chunks: usize) -> Arc<Self> {
        let words = vec![0_u128; chunks * CHUNK / GRAIN];
        let start = NonNull::from(Vec::leak(words)).cast();
        let cells = (0..chunks * CHUNK / GRAIN).map(|_| UnsafeCell::new(())).collect();
        MEMORY.set(Some(Rc::new(Memory { start, cells })));
        let known: Vec<Chunk> = (0..chunks).map(|_| Chunk::new()).collect();
        Arc::new(Self { arena: Arena::new(start, NonNull::from(Vec::leak(known)).cast(), chunks), start })
    }

    fn take_on(&self, class: usize, walk: &mut Walk) -> Option<Held> {
        let held = Held { class, taken: self.arena.take(class, walk)? };
        held.write();
        Some(held)
    }

    fn give(&self, held: &Held) {
        held.write();
        let offset = self.arena.offset_of(held.taken.first).unwrap();
        self.arena.give_blocks(offset, held.class, held.taken.blocks);
    }

    /// Takes all that can be found, and says how many blocks that are.
    fn find_all(&self, class: usize) -> usize {
        let mut walk = Walk::OVER;
        let all: Vec<_> = core::iter::from_fn(|| self.take_on(class, &mut walk)).collect();
        all.iter().map(|held| held.taken.blocks.count_ones() as usize).sum()
    }
}

/// Explores two threads at once, each as the one that does not have to be spawned. What `before` returns they share.
fn both_ways<T: Send + Sync + 'static>(
    chunks: usize,
    before: fn(&Scene) -> T,
    one: fn(&Scene, &T),
    two: fn(&Scene, &T),
    after: fn(&Scene, &T),
) {
    explore(&loom::model::Builder::new(), chunks, before, one, two, after);
}

fn explore<T: Send + Sync + 'static>(
    model: &loom::model::Builder,
    chunks: usize,
    before: fn(&Scene) -> T,
    one: fn(&Scene, &T),
    two: fn(&Scene, &T),
    after: fn(&Scene, &T),
) {
    for one_is_spawned in [true, false] {
        let (spawned, other) = if one_is_spawned { (one, two) } else { (two, one) };
        model.check(move || {
            let scene = Scene::new(chunks);
            let shared = Arc::new(before(&scene));
            let (its_scene, its_share) = (scene.clone(), shared.clone());
            let thread = thread::spawn(move || spawned(&its_scene, &its_share));
            other(&scene, &shared);
            thread.join().unwrap();
            after(&scene, &shared);
        });
    }
}

/// A span of small blocks, all of them had, and the one behind it, of which nothing is free either.
fn all_had(scene: &Scene) -> [Held; 3] {
    let (mut walk, mut other) = (Walk::OVER, Walk::OVER);
    let first = scene.take_on(SMALL, &mut walk).unwrap();
    let second = scene.take_on(SMALL, &mut walk).unwrap();
    let behind = scene.take_on(LARGE, &mut other).unwrap();
    assert!(scene.arena.take(SMALL, &mut walk).is_none() && scene.arena.take(LARGE, &mut other).is_none());
    [first, second, behind]
}

fn part(held: &Held, blocks: u64) -> Held {
    let taken = Taken { first: held.taken.first, blocks: held.taken.blocks & blocks };
    Held { class: held.class, taken }
}

fn take_some(scene: &Scene) {
    let mut walk = Walk::OVER;
    if let Some(held) = scene.take_on(SMALL, &mut walk) {
        scene.give(&held);
    }
    scene.arena.leave(SMALL, walk);
}

/// A thread gives back a block of another one's, which takes it.
#[test]
fn a_block_has_one_owner() {
    let give_one = |scene: &Scene, had: &[Held; 3]| scene.give(&part(&had[0], 0b01));
    both_ways(1, all_had, give_one, |scene, _| take_some(scene), |scene, _| assert_eq!(scene.find_all(SMALL), 1));
}

/// Two threads give back blocks of one word, and a third one takes what it finds.
#[test]
fn no_block_is_lost_when_two_threads_give_blocks_back() {
    let give = |scene: &Scene, had: &[Held; 3]| scene.give(&part(&had[0], 0b01));
    let give_other = |scene: &Scene, had: &[Held; 3]| scene.give(&part(&had[0], 0b10));
    both_ways(1, all_had, give, give_other, |scene, _| assert_eq!(scene.find_all(SMALL), 2));
}

/// Two threads look for blocks where one span has some.
#[test]
fn two_threads_that_take_from_one_span_share_it() {
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&part(&had[0], 0b11));
        scene.give(&part(&had[1], 0b01));
    };
    let take = |scene: &Scene, (): &()| take_some(scene);
    both_ways(1, before, take, take, |scene, _| assert_eq!(scene.find_all(SMALL), 3));
}

/// Two threads give back the last blocks of a span, of two words: one of them gives back the span, and it may be cut
/// into other blocks.
#[test]
fn giving_the_last_block_back_frees_its_span() {
    let give_first = |scene: &Scene, had: &[Held; 3]| scene.give(&had[0]);
    let give_second = |scene: &Scene, had: &[Held; 3]| scene.give(&had[1]);
    both_ways(1, all_had, give_first, give_second, |scene, _| assert_eq!(scene.find_all(LARGE), 2));
}

/// The last block of a span is given back while another thread takes some.
#[test]
fn a_span_with_a_block_in_use_is_not_freed() {
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&had[0]);
        had
    };
    let give_the_rest = |scene: &Scene, had: &[Held; 3]| scene.give(&had[1]);
    // The thread that gives back the rest has to be stopped once more than usual for M3 to matter.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    let take = |scene: &Scene, _: &[Held; 3]| take_some(scene);
    explore(&model, 1, before, give_the_rest, take, |scene, _| assert_eq!(scene.find_all(LARGE), 2));
}

/// A span is freed and cut into larger blocks while another thread is on its way through it.
#[test]
fn blocks_of_another_class_are_given_back() {
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&had[0]);
        had
    };
    let change_class = |scene: &Scene, had: &[Held; 3]| {
        scene.give(&had[1]);
        let mut walk = Walk::OVER;
        if let Some(large) = scene.take_on(LARGE, &mut walk) {
            scene.give(&part(&large, 0b10));
            scene.give(&part(&large, 0b01));
        }
        scene.arena.leave(LARGE, walk);
    };
    both_ways(
        1,
        before,
        change_class,
        |scene, _| take_some(scene),
        |scene, had| {
            scene.give(&had[2]);
            assert_eq!(scene.find_all(LARGE), 4);
        },
    );
}

/// A thread has given back the last block of a span, and is about to take all of them, while another one does so first
/// and cuts the span into smaller blocks.
#[test]
fn a_span_that_changed_its_class_is_not_taken_as_the_old_one() {
    let before = |scene: &Scene| {
        let chunk = Chunk::new();
        chunk.assign(0, LARGE);
        assert_eq!(chunk.give(0, LARGE, 0, 0b01), Given::WorthTaking);
        (chunk, Start(scene.start))
    };
    let give_the_last = |_: &Scene, (chunk, start): &(Chunk, Start)| {
        if chunk.give(0, LARGE, 0, 0b10) == Given::Span {
            write(start.0, SPAN);
        }
    };
    let change_class = |_: &Scene, (chunk, start): &(Chunk, Start)| {
        let Some((LARGE, taken)) = chunk.take(0, 0) else { return };
        if chunk.give(0, LARGE, 0, taken) != Given::Span {
            return;
        }
        write(start.0, SPAN);
        let first = chunk.assign(0, SMALL);
        let Some((SMALL, _)) = chunk.take(0, 1) else { unreachable!("it is free") };
        chunk.give(0, SMALL, 0, first);
        // SAFETY: within the span.
        write(unsafe { start.0.add(Class::of(SMALL).offset_of(1)) }, SPAN / 2);
    };
    both_ways(1, before, give_the_last, change_class, |_, _| ());
}

/// A thread is about to take all blocks of a span, of which the old class has fewer in the first word than the new one.
/// It must not give back blocks that it did not take.
#[test]
fn a_thread_gives_back_only_the_blocks_that_it_took_of_another_class() {
    let before = |_: &Scene| {
        let chunk = Chunk::new();
        assert_eq!(chunk.assign(0, WHOLE), 0b1);
        (chunk, AtomicBool::new(false))
    };
    let give_the_last = |_: &Scene, (chunk, _): &(Chunk, AtomicBool)| {
        chunk.give(0, WHOLE, 0, 0b1);
    };
    let change_class = |_: &Scene, (chunk, changed): &(Chunk, AtomicBool)| {
        let Some((WHOLE, taken)) = chunk.take(0, 0) else { return };
        if chunk.give(0, WHOLE, 0, taken) != Given::Span {
            return;
        }
        assert_eq!(chunk.assign(0, SMALL), 0b11);
        // The other block of the word stays in use.
        chunk.give(0, SMALL, 0, 0b01);
        changed.store(true, Ordering::Relaxed);
    };
    let after = |_: &Scene, (chunk, changed): &(Chunk, AtomicBool)| {
        if changed.load(Ordering::Relaxed) {
            assert_eq!(chunk.take(0, 0), Some((SMALL, 0b01)), "a block in use is free");
        }
    };
    both_ways(1, before, give_the_last, change_class, after);
}

/// The last span of a chunk is given back, and its memory with it, while another thread takes blocks.
#[test]
fn no_memory_in_use_goes_back_to_the_system() {
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&had[2]);
        scene.give(&had[0]);
        had
    };
    let give_the_rest = |scene: &Scene, had: &[Held; 3]| scene.give(&had[1]);
    both_ways(1, before, give_the_rest, |scene, _| take_some(scene), |scene, _| assert_eq!(scene.find_all(LARGE), 4));
}

/// The same with a thread that takes the chunk as a whole.
#[test]
fn a_chunk_has_one_owner() {
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&had[0]);
        scene.give(&had[1]);
        had
    };
    let give_the_rest = |scene: &Scene, had: &[Held; 3]| scene.give(&had[2]);
    let take_chunk = |scene: &Scene, _: &[Held; 3]| {
        if let Some(memory) = scene.arena.take_zeroed(CHUNK) {
            write(memory, CHUNK);
            scene.arena.give_large(0, CHUNK);
        }
    };
    both_ways(1, before, give_the_rest, take_chunk, |scene, _| assert_eq!(scene.find_all(LARGE), 4));
}

/// Two threads need a chunk, and there is none yet.
#[test]
fn two_threads_that_need_a_chunk_both_get_blocks() {
    let take_a_span = |scene: &Scene, (): &()| {
        let memory = scene.arena.take_zeroed(SPAN).expect("there is room for two");
        write(memory, SPAN);
        scene.arena.give_large(scene.arena.offset_of(memory).unwrap(), SPAN);
    };
    both_ways(
        2,
        |_| (),
        take_a_span,
        take_a_span,
        |scene, _| {
            let all = scene.find_all(LARGE);
            assert!(all == 2 * 4, "{all} blocks are found");
        },
    );
}

/// A thread leaves, with blocks that it has not used and others that it has not come to, while another one looks for
/// some.
#[test]
fn blocks_of_an_ended_thread_are_found() {
    let leave = |scene: &Scene, _: &[Held; 3]| take_some(scene);
    let before = |scene: &Scene| {
        let had = all_had(scene);
        scene.give(&part(&had[0], 0b01));
        scene.give(&part(&had[1], 0b01));
        had
    };
    let give_one = |scene: &Scene, had: &[Held; 3]| scene.give(&part(&had[1], 0b10));
    both_ways(1, before, leave, give_one, |scene, _| assert_eq!(scene.find_all(SMALL), 3));
}
