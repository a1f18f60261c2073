//! The steps of a node's operations.

use super::World;
use super::promises::Violation;
use super::wire::{Line, Sent};
use crate::engine::{Answer, Request};
use crate::near::{Cached, Slot};
use crate::node::{GONE, Step};
use crate::rules::Rule;
use crate::scenario::{Op, Setup};
use crate::{Key, STALENESS, Time};

impl World {
    /// A task takes a step.
    pub(crate) fn step(&mut self, node: usize, task: usize, setup: Setup) -> Result<(), Violation> {
        let operation = self.operation(node, task, setup).expect("a task that has ended takes no step");
        match operation {
            Op::Read(key) => self.step_of_read(node, task, key, setup),
            _ => {
                self.step_of_write(node, task, operation, setup);
                Ok(())
            }
        }
    }

    /// The number of a reservation: no other fetch of the node has it.
    pub(crate) fn number(&self, node: usize, task: usize) -> u8 {
        self.nodes[node].tasks[task].at * 4 + task as u8
    }

    fn is_fresh(&self, node: usize, setup: Setup) -> bool {
        let fresh = self.nodes[node].fresh.is_some_and(|sent| self.now - sent <= STALENESS);
        fresh || setup.breaks(Rule::HitWithoutFreshness)
    }

    fn step_of_read(&mut self, node: usize, task: usize, key: Key, setup: Setup) -> Result<(), Violation> {
        let found = self.nodes[node].near.value(key, self.now, setup);
        let fresh = self.is_fresh(node, setup);
        match self.nodes[node].tasks[task].step {
            Step::Ready => {
                let (of_hit, of_fetch) = self.floors(node, key, setup);
                let this = &mut self.nodes[node].tasks[task];
                (this.floor_of_hit, this.floor_of_fetch) = (of_hit, of_fetch);
                this.step = match fresh {
                    _ if setup.breaks(Rule::FreshnessAfterTheEntry) => Step::LookedUp(found),
                    true => Step::LookUp,
                    false => Step::Reserve,
                };
            }
            Step::LookUp => return self.hit(node, task, found),
            Step::LookedUp(found) => return self.hit(node, task, found.filter(|_| fresh)),
            Step::Reserve => self.reserve(node, task, key, setup),
            Step::Send { reserved } => self.send_fetch(node, task, key, reserved, setup),
            Step::Answered { reserved, joined, sent, answer } => {
                if reserved && !setup.by_reader() {
                    self.fill(node, task, key, sent, answer, setup);
                }
                return self.return_answer(node, task, joined, answer);
            }
            Step::Waiting { .. } | Step::Joined => unreachable!("the reader goes on"),
        }
        Ok(())
    }

    /// Returns what the near cache has, or goes on to the engine.
    fn hit(&mut self, node: usize, task: usize, found: Option<Cached>) -> Result<(), Violation> {
        let this = &mut self.nodes[node].tasks[task];
        match found {
            Some(cached) => {
                let floor = this.floor_of_hit;
                this.read = Some(cached.version);
                this.next();
                Self::check_read(Some(cached.version), floor, true)
            }
            None => {
                this.step = Step::Reserve;
                Ok(())
            }
        }
    }

    fn reserve(&mut self, node: usize, task: usize, key: Key, setup: Setup) {
        let number = self.number(node, task);
        let this = &mut self.nodes[node];
        // The fetch of another task, which this one may join.
        let oldest = if setup.breaks(Rule::OldFetchJoined) { Time::MAX } else { STALENESS };
        let other = this.tasks.iter().any(|other| match other.step {
            Step::Waiting { reserved: true, sent } => self.now - sent <= oldest,
            _ => false,
        });
        let without = setup.breaks(Rule::FilledWithoutReservation) || setup.breaks(Rule::ReservedAfterTheAnswer);
        let step = match this.near.slot(key) {
            // Refused, as an ended session is.
            Slot::Barred => return this.tasks[task].next(),
            Slot::Reserved(_) if other => Step::Joined,
            _ if without => Step::Send { reserved: true },
            _ => Step::Send { reserved: this.near.reserve(key, number) },
        };
        this.tasks[task].step = step;
    }

    fn send_fetch(&mut self, node: usize, task: usize, key: Key, reserved: bool, setup: Setup) {
        if self.links[node].line == Line::Down {
            return self.fail(node, task, setup);
        }
        let at = self.nodes[node].tasks[task].at;
        self.send(node, Sent { request: Request::Fetch(key), task: task as u8, at });
        if setup.breaks(Rule::TrackingAfterTheFirstFetch) && !self.nodes[node].tracking_sent {
            self.send(node, Sent { request: Request::Track, task: super::wire::NOBODY, at: 0 });
            self.nodes[node].tracking_sent = true;
        }
        let number = self.number(node, task);
        self.nodes[node].reserved |= u16::from(reserved && setup.by_reader()) << number;
        self.nodes[node].tasks[task].step = Step::Waiting { reserved, sent: self.now };
    }

    /// Fulfils the reservation of a fetch.
    fn fill(&mut self, node: usize, task: usize, key: Key, sent: Time, answer: Answer, setup: Setup) {
        let number = self.number(node, task);
        let this = &mut self.nodes[node];
        if setup.breaks(Rule::ReservedAfterTheAnswer) {
            this.near.reserve(key, number);
        }
        match answer {
            Answer::Fetched(Some((version, left, _))) => {
                let from = if setup.breaks(Rule::DeadlineFromTheAnswer) { self.now } else { sent };
                this.near.fulfil(key, number, Cached { version, until: from.saturating_add(left) }, setup);
            }
            _ => this.near.abandon(key, number),
        }
    }

