//! A thread that uses the store as a web server does, in waves, and checks every answer.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cloakroom::{Attributes, SessionId};

use crate::hall::{Dice, Guest, Hall, MAX_SESSIONS, Plan, counter, lock};
use crate::session::{Own, Tools};
use crate::tally::{Invariant, Kind, Tally};

/// Sessions of each worker that stay in use from the beginning to the end.
pub(crate) const KEPT: usize = 32;

/// How many steps a worker makes before it touches all that it keeps.
const BEAT: usize = 512;

/// For how long all use the store between rise and fall.
const PLATEAU: Duration = Duration::from_millis(200);

/// Refusals after which a wave has risen high enough.
const PATIENCE: u64 = 64;

pub(crate) struct Worker<'a> {
    hall: &'a Hall,
    number: usize,
    tools: Tools<'a>,
    steps: usize,
    kept: Vec<Own>,
    /// The sessions of the wave.
    own: Vec<Own>,
    /// Sessions that were in the lobby once, and that their users have left without logging out.
    left: Vec<SessionId>,
    /// The names of its counters in the hot session, and their value.
    counters: [String; 2],
    hits: u64,
    /// What it has last seen of everybody's counters.
    seen: Vec<u64>,
    now: Vec<u64>,
}

impl<'a> Worker<'a> {
    /// Goes along with every wave; returns what it has done.
    pub(crate) fn work(hall: &'a Hall, number: usize, seed: u64) -> Tally {
        let tools =
            Tools { store: &hall.store, clock: &hall.clock, dice: Dice::new(seed, number), tally: Tally::default() };
        let mut worker = Self {
            hall,
            number,
            tools,
            steps: 0,
            kept: Vec::with_capacity(KEPT),
            own: Vec::new(),
            left: Vec::new(),
            counters: [counter("a", number), counter("b", number)],
            hits: 0,
            seen: vec![0; 2 * hall.workers],
            now: Vec::with_capacity(2 * hall.workers),
        };
        for _ in 0..KEPT {
            let own = worker.tools.create().expect("there is room in an empty store");
            worker.kept.push(own);
        }
        worker.follow_the_plans();
        for mut own in std::mem::take(&mut worker.kept) {
            worker.tools.delete(&mut own);
        }
        worker.hall.store.flush();
        worker.tools.tally
    }

    fn follow_the_plans(&mut self) {
        loop {
            self.hall.barrier.wait();
            let Some(plan) = *lock(&self.hall.plan) else { return };
            self.rise(plan);
            self.stay();
            self.rest(false);
            self.fall(plan);
            self.rest(true);
        }
    }

    fn rise(&mut self, plan: Plan) {
        let enough = self.tools.tally.full + PATIENCE;
        while self.own.len() < plan.rise_to && self.tools.tally.full < enough {
            if self.tools.dice.below(4) == 0 {
                self.step();
                continue;
            }
            self.own.extend(self.tools.create());
            self.beat();
        }
        self.hall.ready.fetch_add(1, Ordering::Relaxed);
    }

    /// Until some time after the last has risen.
    fn stay(&mut self) {
        while !self.all_are_ready() {
            (0..64).for_each(|_| self.step());
        }
        let start = Instant::now();
        while start.elapsed() < PLATEAU {
            (0..64).for_each(|_| self.step());
        }
    }

    fn all_are_ready(&self) -> bool {
        self.hall.ready.load(Ordering::Relaxed) == self.hall.workers
    }

    /// Deletes some, and lets the others expire.
    fn fall(&mut self, plan: Plan) {
        let remaining = self.own.len() * (100 - plan.deleted) / 100;
        while self.own.len() > remaining {
            let chosen = self.tools.dice.below(self.own.len());
            let mut own = self.own.swap_remove(chosen);
            self.tools.delete(&mut own);
            self.hall.remove(own.id, &mut self.tools.dice);
            self.beat();
            if self.steps.is_multiple_of(4) {
                self.step_elsewhere();
            }
        }
        let is_over = |worker: &Self| worker.own.iter().all(|own| own.is_over(worker.tools.clock.milliseconds()));
        while !is_over(self) {
            (0..BEAT).for_each(|_| self.step_elsewhere());
        }
        self.hall.ready.fetch_add(1, Ordering::Relaxed);
        // The clock runs for as long as all are at work, and others may have to wait for it still.
        while !self.all_are_ready() {
            (0..BEAT).for_each(|_| self.step_elsewhere());
        }
    }

