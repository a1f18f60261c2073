//! What a thread retires and keeps: when it is used again, when it is freed, and by whom.

use super::cache::{hide, take_apart_one};
use super::*;
use crate::reclaim::{self, BAG};
use core::sync::atomic::{AtomicUsize, Ordering};
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
fn retire_of(kind: &'static Kind, size: usize, number: usize) -> (HashSet<NonNull<u8>>, Vec<Retired>) {
    // SAFETY: of more than no bytes. (From the allocator, so that no spare is used.)
    let blocks: HashSet<_> = (0..number).map(|_| NonNull::new(unsafe { alloc(layout(size)) }).unwrap()).collect();
    // SAFETY: blocks of this size, which nobody uses any more.
    let spares = blocks.iter().map(|memory| unsafe { Spare::new(memory.cast(), kind) });
    let retired = spares.filter_map(|spare| retire(spare, size)).collect();
    (blocks, retired)
}

fn retire_small(number: usize) -> (HashSet<NonNull<u8>>, Vec<Retired>) {
    retire_of(&SMALL, 64, number)
}

fn spares_left() -> usize {
    (0..).take_while(|_| take_apart_one().is_some()).count()
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
        let (blocks, retired) = retire_small(BAG);
        assert_eq!(retired.len(), 1);
        assert!(!blocks.contains(&Block::new(layout(64)).memory));
        retired.into_iter().for_each(Retired::release);
        let again: Vec<_> = (0..BAG).map(|_| Block::new(layout(64))).collect();
        assert_eq!(again.iter().map(|block| block.memory).collect::<HashSet<_>>(), blocks);
    });
}

#[test]
fn a_spare_of_another_size_is_given_back() {
    alone(|| {
        retire_small(BAG).1.into_iter().for_each(Retired::release);
        assert_eq!(Block::new(layout(80)).layout, layout(80));
        assert_eq!(spares_left(), BAG - 1);
    });
}

#[test]
fn what_is_too_little_for_a_batch_can_be_flushed() {
    alone(|| {
        assert_eq!(retire_small(BAG - 1).1.len(), 0);
        close().expect("something was retired").release();
        assert!(close().is_none());
        assert_eq!(spares_left(), BAG - 1);
    });
}

/// Retires blocks of this size until far more is due than is kept, releases them, and says what is kept then.
fn kept_of(kind: &'static Kind, size: usize) -> usize {
    let (_, retired) = retire_of(kind, size, (1 << 20) / size);
    retired.into_iter().for_each(Retired::release);
    let kept = spares_left() * size;
    if let Some(rest) = close() {
        rest.release();
    }
    kept + spares_left() * size
}

#[test]
fn what_is_kept_is_bounded_by_bytes_whatever_the_sizes() {
    alone(|| {
        let (small, middling) = (kept_of(&SMALL, 64), kept_of(&MIDDLING, 4096));
        for kept in [small, middling] {
            assert!(
                (128 * 1024..=300 * 1024).contains(&kept),
                "{small} bytes of small blocks, {middling} of middling ones"
            );
        }
        assert_eq!(kept_of(&HUGE, 60_000), 0, "what is large is freed where it is released");
    });
}

#[test]
fn what_is_large_is_due_at_once() {
    alone(|| {
        let retired = retire_of(&HUGE, 60_000, 3).1;
        assert_eq!(retired.len(), 3);
        retired.into_iter().for_each(Retired::release);
        assert_eq!(spares_left(), 0);
        let retired = retire_of(&MIDDLING, 4096, 20).1;
        assert_eq!(retired.len(), 2, "32 KB make a batch");
        retired.into_iter().for_each(Retired::release);
    });
}

#[test]
fn all_batches_of_a_sweep_are_returned_and_freed_at_its_end() {
    alone(|| {
        let sweep = FreesMany::begin();
        let (_, retired) = retire_small(100 * BAG);
        retired.into_iter().for_each(Retired::release);
        assert_eq!(spares_left(), 0, "they are not used again");
        drop(sweep);
        assert_eq!(spares_left(), 0);
        // Nothing of it counts against what is kept afterwards.
        assert!(kept_of(&SMALL, 64) >= 128 * 1024);
    });
}

