//! What the threads do to a store.

use std::hint::black_box;
use std::mem;

use crate::contender::Contender;

/// What every session holds.
const ATTRIBUTES: [(&str, &str); 3] =
    [("user_id", "1844674407"), ("role", "editor"), ("csrf_token", "Zm9yZ2VyaWVzLXN0b3AtaGVyZS10b2RheQ")];

const READ_KEY: &str = "user_id";
const WRITTEN_KEY: &str = "role";
const WRITTEN_VALUES: [&str; 2] = ["author", "editor"];

#[derive(Clone, Copy)]
pub(crate) enum Workload {
    /// Creates sessions with three attributes. They are deleted between rounds, off the clock.
    Create,
    /// Gets one attribute as a `String`, of sessions picked uniformly.
    Get,
    /// 90 % gets and 5 % sets of sessions picked uniformly; 5 % create a session and delete the oldest that the thread created.
    Mix,
}

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Mix => "mix",
        }
    }
}

/// A store and the sessions in it that outlive the measurement.
pub(crate) struct Population<C: Contender> {
    store: C,
    ids: Vec<C::Id>,
}

impl<C: Contender> Population<C> {
    const SIZE: usize = 10_000;

    pub(crate) fn new() -> Self {
        let store = C::open();
        let ids = (0..Self::SIZE).map(|_| store.create(&ATTRIBUTES)).collect();
        Self { store, ids }
    }

    fn pick(&self, random: u64) -> &C::Id {
        &self.ids[scale(random, self.ids.len())]
    }
}

/// One thread's part in a workload.
pub(crate) struct Worker<'a, C: Contender> {
    population: &'a Population<C>,
    workload: Workload,
    random: Xorshift,
    /// The sessions that this worker has created and not yet deleted.
    own: Vec<C::Id>,
}

impl<'a, C: Contender> Worker<'a, C> {
    /// How many sessions of its own a worker of [`Workload::Mix`] keeps.
    const OWN: usize = 64;
    /// How many sessions a worker of [`Workload::Create`] adds before it deletes them again.
    const CREATED: u64 = 4096;

    pub(crate) fn new(population: &'a Population<C>, workload: Workload, thread: u64) -> Self {
        Self { population, workload, random: Xorshift::new(thread), own: Vec::new() }
    }

    /// The most operations between [`prepare`](Self::prepare) and [`tidy`](Self::tidy).
    pub(crate) fn round(&self) -> u64 {
        match self.workload {
            Workload::Create => Self::CREATED,
            Workload::Get | Workload::Mix => u64::MAX,
        }
    }

    /// What has to be there before a round.
    pub(crate) fn prepare(&mut self) {
        match self.workload {
            Workload::Create => self.own.reserve(Self::CREATED as usize),
            Workload::Get => {}
            Workload::Mix => self.create(Self::OWN as u64),
        }
    }

    /// The measured part of a round.
    pub(crate) fn work(&mut self, operations: u64) {
        match self.workload {
            Workload::Create => self.create(operations),
            Workload::Get => self.get(operations),
            Workload::Mix => self.mix(operations),
        }
    }

    /// Leaves the population as it was before the round.
    pub(crate) fn tidy(&mut self) {
        for id in self.own.drain(..) {
            assert!(self.population.store.delete(&id), "a created session was lost");
        }
    }

    fn create(&mut self, operations: u64) {
        let store = &self.population.store;
        self.own.extend((0..operations).map(|_| store.create(black_box(&ATTRIBUTES))));
    }

    fn get(&mut self, operations: u64) {
        for _ in 0..operations {
            let id = self.population.pick(self.random.next());
            get_one(&self.population.store, id);
        }
    }

    fn mix(&mut self, operations: u64) {
        let Population { store, .. } = self.population;
        let mut oldest = 0;
        for turn in 0..operations {
            let id = self.population.pick(self.random.next());
            match scale(self.random.next(), 100) {
                0..90 => get_one(store, id),
                90..95 => {
                    let value = WRITTEN_VALUES[turn as usize % WRITTEN_VALUES.len()];
                    assert!(store.set(id, black_box(WRITTEN_KEY), black_box(value)), "a session was lost");
                }
                _ => {
                    let old = mem::replace(&mut self.own[oldest], store.create(black_box(&ATTRIBUTES)));
                    assert!(store.delete(&old), "a created session was lost");
                    oldest = (oldest + 1) % Self::OWN;
                }
            }
        }
    }
}

fn get_one<C: Contender>(store: &C, id: &C::Id) {
    let value = store.get(black_box(id), black_box(READ_KEY));
    black_box(value.expect("a session was lost"));
}

/// Spreads `random` evenly over `0..bound`, without a division.
fn scale(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

/// Marsaglia's xorshift: a few cycles, so that the choice of a session costs next to nothing.
struct Xorshift(u64);

impl Xorshift {
    /// A sequence of its own for every thread.
    fn new(thread: u64) -> Self {
        Self((thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