    /// A quiet point: all stop, and then say how many sessions they know of. At the `bottom` of a wave nothing of it is
    /// left.
    fn rest(&mut self, bottom: bool) {
        self.hall.barrier.wait();
        // Here the clock is stopped and what has expired is evicted.
        self.hall.barrier.wait();
        self.forget_what_is_gone();
        let (left, tools) = (&mut self.left, &mut self.tools);
        if bottom {
            left.drain(..).for_each(|id| _ = tools.delete_any(&id));
        } else {
            let store = tools.store;
            left.retain(|id| tools.tally.time(Kind::Exists, || store.exists(id)));
        }
        self.own.shrink_to_fit();
        self.left.shrink_to_fit();
        self.keep();
        let known = self.own.len() + self.left.len() + self.kept.len();
        self.hall.census.fetch_add(known, Ordering::Relaxed);
        self.hall.store.flush();
        self.hall.barrier.wait();
        // Here the count is compared with the census.
        self.hall.barrier.wait();
    }

    fn forget_what_is_gone(&mut self) {
        let (hall, tools) = (self.hall, &mut self.tools);
        self.own.retain_mut(|own| {
            let exists = tools.exists(own);
            if !exists {
                hall.remove(own.id, &mut tools.dice);
            }
            exists
        });
    }

    /// One operation or two on whatever session.
    fn step(&mut self) {
        if self.own.is_empty() || self.tools.dice.below(100) < 40 {
            return self.step_elsewhere();
        }
        self.beat();
        let chosen = self.tools.dice.below(self.own.len());
        if !self.tools.use_own(&mut self.own[chosen]) {
            let gone = self.own.swap_remove(chosen);
            self.hall.remove(gone.id, &mut self.tools.dice);
        }
    }

    /// The same, but not on the wave's own sessions.
    fn step_elsewhere(&mut self) {
        self.beat();
        match self.tools.dice.below(100) {
            0..40 => self.use_guest(),
            40..55 => self.read_hot(),
            55..62 => self.set_hot(),
            62..80 => self.log_in(),
            80..88 => self.use_kept(),
            88..94 => self.visit_grave(),
            _ => self.count(),
        }
    }

    /// Now and then touches everything that it keeps.
    fn beat(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(BEAT) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        let time = self.tools.clock.milliseconds();
        let mut lost = 0;
        for own in &mut self.kept {
            lost += usize::from(!self.tools.get(own));
        }
        self.tools.tally.check(Invariant::Kept, lost == 0, || format!("{lost} of {KEPT} sessions are lost"));
        let (store, hot, key) = (self.tools.store, self.hall.hot, &self.counters[1]);
        let hits = self.tools.tally.time(Kind::Get, || store.get(&hot, key));
        let right = hits.as_ref().and_then(|hits| hits.parse().ok()) == Some(self.hits);
        self.tools.tally.check(Invariant::Updates, right, || format!("a counter set to {} is {hits:?}", self.hits));
        self.hall.pace.all_touched(self.number, time);
        self.hall.operations[self.number].store(self.tools.tally.all_operations(), Ordering::Relaxed);
    }

    fn use_kept(&mut self) {
        let chosen = self.tools.dice.below(KEPT);
        let found = self.tools.use_own(&mut self.kept[chosen]);
        self.tools.tally.check(Invariant::Kept, found, || "a session in use was not found".to_owned());
    }

