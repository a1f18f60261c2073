//! Models of the memory that threads retire, without the epochs: a thread's open [batch] while other threads take
//! objects from it, the batches that are returned to it while other threads take those or the thread ends, the tickets
//! under which the collector takes objects with contents, and the registry of threads.
//!
//! The contents of an object lie in a cell that loom watches and carry a mark that loom misses when it leaks. The
//! models play the collector: they release a batch when every thread has ended that may have been pinned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unreachable_pub)]

#[path = "../../src/memory/batch.rs"]
mod batch;
#[path = "../../src/memory/block.rs"]
mod block;
#[path = "../../src/memory/no_heap.rs"]
mod heap;
#[path = "../../src/memory/object.rs"]
mod object;
#[path = "../../src/memory/prefetch.rs"]
mod prefetch;
#[path = "../../src/memory/record.rs"]
mod record;
#[path = "../../src/sync.rs"]
mod sync;

/// The guard of a pinned thread. In these models nothing is freed before its thread has ended.
mod epoch {
    pub(crate) struct Guard;
}

use batch::Batch;
use block::Block;
use core::ptr::NonNull;
use epoch::Guard;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicPtr;
use loom::thread;
use object::{Contents, Kind, RetiredObject};
use record::{Record, Registry};

/// The contents of an object: a count that loom watches. The thread that frees the object increments it.
struct Content {
    freed: UnsafeCell<usize>,
    all: Arc<Freed>,
}

/// The number of freed objects. Any thread may free one, so this is no cell.
struct Freed(std::sync::atomic::AtomicUsize);

impl Freed {
    fn new() -> Arc<Self> {
        Arc::new(Self(0.into()))
    }

