//! Batches over an injected source and a count of their own. A fork is played by erasing the page, which is what the
//! kernel does in the child. (`tests/faults/fork.rs` forks.)

use super::*;
use crate::sync::on_step;
use core::mem::ManuallyDrop;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::channel;

type Filled = Result<(), getrandom::Error>;

/// A source that counts its calls. Its bytes are all different from 0, and the ids of one call from those of another.
#[derive(Default)]
struct Source {
    calls: Cell<u8>,
    lengths: Cell<usize>,
}

impl Source {
    fn fill(&self, bytes: &mut [u8]) -> Filled {
        self.calls.set(self.calls.get() + 1);
        self.lengths.set(self.lengths.get() + bytes.len());
        for (number, id) in bytes.chunks_mut(32).enumerate() {
            id.fill(0x80 | number as u8);
            id[..16].fill(self.calls.get());
        }
        Ok(())
    }
}

/// A batch, its count of discards, and its source.
struct Thread {
    batch: Batch,
    discarded: Rc<AtomicU64>,
    source: Rc<Source>,
}

impl Thread {
    fn new() -> Self {
        Self { batch: Batch::new(), discarded: Rc::new(AtomicU64::new(1)), source: Rc::default() }
    }

    fn draw(&self) -> [u8; 32] {
        let id = self.batch.draw(&self.discarded, |bytes| self.source.fill(bytes));
        *id.expect("the source does not fail").as_bytes()
    }

    fn draw_from(&self, source: impl Fn(&mut [u8]) -> Filled) -> Result<SessionId, RandomError> {
        self.batch.draw(&self.discarded, source)
    }

    /// The page, which the thread has once it has drawn.
    fn page(&self) -> ManuallyDrop<Page> {
        page_of(&self.batch)
    }

    fn calls(&self) -> u8 {
        self.source.calls.get()
    }
}

fn page_of(batch: &Batch) -> ManuallyDrop<Page> {
    let state = batch.0.replace(State::Direct);
    let State::Open(page) = &state else { panic!("the thread has no page") };
    let alias = page.alias();
    batch.0.set(state);
    alias
}

#[test]
fn one_call_of_the_source_makes_eight_ids_that_differ() {
    let thread = Thread::new();
    let ids: HashSet<_> = (0..8).map(|_| thread.draw()).collect();
    assert_eq!((ids.len(), thread.calls(), thread.source.lengths.get()), (8, 1, 256));
    assert!(!ids.contains(&thread.draw()));
    assert_eq!(thread.calls(), 2);
}

#[test]
fn all_bytes_of_an_id_come_from_the_source() {
    let source = |bytes: &mut [u8]| {
        bytes.iter_mut().zip(0..=u8::MAX).for_each(|(byte, number)| *byte = number);
        Ok(())
    };
    let thread = Thread::new();
    for id in (0..8).rev() {
        let drawn = thread.draw_from(source).expect("the source does not fail");
        assert!(drawn.as_bytes().iter().copied().eq((0..32).map(|byte| 32 * id + byte)), "{id}");
    }
}

#[test]
fn an_id_is_erased_when_it_is_handed_out() {
    let thread = Thread::new();
    for left in (0..8).rev() {
        let id = thread.draw();
        let bytes: Vec<u8> = thread.page().words().iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert!(!bytes.windows(32).any(|window| window == id), "with {left} left, the page still has the id");
        assert_eq!(thread.page().ids(), left);
    }
}

#[test]
fn a_source_that_fails_leaves_no_id_and_the_next_draw_asks_again() {
    let thread = Thread::new();
    let failing = |bytes: &mut [u8]| {
        // It has written half of them by then.
        bytes[..128].fill(0xee);
        Err(getrandom::Error::UNEXPECTED)
    };
    for _ in 0..2 {
        assert_eq!(thread.draw_from(failing), Err(RandomError::new(getrandom::Error::UNEXPECTED)));
        assert!(thread.page().words().iter().all(|word| *word == 0), "something is left of a batch that failed");
    }
    let ids: HashSet<_> = (0..8).map(|_| thread.draw()).collect();
    assert_eq!((ids.len(), thread.calls()), (8, 1));
}

#[test]
fn a_source_that_fails_after_a_discard_leaves_none_of_the_discarded_ids() {
    let thread = Thread::new();
    thread.draw();
    thread.discarded.fetch_add(1, Ordering::Relaxed);
    assert!(thread.draw_from(|_| Err(getrandom::Error::UNEXPECTED)).is_err());
    assert_eq!(thread.page().ids(), 0);
}

#[test]
fn a_source_that_panics_leaves_no_batch_and_the_thread_draws_singly_from_then_on() {
    let thread = Thread::new();
    let panicking = |bytes: &mut [u8]| {
        bytes[..128].fill(0xee);
        std::panic::resume_unwind(Box::new("the source's own"));
    };
    assert!(catch_unwind(AssertUnwindSafe(|| thread.draw_from(panicking))).is_err());
    let ids: HashSet<_> = (0..10).map(|_| thread.draw()).collect();
    assert_eq!((ids.len(), thread.calls(), thread.source.lengths.get()), (10, 10, 320));
}