    /// Returns what was fetched. A read that has joined the fetch of another one gets what a hit might show.
    fn return_answer(&mut self, node: usize, task: usize, joined: bool, answer: Answer) -> Result<(), Violation> {
        let Answer::Fetched(session) = answer else { unreachable!("a read fetches") };
        let task = &mut self.nodes[node].tasks[task];
        let floor = if joined { task.floor_of_hit } else { task.floor_of_fetch };
        task.read = session.map(|(version, ..)| version);
        let version = task.read;
        task.next();
        Self::check_read(version, floor, joined)
    }

    fn step_of_write(&mut self, node: usize, task: usize, operation: Op, setup: Setup) {
        let this = &mut self.nodes[node];
        match (this.tasks[task].step, operation) {
            (Step::Ready, Op::Delete(key)) => {
                if setup.breaks(Rule::DeletedOnceOnly) {
                    this.near.kill(key, true);
                } else {
                    this.near.bar(key);
                }
                this.tasks[task].step = Step::Send { reserved: false };
            }
            (Step::Ready | Step::Send { .. }, _) => self.send_write(node, task, operation, setup),
            (Step::Answered { answer, .. }, _) => self.answered(node, task, operation, answer, setup),
            (step, _) => unreachable!("a write is not at {step:?}"),
        }
    }

    fn send_write(&mut self, node: usize, task: usize, operation: Op, setup: Setup) {
        let this = &mut self.nodes[node].tasks[task];
        let request = match operation {
            Op::Delete(key) => Request::Delete(key),
            Op::Touch(key) => Request::Touch(key),
            Op::Create(key) => Request::Create(key),
            Op::EndAll => Request::EndAll,
            Op::Login => Request::Login,
            Op::Rotate if !setup.breaks(Rule::RotationInTwoCommands) => Request::Rotate,
            Op::Update(_) | Op::Rotate => match (this.read, operation) {
                // There was no session.
                (None, _) => return this.next(),
                (Some(version), Op::Rotate) => Request::Copy { version },
                (Some(version), Op::Update(key)) => Request::Update { key, expected: version },
                _ => unreachable!(),
            },
            Op::Read(_) => unreachable!("not a write"),
        };
        if self.links[node].line == Line::Down {
            return self.fail(node, task, setup);
        }
        let this = &mut self.nodes[node].tasks[task];
        let sent = Sent { request, task: task as u8, at: this.at };
        this.step = Step::Waiting { reserved: false, sent: self.now };
        self.send(node, sent);
        if let Request::Copy { .. } = request {
            self.send(node, Sent { request: Request::Delete(Key::Old), task: super::wire::NOBODY, at: 0 });
        }
    }

    /// A write returns.
    fn answered(&mut self, node: usize, task: usize, operation: Op, answer: Answer, setup: Setup) {
        // The reader has done it already.
        let by_reader = setup.by_reader();
        let this = &mut self.nodes[node];
        match (operation, answer) {
            (_, Answer::Refused) => return self.fail(node, task, setup),
            (Op::Delete(key), _) => {
                if !by_reader {
                    this.near.lift_bar(key);
                }
                self.ended_here(node, key);
            }
            (Op::EndAll, _) => {
                if !by_reader {
                    this.near.kill_all(true);
                }
                Key::SESSIONS.into_iter().for_each(|key| self.ended_here(node, key));
            }
            (Op::Rotate, Answer::Done(true)) => {
                if !by_reader {
                    this.near.kill(Key::Old, true);
                }
                self.ended_here(node, Key::Old);
            }
            (Op::Update(key), Answer::Written(Some(version))) => {
                if setup.breaks(Rule::OwnWriteFulfilled) {
                    this.near.put(key, Cached { version, until: Time::MAX });
                } else if !by_reader && !setup.breaks(Rule::OwnWriteNotKilled) {
                    this.near.kill(key, true);
                }
                let floor = &mut this.floor[key as usize];
                *floor = version.max(*floor);
                self.told_of_update(key, version);
            }
            _ => {}
        }
        self.nodes[node].tasks[task].next();
    }

    /// The callers on a node learn that the session of a key has ended, if it has.
    fn ended_here(&mut self, node: usize, key: Key) {
        self.told(key);
        if self.has_gone(key) {
            self.nodes[node].floor[key as usize] = GONE;
        }
    }

    /// The node learns that its connection is gone.
    pub(crate) fn notice(&mut self, node: usize, setup: Setup) {
        self.links[node].line = Line::Down;
        self.nodes[node].ping = None;
        self.forget_unproven(node);
        for task in 0..self.nodes[node].tasks.len() {
            if matches!(self.nodes[node].tasks[task].step, Step::Waiting { .. } | Step::Joined) {
                self.fail(node, task, setup);
            }
        }
    }

    /// An operation returns an error: its request cannot be sent, is refused, or is given up before its answer comes.
    pub(crate) fn fail(&mut self, node: usize, task: usize, setup: Setup) {
        let operation = self.operation(node, task, setup);
        let number = self.number(node, task);
        let this = &mut self.nodes[node];
        match operation {
            Some(Op::Read(key)) => {
                this.near.abandon(key, number);
                this.reserved &= !(1 << number);
            }
            Some(Op::Delete(key)) => {
                // Unconfirmed: retried on the next connection, and dead here.
                this.unconfirmed |= key.bit();
                this.floor[key as usize] = GONE;
                if setup.breaks(Rule::UnconfirmedNotBarred) {
                    this.near.lift_bar(key);
                }
            }
            Some(Op::Create(_)) if setup.breaks(Rule::CreationRetried) => {
                this.tasks[task].step = Step::Ready;
                return;
            }
            // Nobody knows the id, so nobody can use it.
            Some(Op::Create(_)) => this.tasks[task].at = u8::MAX - 1,
            _ => {}
        }
        self.nodes[node].tasks[task].next();
    }
}
