//! Leads the workers from wave to wave, and checks the store when all are at rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cloakroom::Sweeper;

use crate::hall::{Dice, Hall, MAX_SESSIONS, Plan, lock};
use crate::memory::Memory;
use crate::tally::{Invariant, Kind, Tally};

const SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// How far apart the allocated bytes may be from one bottom to the next: some hundred sessions are left there, in
/// arrays that may have up to eight times as many slots as they need.
const BAND: usize = 128 * 1024;

pub(crate) struct Waves<'a> {
    hall: &'a Hall,
    dice: Dice,
    sweeper: Option<Sweeper>,
    pub(crate) tally: Tally,
    /// The largest population at a quiet point.
    pub(crate) highest: usize,
    /// Memory at the first bottom and at the last.
    pub(crate) first: Option<Memory>,
    pub(crate) last: Memory,
    /// The least and the most bytes at any bottom.
    pub(crate) band: (usize, usize),
}

impl<'a> Waves<'a> {
    /// Makes waves until the time is over, one at least.
    pub(crate) fn lead(hall: &'a Hall, time: Duration, seed: u64) -> Self {
        let mut waves = Self {
            hall,
            dice: Dice::new(seed, hall.workers),
            sweeper: None,
            tally: Tally::default(),
            highest: 0,
            first: None,
            last: Memory::default(),
            band: (usize::MAX, 0),
        };
        let start = Instant::now();
        loop {
            let plan = waves.plan();
            waves.begin(Some(plan));
            waves.rest(false);
            waves.go_on();
            waves.rest(true);
            hall.waves.fetch_add(1, Ordering::Relaxed);
            if start.elapsed() >= time {
                break;
            }
        }
        waves.begin(None);
        waves
    }

    /// Of all heights, now and then higher than there is room for; deleted, left to expire, or half and half.
    fn plan(&mut self) -> Plan {
        let height = MAX_SESSIONS / 4 + self.dice.below(MAX_SESSIONS);
        Plan { rise_to: height / self.hall.workers, deleted: [0, 50, 100][self.dice.below(3)] }
    }

    fn begin(&mut self, plan: Option<Plan>) {
        *lock(&self.hall.plan) = plan;
        if plan.is_some() {
            self.start_time();
        }
        self.hall.barrier.wait();
    }

    fn go_on(&mut self) {
        self.start_time();
        self.hall.barrier.wait();
    }

    fn start_time(&mut self) {
        self.sweeper =
            Some(Sweeper::start(Arc::clone(&self.hall.store), SWEEP_INTERVAL).expect("a thread for the sweeper"));
        self.hall.pace.run(true);
    }

    /// The other side of the workers' rest. Returns while they wait to go on.
    fn rest(&mut self, bottom: bool) {
        let hall = self.hall;
        hall.barrier.wait();
        hall.pace.run(false);
        drop(self.sweeper.take());
        hall.store.evict_expired();
        self.check_time_stands();
        hall.census.store(0, Ordering::Relaxed);
        hall.ready.store(0, Ordering::Relaxed);
        hall.barrier.wait();
        // Here the workers take their census.
        hall.barrier.wait();
        self.check_count();
        if bottom {
            hall.store.evict_expired();
            hall.store.flush();
            self.check_memory();
            hall.barrier.wait();
        }
    }

    /// What was evicted once is not to be evicted twice.
    fn check_time_stands(&mut self) {
        let again = self.hall.store.evict_expired();
        self.tally.check(Invariant::Expiry, again == 0, || format!("{again} expired sessions were left by a sweep"));
    }

    fn check_count(&mut self) {
        let store = &self.hall.store;
        let exists = |place| self.hall.guest(place).is_some_and(|guest| store.exists(&guest.id));
        let guests = (0..self.hall.lobby.len()).filter(|place| exists(*place)).count();
        let hot = usize::from(store.exists(&self.hall.hot));
        let known = self.hall.census.load(Ordering::Relaxed) + guests + hot;
        let count = self.tally.time(Kind::Count, || store.count());
        self.tally.check(Invariant::Count, count == known, || format!("it is {count}, and {known} sessions exist"));
        self.highest = self.highest.max(count);
    }

    fn check_memory(&mut self) {
        self.last = Memory::now();
        self.first.get_or_insert(self.last);
        let (least, most) = (self.band.0.min(self.last.live), self.band.1.max(self.last.live));
        self.band = (least, most);
        self.tally.check(Invariant::Memory, most - least <= BAND, || {
            format!("{least} to {most} bytes are allocated at rest, further apart than {BAND} bytes")
        });
    }
}
