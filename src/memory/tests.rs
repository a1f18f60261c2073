//! Which thread reuses or frees a retired object, and when.

use super::cache::{Deferred, close, free_all, hide, retire, take_youngest};
use super::*;
use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::alloc;
use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).unwrap()
}

/// "Objects" that are nothing but a block of so many bytes.
static SMALL: Kind = Kind { contents: None, take_apart: bare::<64> };
static MIDDLING: Kind = Kind { contents: None, take_apart: bare::<4096> };
static HUGE: Kind = Kind { contents: None, take_apart: bare::<60_000> };

unsafe fn bare<const SIZE: usize>(object: NonNull<()>) -> Result<Block, usize> {
    // SAFETY: these tests retire nothing else as such an object.
    Ok(unsafe { Block::from_memory(object.cast(), layout(SIZE)) })
}

/// Retires so many blocks of one size, and returns where they lie and what is to be released.
fn retire_of(kind: &'static Kind, size: usize, number: usize) -> (HashSet<NonNull<u8>>, Vec<Deferred>) {
    // SAFETY: of more than no bytes. (From the allocator, so that no spare is used.)
    let blocks: HashSet<_> = (0..number).map(|_| NonNull::new(unsafe { alloc(layout(size)) }).unwrap()).collect();
    // SAFETY: blocks of this size, which nothing uses.
    let objects = blocks.iter().map(|memory| unsafe { RetiredObject::new(memory.cast(), kind) });
    let retired = objects.filter_map(|object| retire(object, size)).collect();
    (blocks, retired)
}

fn retire_small(number: usize) -> (HashSet<NonNull<u8>>, Vec<Deferred>) {
    retire_of(&SMALL, 64, number)
}

fn cached() -> usize {
    (0..).take_while(|_| take_youngest().is_some()).count()
}

/// On a thread of its own, which has no spares yet, and which no other test's flush reaches.
fn alone(test: impl FnOnce() + Send + 'static) {
    let hidden = || {
        hide();
        test();
    };
    thread::spawn(hidden).join().unwrap();
}

#[test]
fn a_block_is_used_again_once_its_batch_is_released_and_not_before() {
    alone(|| {
        let (blocks, retired) = retire_small(BATCH);
        assert_eq!(retired.len(), 1);
        assert!(!blocks.contains(&allocate(layout(64)).address()));
        retired.into_iter().for_each(Deferred::release);
        let again: Vec<_> = (0..BATCH).map(|_| allocate(layout(64))).collect();
        assert_eq!(again.iter().map(|block| block.address()).collect::<HashSet<_>>(), blocks);
    });
}

#[test]
fn a_cached_block_of_another_size_is_freed() {
    alone(|| {
        retire_small(BATCH).1.into_iter().for_each(Deferred::release);
        assert_eq!(allocate(layout(80)).layout(), layout(80));
        assert_eq!(cached(), BATCH - 1);
    });
}

#[test]
fn a_batch_that_is_not_full_can_be_closed() {
    alone(|| {
        assert_eq!(retire_small(BATCH - 1).1.len(), 0);
        close().expect("something was retired").release();
        assert!(close().is_none());
        assert_eq!(cached(), BATCH - 1);
    });
}

/// Retires blocks of this size until far more is due than is kept, releases them, and says what is kept then.
fn cached_after(kind: &'static Kind, size: usize) -> usize {
    let (_, retired) = retire_of(kind, size, (1 << 20) / size);
    retired.into_iter().for_each(Deferred::release);
    let kept = cached() * size;
    if let Some(rest) = close() {
        rest.release();
    }
    kept + cached() * size
}

#[test]
fn the_cache_is_bounded_by_bytes_for_small_and_large_blocks() {
    alone(|| {
        let (small, middling) = (cached_after(&SMALL, 64), cached_after(&MIDDLING, 4096));
        for kept in [small, middling] {
            assert!(
                (128 * 1024..=300 * 1024).contains(&kept),
                "{small} bytes of small blocks, {middling} of middling ones"
            );
        }
        assert_eq!(cached_after(&HUGE, 60_000), 0, "what is large is freed where it is released");
    });
}

#[test]
fn a_large_object_is_handed_to_the_collector_at_once() {
    alone(|| {
        let retired = retire_of(&HUGE, 60_000, 3).1;
        assert_eq!(retired.len(), 3);
        retired.into_iter().for_each(Deferred::release);
        assert_eq!(cached(), 0);
        let retired = retire_of(&MIDDLING, 4096, 20).1;
        assert_eq!(retired.len(), 2, "32 KB make a batch");
        retired.into_iter().for_each(Deferred::release);
    });
}

#[test]
fn all_batches_of_a_sweep_return_to_it_and_are_freed_at_its_end() {
    alone(|| {
        let sweep = FreesMany::begin();
        let (_, retired) = retire_small(100 * BATCH);
        retired.into_iter().for_each(Deferred::release);
        assert_eq!(cached(), 0, "they are not used again");
        drop(sweep);
        assert_eq!(cached(), 0);
        // Nothing of it counts against what is kept afterwards.
        assert!(cached_after(&SMALL, 64) >= 128 * 1024);
    });
}

