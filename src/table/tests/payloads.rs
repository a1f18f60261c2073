//! Payloads whose `Drop` panics: each is dropped once and its memory is freed, whatever else is freed with it, and no
//! operation is affected. And entries for which the allocator returns strange addresses.

use super::super::*;
use super::fixture::IDLE;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Head, Overrides, Owned, free};
use crate::expiry::Tick;
use crate::table::RemovalCause;
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The alignment by which the allocator knows the entries of these tests.
const ALIGN: usize = 256;

/// The alignment of entries whose addresses the allocator may make larger than any that the table has room for, if it
/// is told to.
const FAR_ALIGN: usize = 512;
const FAR_BIT: usize = 1 << 56;
static FAR: AtomicBool = AtomicBool::new(false);
/// Blocks of that alignment that have been allocated and not given back.
static FAR_BLOCKS: AtomicIsize = AtomicIsize::new(0);

/// Entries of these tests that have been allocated and not given back.
static ENTRIES: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator; counts allocations of those alignments.
struct Counting;

fn far(block: *mut u8, layout: Layout) -> *mut u8 {
    if layout.align() != FAR_ALIGN {
        return block;
    }
    FAR_BLOCKS.fetch_add(1, Ordering::Relaxed);
    if FAR.load(Ordering::Relaxed) { block.map_addr(|address| address | FAR_BIT) } else { block }
}

fn near(block: *mut u8, layout: Layout) -> *mut u8 {
    if layout.align() != FAR_ALIGN {
        return block;
    }
    FAR_BLOCKS.fetch_sub(1, Ordering::Relaxed);
    block.map_addr(|address| address & !FAR_BIT)
}

// SAFETY: `System` does the work; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ENTRIES.fetch_add(isize::from(layout.align() == ALIGN), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        far(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ENTRIES.fetch_add(isize::from(layout.align() == ALIGN), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ENTRIES.fetch_sub(isize::from(layout.align() == ALIGN), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(near(block, layout), layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What a payload does when it is dropped, besides panicking.
type OnDrop = Option<Box<dyn FnOnce() + Send + Sync>>;

/// A payload that panics when it is dropped, unless its number is a multiple of three.
#[repr(align(256))]
struct Charge {
    number: usize,
    on_drop: OnDrop,
    drops: Arc<Mutex<Vec<usize>>>,
}

/// What a charge panics with, which panics once more when it is dropped.
struct Splinter;