    fn set_hot(&mut self) {
        self.hits += 1;
        let (store, hot, value) = (self.tools.store, self.hall.hot, self.hits.to_string());
        for key in &self.counters {
            let set = self.tools.tally.time(Kind::Set, || store.set(&hot, key, &value));
            self.tools
                .tally
                .check(Invariant::Kept, set.is_ok(), || format!("set on the session that all use: {set:?}"));
        }
    }

    /// Everybody's counters: the second of each follows the first, none goes back, and its own are what it has set.
    fn read_hot(&mut self) {
        let (store, hot, now) = (self.tools.store, self.hall.hot, &mut self.now);
        now.clear();
        let numbers =
            |attributes: &Attributes| now.extend(attributes.iter().filter_map(|(_, text)| text.parse::<u64>().ok()));
        let tally = &mut self.tools.tally;
        let found = tally.time(Kind::Read, || store.read(&hot, numbers)).is_some();
        tally.check(Invariant::Kept, found, || "the session that all use was not found".to_owned());
        let (now, seen) = (&self.now, &mut self.seen);
        let in_step = now.chunks(2).all(|pair| pair[0] == pair[1] || pair[0] == pair[1] + 1);
        let newer = now.len() == seen.len() && now.iter().zip(&*seen).all(|(now, seen)| now >= seen);
        tally.check(Invariant::Versions, in_step && newer, || format!("counters {now:?} after {seen:?}"));
        let own = &now[2 * self.number..][..2];
        tally.check(Invariant::Updates, own == [self.hits; 2], || format!("counters set to {} are {own:?}", self.hits));
        seen.clone_from(now);
    }

    /// A new guest takes the place of another, who has logged out or just left.
    fn log_in(&mut self) {
        let (store, user) = (self.tools.store, self.tools.dice.next());
        let created = self.tools.tally.time(Kind::Create, || store.create_with([("user", user.to_string())]));
        let Some(id) = self.tools.created(created) else { return };
        let place = self.tools.dice.below(self.hall.lobby.len());
        match self.hall.seat(place, Some(Guest { id, user })) {
            Some(before) if self.tools.dice.below(4) > 0 => {
                self.tools.delete_any(&before.id);
                self.hall.remove(before.id, &mut self.tools.dice);
            }
            before => self.left.extend(before.map(|guest| guest.id)),
        }
    }

    /// Uses a session that others use, delete and replace at the same time.
    fn use_guest(&mut self) {
        let place = self.tools.dice.below(self.hall.lobby.len());
        let Some(Guest { id, user }) = self.hall.guest(place) else { return };
        let store = self.tools.store;
        let kind = self.tools.dice.below(100);
        let tally = &mut self.tools.tally;
        let found = match kind {
            0..40 => {
                let is_user =
                    |attributes: &Attributes| attributes.get("user").and_then(|text| text.parse().ok()) == Some(user);
                let right = tally.time(Kind::Read, || store.read(&id, is_user));
                tally.check(Invariant::Versions, right != Some(false), || "a session shows another user".to_owned());
                right.is_some()
            }
            40..75 => {
                let seen = tally.time(Kind::Get, || store.get(&id, "user"));
                let right = seen.as_ref().is_none_or(|text| text.parse() == Ok(user));
                tally.check(Invariant::Versions, right, || "a session has another user".to_owned());
                seen.is_some()
            }
            75..90 => tally.time(Kind::Set, || store.set(&id, "page", &kind.to_string())).is_ok(),
            90..97 => tally.time(Kind::Exists, || store.exists(&id)),
            _ => {
                self.tools.delete_any(&id);
                false
            }
        };
        if !found {
            self.hall.remove(id, &mut self.tools.dice);
        }
    }

    fn visit_grave(&mut self) {
        if let Some(id) = self.hall.grave(&mut self.tools.dice) {
            self.tools.check_gone(&id);
        }
    }

    fn count(&mut self) {
        let store = self.tools.store;
        let count = self.tools.tally.time(Kind::Count, || store.count());
        self.tools.tally.check(Invariant::Limit, count <= MAX_SESSIONS, || format!("{count} of {MAX_SESSIONS}"));
    }
}