#[test]
fn a_large_cache_frees_one_block_per_retirement_and_a_small_one_none() {
    alone(|| {
        for _ in 0..3 {
            retire_small(BATCH).1.into_iter().for_each(Deferred::release);
        }
        // Each full batch has found those before it: there are two in hand, and the third is returned.
        retire_small(BATCH - 1);
        // The 63 have each freed one.
        assert_eq!(cached(), 2 * BATCH - (BATCH - 1) + BATCH);
        free_all();
        assert_eq!(cached(), 0);
    });
}

/// Blocks with content: counts how many have had it dropped.
macro_rules! counted {
    ($count:ident, $kind:ident) => {
        static $count: AtomicUsize = AtomicUsize::new(0);
        static $kind: Kind = {
            unsafe fn count(_: NonNull<()>) {
                $count.fetch_add(1, Ordering::Relaxed);
            }
            Kind { contents: Some(Contents { drop: count, bare: &SMALL }), take_apart: bare::<64> }
        };
    };
}

fn collect_until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "they are never freed");
        collect(0);
    }
}

#[test]
fn the_last_batch_of_an_ended_thread_outlives_a_pinned_reader() {
    counted!(DROPPED, COUNTED);
    let reader = pin();
    alone(|| {
        let due = retire_of(&COUNTED, 64, 3).1;
        assert!(due.iter().all(|due| matches!(due, Deferred::Ticket(_))), "too few for a batch");
        due.into_iter().for_each(|ticket| pin().release_later(ticket));
    });
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(reader);
    collect_until(|| DROPPED.load(Ordering::Relaxed) == 3);
}

#[test]
fn a_batch_of_an_ended_thread_is_freed_by_the_thread_that_releases_it() {
    counted!(DROPPED, COUNTED);
    let (sent, received) = mpsc::channel();
    alone(move || {
        for retired in retire_of(&COUNTED, 64, 3 * BATCH).1 {
            sent.send(retired).unwrap();
        }
    });
    received.into_iter().for_each(Deferred::release);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 3 * BATCH, "freed here, for their thread is gone");
}

#[test]
fn contents_are_dropped_by_the_releasing_thread_and_the_block_returns_to_its_own() {
    counted!(DROPPED, COUNTED);
    alone(|| {
        let (blocks, retired) = retire_of(&COUNTED, 64, BATCH);
        let (batches, tickets): (Vec<_>, Vec<_>) =
            retired.into_iter().partition(|retired| matches!(retired, Deferred::Batch(..)));
        assert_eq!((batches.len(), tickets.len()), (1, 1), "one ticket while it is under way");
        thread::scope(|scope| {
            scope.spawn(|| batches.into_iter().for_each(Deferred::release)).join().unwrap();
        });
        assert_eq!(DROPPED.load(Ordering::Relaxed), BATCH);
        assert!(blocks.contains(&allocate(layout(64)).address()));
        assert_eq!((cached(), DROPPED.load(Ordering::Relaxed)), (BATCH - 1, BATCH));
        tickets.into_iter().for_each(Deferred::release);
    });
}

#[test]
fn a_ticket_takes_the_open_batch_and_the_next_object_gets_a_new_ticket() {
    counted!(DROPPED, COUNTED);
    alone(|| {
        let mut tickets = retire_of(&COUNTED, 64, 3).1;
        assert!(matches!(tickets[..], [Deferred::Ticket(_)]));
        assert_eq!(retire_of(&COUNTED, 64, 2).1.len(), 0);
        tickets.pop().unwrap().release();
        collect_until(|| DROPPED.load(Ordering::Relaxed) == 5);
        let last = retire_of(&COUNTED, 64, 1).1;
        assert!(matches!(last[..], [Deferred::Ticket(_)]));
        last.into_iter().for_each(Deferred::release);
    });
}

#[test]
fn a_flush_reaches_the_open_and_the_returned_batches_of_an_idle_thread() {
    counted!(DROPPED, COUNTED);
    let ((done, is_done), (leave, may_leave)) = (mpsc::channel(), mpsc::channel::<()>());
    thread::scope(|scope| {
        let idle = scope.spawn(move || {
            let tickets = retire_of(&COUNTED, 64, 3).1; // Not handed to the collector.
            let returned = retire_of(&MIDDLING, 4096, 9).1;
            returned.into_iter().for_each(Deferred::release);
            done.send(()).unwrap();
            may_leave.recv().unwrap();
            let left = cached();
            tickets.into_iter().for_each(Deferred::release);
            left
        });
        is_done.recv().unwrap();
        let start = Instant::now();
        while DROPPED.load(Ordering::Relaxed) < 3 {
            assert!(start.elapsed() < Duration::from_secs(20), "they are never freed");
            flush(0);
        }
        flush(0);
        leave.send(()).unwrap();
        assert_eq!(idle.join().unwrap(), 0, "what was returned has been freed");
    });
}

/// Other tests retire meanwhile, so that the figures say something of much only.
#[test]
fn retired_bytes_are_counted_until_they_are_freed_or_reused() {
    const MUCH: usize = 1 << 30;
    static VAST: Kind = Kind { contents: None, take_apart: vast };
    unsafe fn vast(_: NonNull<()>) -> Result<Block, usize> {
        Err(MUCH)
    }
    let before = retired_bytes();
    let reader = pin();
    // SAFETY: there is no object, and its kind uses none.
    unsafe { reader.retire(NonNull::dangling(), &VAST, MUCH) }
    assert!(retired_bytes().abs_diff(before + MUCH) < MUCH / 2);
    drop(reader);
    collect_until(|| retired_bytes() < before + MUCH / 2);
}