impl Drop for Splinter {
    fn drop(&mut self) {
        resume_unwind(Box::new("once more"));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        locked(&self.drops)[self.number] += 1;
        if let Some(on_drop) = self.on_drop.take() {
            on_drop();
        }
        if !self.number.is_multiple_of(3) {
            resume_unwind(Box::new(Splinter));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(number: usize) -> Key {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

fn at<R>(now: u64, f: impl FnOnce(Moment<'_>) -> R) -> R {
    f(Moment::new(Tick::new(now), IDLE, &|| Tick::new(now)))
}

/// The entries of one test are counted at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = locked(&ALONE);
    ENTRIES.store(0, Ordering::Relaxed); // A test that has failed may have left some.
    alone
}

/// A table of charges.
struct Magazine {
    table: Table<Charge>,
    /// How often each charge was dropped, by its number.
    drops: Arc<Mutex<Vec<usize>>>,
}

impl Magazine {
    fn new() -> Self {
        Self { table: Table::new(1, 0), drops: Arc::default() }
    }

    fn filled(sessions: usize) -> Self {
        let magazine = Self::new();
        (0..sessions).for_each(|number| assert!(magazine.insert(number)));
        magazine
    }

    fn charge(&self, key: Key, stamp: Tick, on_drop: OnDrop) -> Owned<Charge> {
        let mut drops = locked(&self.drops);
        drops.push(0);
        let charge = Charge { number: drops.len() - 1, on_drop, drops: self.drops.clone() };
        // An allocation may drop what was retired before.
        drop(drops);
        Owned::new(Head::first(key, stamp, &Overrides::NONE), charge, 0, |_| {})
    }

    fn insert(&self, number: usize) -> bool {
        self.insert_with(number, None)
    }

    fn insert_with(&self, number: usize, on_drop: OnDrop) -> bool {
        let place = self.table.enter(&key(number)).expect("there is no limit");
        let new = self.charge(key(number), Tick::new(0), on_drop);
        at(0, |moment| self.table.insert(place, new, moment)).is_ok()
    }

    fn replace(&self, number: usize) -> bool {
        let replace =
            |_: EntryRef<'_, Charge>, stamp| Ok::<_, ()>(Change::Replace(self.charge(key(number), stamp, None)));
        at(0, |moment| self.table.update(&key(number), moment, replace)).is_ok()
    }

    fn remove(&self, number: usize) -> bool {
        at(0, |moment| self.table.remove(&key(number), moment))
    }

    fn has(&self, number: usize) -> bool {
        at(0, |moment| self.table.read(&key(number), false, moment, |_| ())).is_ok()
    }

    /// Does something to the array and the next one, of which this makes the first be left.
    fn in_mid_growth(&self, f: impl Fn(&Pinned<'_, Charge>, usize)) {
        self.table.pin_to(&self.table.shards[0], Moment::TIMELESS, |pinned| {
            let array = pinned.shard.current(pinned.guard);
            pinned.begin(array);
            (0..array.capacity()).for_each(|index| f(&pinned, index));
        });
    }

    /// Waits until all charges but those of the sessions that are there are dropped: other tests may hold back the
    /// collector for a while.
    fn assert_freed_but(&self, left: usize) {
        let began = Instant::now();
        loop {
            let dropped = locked(&self.drops).clone();
            assert!(dropped.iter().all(|&times| times <= 1), "dropped twice: {dropped:?}");
            let kept = dropped.iter().filter(|&&times| times == 0).count();
            let entries = ENTRIES.load(Ordering::Relaxed);
            if kept == left && entries == left as isize {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{kept} not dropped, {entries} not freed, not {left}");
            memory::collect(1_000);
            std::thread::yield_now();
        }
    }

    fn assert_all_freed_without_the_table(self) {
        let Self { table, drops } = self;
        drop(table);
        Self { table: Table::new(1, 0), drops }.assert_freed_but(0);
    }
}

#[test]
fn a_bag_of_deleted_charges_is_freed_entirely() {
    let _alone = alone();
    let magazine = Magazine::filled(300);
    (0..200).for_each(|number| assert!(magazine.remove(number)));
    magazine.assert_freed_but(100);
    assert!((200..300).all(|number| magazine.has(number)));
    magazine.assert_all_freed_without_the_table();
}

#[test]
fn replaced_charges_are_freed_while_the_session_goes_on() {
    let _alone = alone();
    let magazine = Magazine::filled(5);
    (0..1_000).for_each(|turn| assert!(magazine.replace(turn % 5)));
    magazine.assert_freed_but(5);
    assert!((0..5).all(|number| magazine.has(number)));
    magazine.assert_all_freed_without_the_table();
}

#[test]
fn a_sweep_frees_what_has_expired_to_the_last() {
    let _alone = alone();
    let magazine = Magazine::filled(300);
    let now = IDLE + 1;
    assert!(at(now, |moment| magazine.table.sweep_some(64, moment)) > 0);
    at(now, |moment| magazine.table.sweep(moment));
    assert_eq!(magazine.table.len(), 0);
    magazine.assert_freed_but(0);
}

#[test]
fn what_an_ended_thread_had_in_its_bag_is_freed() {
    let _alone = alone();
    let magazine = Magazine::filled(20);
    std::thread::scope(|scope| {
        let removed = scope.spawn(|| (0..20).all(|number| magazine.remove(number))).join();
        assert!(removed.expect("no drop reaches the thread"));
    });
    magazine.assert_freed_but(0);
}

#[test]
fn a_charge_that_is_refused_is_dropped_where_it_is() {
    let _alone = alone();
    let magazine = Magazine::filled(10);
    (0..10).for_each(|number| assert!(!magazine.insert(number)));
    magazine.assert_freed_but(10);
}

/// The second panic, of a drop while a first one unwinds, would abort the process.
#[test]
fn a_charge_is_dropped_by_a_panic_that_passes() {
    let _alone = alone();
    let magazine = Magazine::filled(10);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _charges = [1, 2, 3].map(|number| magazine.charge(key(number), Tick::new(0), None));
        resume_unwind(Box::new("in the caller's code"));
    }));
    assert_eq!(unwound.map_err(|panic| *panic.downcast::<&str>().expect("its own")), Err("in the caller's code"));
    magazine.assert_freed_but(10);
    let drops = magazine.drops.clone();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _magazine = magazine;
        resume_unwind(Box::new("with a table in hand"));
    }));
    assert_eq!(unwound.map_err(|panic| *panic.downcast::<&str>().expect("its own")), Err("with a table in hand"));
    Magazine { table: Table::new(1, 0), drops }.assert_freed_but(0);
}

/// Both are freed at once, by the same call.
#[test]
fn a_version_and_its_successor_that_never_counted_are_both_freed() {
    let _alone = alone();
    let magazine = Magazine::filled(20);
    for number in 0..20 {
        magazine.table.pin(&key(number), Moment::TIMELESS, |pinned, target| {
            let found = pinned.locate(target).expect("it is there");
            assert!(found.entry.succeed(magazine.charge(key(number), Tick::new(0), None)).is_ok());
            assert!(pinned.kill(found.entry, found.stamp, RemovalCause::Deleted));
        });
    }
    at(0, |moment| magazine.table.sweep(moment));
    magazine.assert_freed_but(0);
}

