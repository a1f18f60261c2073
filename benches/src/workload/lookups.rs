//! Look-ups: hits and misses, owned and in place, of one session, uniformly, and by Zipf's law.
//!
//! The sessions are picked in advance. Each thread walks a list of ids that lie one after another in memory, so that an
//! id costs no cache miss, just as the id in a request costs none.

use super::order::{Measured, Order};
use super::race::{BATCH, race};
use crate::attributes::{ATTRIBUTES, READ_KEY};
use crate::contender::Contender;
use crate::ids::Id;
use crate::random::{Ranks, Xorshift};
use std::hint::black_box;

/// The ids that a thread looks up, in this order.
type Picks = Vec<Id>;

/// The least length of a list. A list is at least as long as the number of sessions, so that it has most of them.
const FEWEST_PICKS: usize = 2_048;

pub fn small<C: Contender>(order: &Order) -> Vec<Measured> {
    let mut rows = Rows::<C>::fill(order, order.sizes.small);
    let hot = vec![vec![rows.ids[0]; 1]; rows.most_threads()];
    rows.hits("hot", &hot);
    let uniform = rows.uniform();
    rows.hits("uniform", &uniform);
    rows.finish()
}

pub fn middle<C: Contender>(order: &Order) -> Vec<Measured> {
    let mut rows = Rows::<C>::fill(order, order.sizes.middle);
    let uniform = rows.uniform();
    rows.hits("uniform", &uniform);
    rows.misses();
    rows.finish()
}

pub fn large<C: Contender>(order: &Order) -> Vec<Measured> {
    let mut rows = Rows::<C>::fill(order, order.sizes.large);
    let uniform = rows.uniform();
    rows.hits("uniform", &uniform);
    drop(uniform);
    let zipf = rows.zipf();
    rows.hits("zipf", &zipf);
    drop(zipf);
    rows.misses();
    rows.finish()
}

struct Rows<'a, C> {
    order: &'a Order,
    store: C,
    ids: Vec<Id>,
    measured: Vec<Measured>,
}

impl<'a, C: Contender> Rows<'a, C> {
    fn fill(order: &'a Order, sessions: usize) -> Self {
        let store: C = order.store(sessions);
        let ids = (0..sessions).map(|_| store.create(&ATTRIBUTES)).collect();
        Self { order, store, ids, measured: Vec::new() }
    }

    /// Leaks the store, because the process ends, and freeing a million sessions takes longer than a row.
    fn finish(self) -> Vec<Measured> {
        std::mem::forget(self.store);
        self.measured
    }

    fn most_threads(&self) -> usize {
        self.order.threads.iter().copied().max().unwrap_or(0)
    }

    fn picks(&self, pick: impl Fn(&mut Xorshift) -> Id) -> Vec<Picks> {
        let length = self.ids.len().max(FEWEST_PICKS);
        let list = |thread: usize| {
            let mut random = Xorshift::new(thread as u64);
            (0..length).map(|_| pick(&mut random)).collect()
        };
        (0..self.most_threads()).map(list).collect()
    }

    fn uniform(&self) -> Vec<Picks> {
        self.picks(|random| self.ids[random.below(self.ids.len())])
    }

    /// Ranks are assigned in random order, so that popular sessions are not those created first.
    fn zipf(&self) -> Vec<Picks> {
        let ranks = Ranks::new(self.ids.len());
        let mut ranked = self.ids.clone();
        let mut random = Xorshift::new(u64::MAX >> 1);
        random.shuffle(&mut ranked);
        self.picks(|random| ranked[ranks.pick(random)])
    }

    fn hits(&mut self, name: &str, picks: &[Picks]) {
        self.row(&format!("get {name}"), picks, |store, id| {
            let value = store.get(black_box(id), black_box(READ_KEY));
            black_box(value.expect("a session was lost"));
        });
        self.row(&format!("read {name}"), picks, |store, id| {
            let value =
                store.read(black_box(id), black_box(READ_KEY), |value| value.len() + usize::from(value.as_bytes()[0]));
            black_box(value.expect("a session was lost"));
        });
    }

    fn misses(&mut self) {
        let strangers = self.picks(|random| {
            let mut id = [0; 32];
            id.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.draw().to_le_bytes()));
            id
        });
        self.row("miss", &strangers, |store, id| {
            let value = store.get(black_box(id), black_box(READ_KEY));
            assert!(value.is_none(), "a session that was never created");
        });
    }

    fn row(&mut self, name: &str, picks: &[Picks], operation: impl Fn(&C, &Id) + Copy + Sync) {
        let store = &self.store;
        for &threads in &self.order.threads {
            let ns = race(threads, self.order.window(), |thread| {
                let picks = &picks[thread];
                let mut next = 0;
                move || {
                    for _ in 0..BATCH {
                        operation(store, &picks[next]);
                        next += 1;
                        if next == picks.len() {
                            next = 0;
                        }
                    }
                }
            });
            self.measured.push(Measured::new(name, self.ids.len(), threads, "ns", ns));
        }
    }
}
