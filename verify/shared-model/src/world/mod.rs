//! All of the model, and the actions that lead from one state to the next.

mod promises;
mod reader;
mod tasks;
mod wire;

use self::promises::{Past, Violation};
use self::wire::{Line, Link, NOBODY, Push, Sent};
use crate::engine::{Engine, Request};
use crate::node::{Node, Step};
use crate::rules::Rule;
use crate::scenario::{Op, Setup};
use crate::{Key, STALENESS, Time};

/// How much is left of what a scenario allows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Left {
    ticks: u8,
    pings: u8,
    cuts: u8,
    evictions: u8,
    flushes: u8,
    losses: u8,
    timeouts: u8,
    refusals: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) engine: Engine,
    pub(crate) links: [Link; 2],
    pub(crate) nodes: [Node; 2],
    pub(crate) past: Past,
    left: Left,
}

/// One step. The numbers are those of a node, and of a task of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Tick,
    Execute(usize),
    ExecuteStraggler(usize),
    Refuse(usize),
    Deliver(usize),
    /// The node gets round to an invalidation that its reader has left.
    ObeyLate(usize),
    Ping(usize),
    /// The answer to a ping comes by another connection.
    PongElsewhere(usize),
    Step(usize, usize),
    GiveUp(usize, usize),
    Cut(usize),
    Notice(usize),
    Reconnect(usize),
    EvictTracked(Key),
    LoseAllKeys,
    LoseGeneration,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let scenario = setup.scenario;
        Self {
            now: 0,
            engine: Engine::new(setup),
            links: [Link::new(setup), Link::new(setup)],
            nodes: [Node::new(scenario.nodes[0].len()), Node::new(scenario.nodes[1].len())],
            past: Past::NOTHING,
            left: Left {
                ticks: scenario.ticks,
                pings: scenario.pings,
                cuts: scenario.cuts,
                evictions: scenario.evictions,
                flushes: scenario.flushes,
                losses: scenario.losses,
                timeouts: scenario.timeouts,
                refusals: scenario.refusals,
            },
        }
    }

    /// Returns the operation that a task is at, unless it has done them all.
    pub(crate) fn operation(&self, node: usize, task: usize, setup: Setup) -> Option<Op> {
        setup.scenario.nodes[node][task].get(self.nodes[node].tasks[task].at as usize).copied()
    }

    /// Returns the actions that are possible.
    pub(crate) fn actions(&self, setup: Setup) -> Vec<Action> {
        let mut actions = Vec::new();
        for node in 0..2 {
            self.actions_of_node(node, setup, &mut actions);
        }
        let left = &self.left;
        let mut may = |possible: bool, action| {
            if possible {
                actions.push(action)
            }
        };
        let reads = (0..2).any(|node| self.reads_left(node, setup));
        may(left.ticks > 0 && (reads || setup.scenario.deadline < Time::MAX), Action::Tick);
        for key in Key::ALL {
            may(left.evictions > 0 && reads && self.engine.tracked[key as usize] != 0, Action::EvictTracked(key));
        }
        may(left.flushes > 0, Action::LoseAllKeys);
        may(left.losses > 0, Action::LoseGeneration);
        actions
    }

    fn actions_of_node(&self, node: usize, setup: Setup, actions: &mut Vec<Action>) {
        let (link, this, left) = (&self.links[node], &self.nodes[node], &self.left);
        for (number, task) in this.tasks.iter().enumerate() {
            let Some(operation) = self.operation(node, number, setup) else { continue };
            match task.step {
                // Only reads have somebody who may join, and only fetches are sure to end by a cut.
                Step::Waiting { .. } if left.timeouts > 0 && !matches!(operation, Op::Read(_)) => {
                    actions.push(Action::GiveUp(node, number));
                }
                Step::Waiting { .. } | Step::Joined => {}
                _ => actions.push(Action::Step(node, number)),
            }
        }
        let mut may = |possible: bool, action| {
            if possible {
                actions.push(action)
            }
        };
        may(
            self.reads_left(node, setup) && left.pings > 0 && this.ping.is_none() && link.line == Line::Up,
            Action::Ping(node),
        );
        may(this.ping.is_some() && setup.breaks(Rule::PingElsewhere), Action::PongElsewhere(node));
        may(!this.late.is_empty(), Action::ObeyLate(node));
        may(!link.to_engine.is_empty(), Action::Execute(node));
        let logout = link.to_engine.first().is_some_and(|sent| matches!(sent.request, Request::Delete(_)));
        may(logout && left.refusals > 0, Action::Refuse(node));
        may(!link.to_node.is_empty(), Action::Deliver(node));
        may(!link.stragglers.is_empty(), Action::ExecuteStraggler(node));
        may(left.cuts > 0 && link.line == Line::Up, Action::Cut(node));
        may(link.line == Line::Cut, Action::Notice(node));
        may(link.line == Line::Down, Action::Reconnect(node));
    }

    /// Whether a node will read, or is reading.
    fn reads_left(&self, node: usize, setup: Setup) -> bool {
        self.nodes[node]
            .tasks
            .iter()
            .zip(setup.scenario.nodes[node])
            .any(|(task, program)| program.iter().skip(task.at as usize).any(|op| matches!(op, Op::Read(_))))
    }

    /// Takes a step.
    pub(crate) fn apply(&mut self, action: Action, setup: Setup) -> Result<(), Violation> {
        self.act(action, setup)?;
        self.forget(setup);
        Ok(())
    }

    /// Makes states equal that differ in nothing that matters: what nobody will read, and how long ago is long ago.
    fn forget(&mut self, setup: Setup) {
        for node in 0..2 {
            let now = self.now;
            let this = &mut self.nodes[node];
            this.fresh = this.fresh.filter(|&sent| now - sent <= STALENESS);
            for (task, program) in this.tasks.iter_mut().zip(setup.scenario.nodes[node]) {
                task.read = task.read.filter(|_| (task.at as usize) < program.len());
            }
            if !self.reads_left(node, setup) {
                self.nodes[node].stop_reading();
                self.links[node].to_node.retain(|push| matches!(push, Push::Answer { .. }));
                self.links[node].to_engine.retain(|sent| !matches!(sent.request, Request::Ping));
                self.engine.tracked.iter_mut().for_each(|tracked| *tracked &= !(1 << node));
            }
        }
        self.past.forget(self.now);
    }

    fn act(&mut self, action: Action, setup: Setup) -> Result<(), Violation> {
        match action {
            Action::Tick => {
                self.left.ticks -= 1;
                self.now += 1;
                return self.check_deadline(setup);
            }
            Action::Execute(node) => return self.execute(node, setup),
            Action::ExecuteStraggler(node) => return self.execute_straggler(node, setup),
            Action::Step(node, task) => return self.step(node, task, setup),
            Action::Refuse(node) => {
                self.left.refusals -= 1;
                self.refuse(node);
            }
            Action::Deliver(node) => self.deliver(node, setup),
            Action::ObeyLate(node) => {
                let key = self.nodes[node].late.remove(0);
                self.obey(node, key, setup);
            }
            Action::Ping(node) => self.ping(node, setup),
            Action::PongElsewhere(node) => self.answered_ping(node, setup),
            Action::GiveUp(node, task) => {
                self.left.timeouts -= 1;
                self.fail(node, task, setup);
            }
            Action::Cut(node) => {
                self.left.cuts -= 1;
                self.cut(node);
            }
            Action::Notice(node) => self.notice(node, setup),
            Action::Reconnect(node) => self.reconnect(node, setup),
            Action::EvictTracked(key) => {
                self.left.evictions -= 1;
                self.invalidate(key.bit(), None);
            }
            Action::LoseAllKeys => {
                self.left.flushes -= 1;
                self.lose_all_keys(setup);
            }
            Action::LoseGeneration => {
                self.left.losses -= 1;
                self.engine.generation = None;
                self.invalidate(Key::Principal.bit(), None);
            }
        }
        Ok(())
    }

    fn ping(&mut self, node: usize, setup: Setup) {
        self.left.pings -= 1;
        let this = &mut self.nodes[node];
        this.ping = Some(self.now);
        if setup.breaks(Rule::UnansweredPingCounts) {
            this.fresh = this.ping;
        }
        if !setup.breaks(Rule::PingElsewhere) {
            self.send(node, Sent { request: Request::Ping, task: NOBODY, at: 0 });
        }
    }

    fn lose_all_keys(&mut self, setup: Setup) {
        let stood = self.standing(setup);
        self.engine.sessions = [None; 2];
        self.engine.generation = None;
        self.engine.tracked = [0; 3];
        for link in self.links.iter_mut().filter(|link| link.line == Line::Up) {
            link.to_node.push(Push::InvalidateAll);
        }
        self.emptied(stood);
    }
}