#[test]
fn a_table_dropped_in_mid_growth_frees_every_charge() {
    let _alone = alone();
    // 40 sessions in 64 or 128 slots: a slot in each state, the entries in each of theirs.
    for kind in 0..7 {
        let magazine = Magazine::filled(40);
        magazine.in_mid_growth(|pinned, index| {
            let array = pinned.shard.current(pinned.guard);
            let (slot, next) = (array.slot(index), array.next(pinned.guard).expect("it is being left"));
            let word = slot.load();
            if word.holds_entry() {
                let entry = pinned.entry(word);
                let Life::Live(stamp) = entry.life().load() else { unreachable!("nothing has ended") };
                match (index + kind) % 7 {
                    0 => pinned.migrate_slot(array, slot),
                    1 => assert!(slot.freeze(word)),
                    2 => {
                        assert!(slot.freeze(word));
                        assert!(pinned.copy(next, slot, slot.load(), pinned.target(entry.key()).hash));
                    }
                    3 => {
                        assert!(slot.freeze(word));
                        assert!(pinned.kill(entry, stamp, RemovalCause::Deleted));
                    }
                    4 => {
                        let new = entry.succeed(magazine.charge(*entry.key(), stamp, None)).ok();
                        assert!(pinned.supersede(entry, new.expect("it had none")));
                        assert!(slot.freeze(word));
                    }
                    5 => assert!(entry.succeed(magazine.charge(*entry.key(), stamp, None)).is_ok()),
                    _ => {}
                }
            }
        });
        magazine.assert_all_freed_without_the_table();
    }
}

/// A chain of versions, all of them freed with the first.
#[test]
fn a_table_dropped_with_chains_in_its_slots_frees_every_version() {
    let _alone = alone();
    let magazine = Magazine::filled(3);
    for number in 0..3 {
        magazine.table.pin(&key(number), Moment::TIMELESS, |pinned, target| {
            let mut version = pinned.locate(target).expect("it is there").entry;
            for _ in 0..5 {
                let new = magazine.charge(key(number), Tick::new(0), None);
                let new = version.succeed(new).ok().expect("it has none");
                assert!(pinned.supersede(version, new));
                version = new;
            }
        });
    }
    magazine.assert_all_freed_without_the_table();
}

/// Each charge deletes the next one's session when it is dropped, wherever that happens to be, and panics then.
#[test]
fn a_charge_may_use_the_table_when_it_is_dropped() {
    let _alone = alone();
    let magazine = Magazine::new();
    let shared = Arc::new(OnceLock::<Weak<Magazine>>::new());
    for number in 0..50 {
        let shared = shared.clone();
        let next = move || {
            let magazine = shared.get().and_then(Weak::upgrade);
            assert!(magazine.is_some_and(|magazine| magazine.remove(number + 1) || number == 49));
        };
        assert!(magazine.insert_with(number, Some(Box::new(next))));
    }
    let magazine = Arc::new(magazine);
    assert!(shared.set(Arc::downgrade(&magazine)).is_ok());
    assert!(magazine.remove(0));
    magazine.assert_freed_but(0);
    assert_eq!(magazine.table.len(), 0);
}

#[test]
fn an_entry_is_freed_without_unwinding() {
    let _alone = alone();
    let magazine = Magazine::new();
    let charges = [0, 1].map(|number| magazine.charge(key(number), Tick::new(0), None));
    for charge in charges {
        let entry = charge.pointer();
        charge.publish();
        // SAFETY: it came out of an `Owned`, and no other thread knows it.
        unsafe { free(entry) }
    }
    magazine.assert_freed_but(0);
}

/// A payload whose entries lie where the allocator is told.
#[repr(align(512))]
struct Distant(Arc<()>);

/// Before, an update would have put another address into the slot.
#[test]
#[cfg(all(target_pointer_width = "64", target_arch = "x86_64"))]
fn an_address_for_which_the_table_has_no_room_is_refused_before_anything_has_changed() {
    let _alone = alone();
    let held = Arc::new(());
    let table = Table::<Distant>::new(1, 2);
    let new =
        |number| Owned::new(Head::first(key(number), Tick::new(0), &Overrides::NONE), Distant(held.clone()), 0, |_| {});
    let insert = |number| {
        let place = table.enter(&key(number)).expect("there is room");
        at(0, |moment| table.insert(place, new(number), moment)).is_ok()
    };
    let replace = |_: EntryRef<'_, Distant>, _| Ok::<_, ()>(Change::Replace(new(0)));
    let update = || at(0, |moment| table.update(&key(0), moment, replace)).is_ok();
    let has = || at(0, |moment| table.read(&key(0), false, moment, |version| Arc::strong_count(&version.payload().0)));
    assert!(insert(0));
    let blocks = FAR_BLOCKS.load(Ordering::Relaxed);
    FAR.store(true, Ordering::Relaxed);
    let told = |panic: Box<dyn std::any::Any + Send>| {
        panic.downcast_ref::<&str>().is_some_and(|message| message.contains("the allocator has returned an address"))
    };
    assert!(catch_unwind(AssertUnwindSafe(|| insert(1))).is_err_and(told));
    assert!(catch_unwind(AssertUnwindSafe(update)).is_err_and(told));
    FAR.store(false, Ordering::Relaxed);
    assert_eq!((has(), table.len(), FAR_BLOCKS.load(Ordering::Relaxed)), (Ok(2), 1, blocks));
    assert!(insert(1) && update());
}