#[test]
fn a_source_that_draws_itself_takes_no_id_of_the_batch_that_it_fills() {
    let thread = Thread::new();
    let inner = Cell::new(None);
    let drawn = thread.draw_from(|bytes| {
        inner.set(Some(thread.draw()));
        thread.source.fill(bytes)
    });
    let mut ids: HashSet<_> = (0..7).map(|_| thread.draw()).collect();
    ids.insert(*drawn.expect("the source does not fail").as_bytes());
    ids.insert(inner.take().expect("it has drawn"));
    assert_eq!((ids.len(), thread.calls(), thread.source.lengths.get()), (9, 2, 32 + 256));
}

/// Has something done at each step of a draw, with each number of ids left, and checks that no later id comes from a
/// call of the source before that.
fn at_each_step(act: impl Fn(&mut Page, &AtomicU64) + Clone + 'static) {
    for at in ["batch judged", "batch marked", "batch filled", "id taken"] {
        for before in 1..=8 {
            let thread = Thread::new();
            let mut ids: HashSet<_> = (0..before).map(|_| thread.draw()).collect();
            let page = Cell::new(Some(thread.page()));
            let (discarded, source, act) = (thread.discarded.clone(), thread.source.clone(), act.clone());
            let calls_then = Rc::new(Cell::new(None));
            let noted = calls_then.clone();
            on_step(move |name| {
                if let Some(mut page) = (name == at).then(|| page.take()).flatten() {
                    act(&mut page, &discarded);
                    noted.set(Some(source.calls.get()));
                }
            });
            for _ in 0..20 {
                let id = thread.draw();
                assert!(id.iter().all(|byte| *byte != 0), "{at}, {before}: an id of a wiped page");
                assert!(ids.insert(id), "{at}, {before}: an id is drawn twice");
                assert!(calls_then.get().is_none_or(|calls| id[0] > calls), "{at}, {before}: an id of before");
            }
            on_step(|_| {});
            assert!(calls_then.get().is_some(), "{at} was not reached");
        }
    }
}

#[test]
fn a_fork_at_any_step_of_a_draw_leaves_the_child_no_id_of_the_parents() {
    at_each_step(|page, _| page.erase());
}

#[test]
fn a_discard_at_any_step_of_a_draw_holds_from_the_id_on_that_it_hands_out() {
    at_each_step(|_, discarded| _ = discarded.fetch_add(1, Ordering::Relaxed));
}

#[test]
fn a_forked_child_draws_a_batch_of_its_own() {
    let thread = Thread::new();
    let before = thread.draw();
    thread.page().erase();
    let ids: HashSet<_> = (0..8).map(|_| thread.draw()).collect();
    assert!(!ids.contains(&before) && !ids.contains(&[0; 32]));
    assert_eq!((ids.len(), thread.calls()), (8, 2));
}

#[test]
fn a_discard_reaches_the_batch_of_another_thread() {
    static DISCARDED: AtomicU64 = AtomicU64::new(1);
    let (ask, asked) = channel::<()>();
    let (answer, answers) = channel();
    let other = std::thread::spawn(move || {
        let (batch, source) = (Batch::new(), Source::default());
        for () in asked {
            batch.draw(&DISCARDED, |bytes| source.fill(bytes)).expect("the source does not fail");
            answer.send(source.calls.get()).expect("the test waits");
        }
    });
    let calls = || {
        ask.send(()).expect("the thread waits");
        answers.recv().expect("the thread has drawn")
    };
    assert_eq!([calls(), calls()], [1, 1]);
    DISCARDED.fetch_add(1, Ordering::Relaxed);
    assert_eq!([calls(), calls()], [2, 2]);
    drop(ask);
    other.join().expect("the thread does not panic");
}

#[test]
fn the_public_call_discards_the_batch_of_this_thread() {
    let draw_and_look = || {
        draw().expect("randomness");
        BATCH.with(|batch| page_of(batch).mark())
    };
    let mark = draw_and_look();
    SessionId::discard_batches();
    assert!(draw_and_look() > mark);
}

#[test]
fn a_page_is_erased_before_it_is_unmapped() {
    let thread = Thread::new();
    thread.draw();
    let page = thread.page();
    assert_eq!(page.ids(), 7);
    let seen = Rc::new(Cell::new(None));
    let words = seen.clone();
    on_step(move |name| {
        if name == "batch erased" {
            words.set(Some(page.words()));
        }
    });
    drop(thread);
    on_step(|_| {});
    assert!(seen.take().expect("the page is dropped").iter().all(|word| *word == 0));
}