    fn number(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Objects that are mere memory, and objects with contents that are dropped first.
static BARE: Kind = Kind { contents: None, take_apart };
static FULL: Kind = Kind { contents: Some(Contents { drop: drop_contents, bare: &GONE }), take_apart };
static GONE: Kind = Kind { contents: None, take_apart };

unsafe fn drop_contents(object: NonNull<()>) {
    // SAFETY: an object of these models, which no other thread uses; loom would notice one that does.
    unsafe { object.cast::<Content>().as_ref() }.freed.with_mut(|_| ());
}

unsafe fn take_apart(object: NonNull<()>) -> Result<Block, usize> {
    // SAFETY: as above, and it came out of a box.
    let content = unsafe { Box::from_raw(object.cast::<Content>().as_ptr()) };
    content.freed.with_mut(|freed| {
        // SAFETY: as above.
        unsafe { *freed += 1 }
    });
    content.all.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Err(size_of::<Content>())
}

/// An object that this thread has just taken out of its table.
fn object(kind: &'static Kind, all: &Arc<Freed>) -> RetiredObject {
    let content = Box::new(Content { freed: UnsafeCell::new(0), all: all.clone() });
    content.freed.with_mut(|_| ());
    // SAFETY: the functions of these kinds are sound for it, from any thread that has it alone.
    unsafe { RetiredObject::new(NonNull::from(Box::leak(content)).cast(), kind) }
}

fn registry() -> Registry {
    Registry(AtomicPtr::new(core::ptr::null_mut()))
}

/// The batch that a thread has open.
struct Open(*mut Batch);

// SAFETY: the models end its use by others before they free it.
unsafe impl Send for Open {}
// SAFETY: as above; the models decide which thread calls which function.
unsafe impl Sync for Open {}

impl Open {
    fn new(record: &Record) -> Self {
        let batch = Box::into_raw(Batch::new());
        record.open(batch);
        Self(batch)
    }

    fn push(&self, object: RetiredObject) {
        // SAFETY: the models free it last.
        let batch = unsafe { &*self.0 };
        // SAFETY: one thread of a model does it, and the batch has room.
        unsafe { batch.push(object) };
    }

    fn close(&self, record: &Record, has_contents: bool, surplus: bool) {
        record.open(core::ptr::null_mut());
        // SAFETY: the models free it last.
        let batch = unsafe { &*self.0 };
        // SAFETY: the thread that pushes does it, once.
        unsafe { batch.close(1, has_contents, |_| !surplus) };
        if !surplus {
            record.expect(1);
        }
    }

    /// To be called once, when no thread looks into it any more.
    fn to_box(&self) -> Box<Batch> {
        // SAFETY: it came out of a box.
        unsafe { Box::from_raw(self.0) }
    }
}

/// A thread with an open batch, which two threads use. One of the two may play the owner.
struct Scene {
    record: &'static Record,
    open: Open,
    all: Arc<Freed>,
}

impl Scene {
    fn new() -> Arc<Self> {
        let record = registry().enter();
        Arc::new(Self { record, open: Open::new(record), all: Freed::new() })
    }

    fn retire(&self, kind: &'static Kind) {
        self.open.push(object(kind, &self.all));
    }

    /// A closed batch of its own, with one object in it.
    fn closed(&self, kind: &'static Kind, surplus: bool) -> Box<Batch> {
        let open = Open::new(self.record);
        open.push(object(kind, &self.all));
        open.close(self.record, core::ptr::eq(kind, &FULL), surplus);
        open.to_box()
    }
}

/// Explores two threads, with each of them as the one that is not spawned.
fn both_ways(before: fn(&Scene), one: fn(&Scene) -> bool, two: fn(&Scene) -> bool, after: fn(&Scene, bool, bool)) {
    for one_is_spawned in [true, false] {
        loom::model(move || {
            let scene = Scene::new();
            before(&scene);
            let shared = scene.clone();
            let (one, two) = if one_is_spawned {
                let other = thread::spawn(move || one(&shared));
                let two = two(&scene);
                (other.join().unwrap(), two)
            } else {
                let other = thread::spawn(move || two(&shared));
                let one = one(&scene);
                (one, other.join().unwrap())
            };
            after(&scene, one, two);
        });
    }
}

fn nothing(_: &Scene) {}

fn take_and_free(scene: &Scene) -> bool {
    drop(scene.record.take_retired(&Guard));
    true
}

/// A thread that flushes takes from the open batch while its thread retires into it and closes it.
#[test]
fn an_object_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired() {
    let retire = |scene: &Scene| {
        scene.retire(&BARE);
        scene.retire(&BARE);
        scene.open.close(scene.record, false, true);
        true
    };
    both_ways(nothing, retire, take_and_free, |scene, _, _| {
        drop(scene.open.to_box());
        assert_eq!(scene.all.number(), 2);
    });
}

fn close_and_free(scene: &Scene) {
    scene.open.close(scene.record, false, true);
    drop(scene.open.to_box());
}

/// Two threads flush at once.
#[test]
fn two_threads_that_take_from_an_open_batch_share_its_objects() {
    let fill = |scene: &Scene| {
        scene.retire(&BARE);
        scene.retire(&BARE);
    };
    both_ways(fill, take_and_free, take_and_free, |scene, _, _| {
        assert_eq!(scene.all.number(), 2);
        close_and_free(scene);
    });
}

fn return_one(scene: &Scene) -> bool {
    drop(scene.record.give_back(scene.closed(&BARE, false)));
    true
}

fn take_returned(scene: &Scene) -> bool {
    scene.record.take_returned().for_each(drop);
    true
}

fn take_the_rest(scene: &Scene, number: usize) {
    take_returned(scene);
    close_and_free(scene);
    assert_eq!((scene.all.number(), scene.record.returning()), (number, 0));
}

/// The collector returns a batch while other threads return batches too, or while the owner or a thread that flushes
/// takes the returned batches.
#[test]
fn a_returned_batch_has_one_owner() {
    let before = |scene: &Scene| assert!(return_one(scene));
    both_ways(before, return_one, take_returned, |scene, _, _| take_the_rest(scene, 2));
    both_ways(before, take_returned, take_returned, |scene, _, _| take_the_rest(scene, 1));
    both_ways(before, return_one, return_one, |scene, _, _| take_the_rest(scene, 3));
}

/// A thread ends while a batch is returned to it: the later of the two frees the batch.
#[test]
fn a_batch_returned_to_a_thread_that_ends_is_freed_once() {
    let leave = |scene: &Scene| {
        scene.record.leave().for_each(drop);
        true
    };
    both_ways(nothing, leave, return_one, |scene, _, _| {
        assert!(!scene.record.has_returned());
        close_and_free(scene);
        assert_eq!((scene.all.number(), scene.record.returning()), (1, 0));
    });
}

/// A sweep ends while batches are returned. Earlier ones are returned unchanged; later ones have no contents any more,
/// and a later one that is surplus is freed.
#[test]
fn nothing_is_left_with_a_thread_whose_sweep_is_over() {
    let begin = |scene: &Scene| scene.record.sweeps(true).for_each(drop);
    let end = |scene: &Scene| {
        scene.record.sweeps(false).for_each(drop);
        true
    };
    let returns = |scene: &Scene| {
        drop(scene.record.give_back(scene.closed(&FULL, false)));
        drop(scene.record.give_back(scene.closed(&FULL, true)));
        true
    };
    both_ways(begin, end, returns, |scene, _, _| {
        let left = scene.record.take_returned();
        left.for_each(|mut batch| {
            batch.drain().for_each(|object| assert!(!object.has_contents(), "contents are left"))
        });
        close_and_free(scene);
        assert_eq!((scene.all.number(), scene.record.returning()), (2, 0));
    });
}

/// A ticket is redeemed while its thread retires one more object with contents. Either that object is taken too, or the
/// thread has another ticket.
#[test]
fn an_object_with_contents_is_taken_under_some_ticket() {
    let before = |scene: &Scene| {
        scene.retire(&FULL);
        assert!(scene.record.wants_ticket());
    };
    let retire = |scene: &Scene| {
        scene.retire(&FULL);
        scene.record.wants_ticket()
    };
    let redeem = |scene: &Scene| {
        drop(scene.record.redeem(&Guard));
        true
    };
    both_ways(before, retire, redeem, |scene, another_ticket, _| {
        if another_ticket {
            drop(scene.record.redeem(&Guard));
        }
        assert_eq!(scene.all.number(), 2, "an object with contents waits for its thread");
        close_and_free(scene);
    });
}

/// A thread ends, and another one begins, which may get its record: the counts go on.
#[test]
fn a_record_has_one_thread_at_a_time_and_keeps_its_counts() {
    loom::model(|| {
        let registry = Arc::new(registry());
        let work = |registry: &Registry| {
            let record = registry.enter();
            record.count_open(5);
            record.count_closed();
            record.count_cached(3);
            record.count_reused(3);
            let _returned = record.leave();
        };
        let shared = registry.clone();
        let other = thread::spawn(move || work(&shared));
        work(&registry);
        other.join().unwrap();
        assert_eq!(registry.records().map(Record::balance).sum::<usize>(), 4);
        assert!((1..=2).contains(&registry.records().count()));
    });
}

/// A thread that flushes and finds another thread's record also finds the objects that this thread had retired.
#[test]
fn a_record_is_found_with_the_objects_that_its_thread_has_retired() {
    fn retire(registry: &Registry, all: &Arc<Freed>) -> Open {
        let record = registry.enter();
        record.count_retired(1);
        let open = Open::new(record);
        open.push(object(&BARE, all));
        open.close(record, false, true);
        open
    }
    fn flush(registry: &Registry) {
        registry.records().for_each(|record| drop(record.take_retired(&Guard)));
    }
    for flush_is_spawned in [true, false] {
        loom::model(move || {
            let (registry, all) = (Arc::new(registry()), Freed::new());
            let (shared, freed) = (registry.clone(), all.clone());
            let open = if flush_is_spawned {
                let other = thread::spawn(move || flush(&shared));
                let open = retire(&registry, &all);
                other.join().unwrap();
                open
            } else {
                let other = thread::spawn(move || retire(&shared, &freed));
                flush(&registry);
                other.join().unwrap()
            };
            drop(open.to_box());
            assert_eq!(all.number(), 1);
        });
    }
}