#[test]
fn of_many_spares_one_is_freed_at_a_time_and_of_few_none() {
    alone(|| {
        for _ in 0..3 {
            retire_small(BAG).1.into_iter().for_each(Retired::release);
        }
        // Each full batch has found those before it: there are two in hand, and the third is returned.
        retire_small(BAG - 1);
        // The 63 have each freed one.
        assert_eq!(spares_left(), 2 * BAG - (BAG - 1) + BAG);
        free_all();
        assert_eq!(spares_left(), 0);
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
        reclaim::collect(0);
    }
}

#[test]
fn what_a_thread_has_retired_last_is_not_freed_with_it_under_a_reader() {
    counted!(DROPPED, COUNTED);
    let reader = reclaim::pin();
    alone(|| {
        let due = retire_of(&COUNTED, 64, 3).1;
        assert!(due.iter().all(|due| matches!(due, Retired::Ticket(_))), "too few for a batch");
        due.into_iter().for_each(|ticket| reclaim::pin().defer(ticket));
    });
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(reader);
    collect_until(|| DROPPED.load(Ordering::Relaxed) == 3);
}

#[test]
fn what_a_thread_leaves_behind_is_freed_when_it_is_released() {
    counted!(DROPPED, COUNTED);
    let (sent, received) = mpsc::channel();
    alone(move || {
        for retired in retire_of(&COUNTED, 64, 3 * BAG).1 {
            sent.send(retired).unwrap();
        }
    });
    received.into_iter().for_each(Retired::release);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 3 * BAG, "freed here, for their thread is gone");
}

#[test]
fn content_is_dropped_where_it_is_released_and_its_block_returned() {
    counted!(DROPPED, COUNTED);
    alone(|| {
        let (blocks, retired) = retire_of(&COUNTED, 64, BAG);
        let (batches, tickets): (Vec<_>, Vec<_>) =
            retired.into_iter().partition(|retired| matches!(retired, Retired::Batch(..)));
        assert_eq!((batches.len(), tickets.len()), (1, 1), "one ticket while it is under way");
        thread::scope(|scope| {
            scope.spawn(|| batches.into_iter().for_each(Retired::release)).join().unwrap();
        });
        assert_eq!(DROPPED.load(Ordering::Relaxed), BAG);
        assert!(blocks.contains(&Block::new(layout(64)).memory));
        assert_eq!((spares_left(), DROPPED.load(Ordering::Relaxed)), (BAG - 1, BAG));
        tickets.into_iter().for_each(Retired::release);
    });
}

#[test]
fn a_ticket_takes_what_has_been_retired_and_the_next_object_gets_another_one() {
    counted!(DROPPED, COUNTED);
    alone(|| {
        let mut tickets = retire_of(&COUNTED, 64, 3).1;
        assert!(matches!(tickets[..], [Retired::Ticket(_)]));
        assert_eq!(retire_of(&COUNTED, 64, 2).1.len(), 0);
        tickets.pop().unwrap().release();
        collect_until(|| DROPPED.load(Ordering::Relaxed) == 5);
        let last = retire_of(&COUNTED, 64, 1).1;
        assert!(matches!(last[..], [Retired::Ticket(_)]));
        last.into_iter().for_each(Retired::release);
    });
}

#[test]
fn a_flush_reaches_what_an_idle_thread_has_retired_and_what_was_returned_to_it() {
    counted!(DROPPED, COUNTED);
    let ((done, is_done), (leave, may_leave)) = (mpsc::channel(), mpsc::channel::<()>());
    thread::scope(|scope| {
        let idle = scope.spawn(move || {
            let tickets = retire_of(&COUNTED, 64, 3).1; // Not handed to the collector.
            let returned = retire_of(&MIDDLING, 4096, 9).1;
            returned.into_iter().for_each(Retired::release);
            done.send(()).unwrap();
            may_leave.recv().unwrap();
            let left = spares_left();
            tickets.into_iter().for_each(Retired::release);
            left
        });
        is_done.recv().unwrap();
        let start = Instant::now();
        while DROPPED.load(Ordering::Relaxed) < 3 {
            assert!(start.elapsed() < Duration::from_secs(20), "they are never freed");
            reclaim::flush(0);
        }
        reclaim::flush(0);
        leave.send(()).unwrap();
        assert_eq!(idle.join().unwrap(), 0, "what was returned has been freed");
    });
}

/// Other tests retire meanwhile, so that the figures say something of much only.
#[test]
fn retired_bytes_are_counted_until_they_are_freed_or_used_again() {
    const MUCH: usize = 1 << 30;
    static VAST: Kind = Kind { contents: None, take_apart: vast };
    unsafe fn vast(_: NonNull<()>) -> Result<Block, usize> {
        Err(MUCH)
    }
    let before = retired_bytes();
    let reader = reclaim::pin();
    // SAFETY: there is no object, and its kind uses none.
    unsafe { reader.retire(NonNull::dangling(), &VAST, MUCH) }
    assert!(retired_bytes().abs_diff(before + MUCH) < MUCH / 2);
    drop(reader);
    collect_until(|| retired_bytes() < before + MUCH / 2);
}
