//! The connections: each has two queues, keeps their order, may delay anything, and may be cut.

use super::World;
use super::promises::Violation;
use crate::Key;
use crate::engine::{Answer, Request};
use crate::node::Step;
use crate::rules::Rule;
use crate::scenario::Setup;

/// The task of a request that no task waits for.
pub(crate) const NOBODY: u8 = u8::MAX;

/// A request on its way, with the task and the operation that wait for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) task: u8,
    pub(crate) at: u8,
}

/// What the engine sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Push {
    Invalidate(Key),
    InvalidateAll,
    Pong,
    Answer { to: Sent, answer: Answer },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Line {
    Up,
    /// Nothing arrives any more, and the node does not know.
    Cut,
    /// The node knows.
    Down,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Link {
    pub(crate) line: Line,
    /// Whether the engine tracks what is read on it.
    tracking: bool,
    pub(crate) to_engine: Vec<Sent>,
    pub(crate) to_node: Vec<Push>,
    /// Requests of connections that are gone, which may still be executed.
    pub(crate) stragglers: Vec<Request>,
}

impl Link {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            line: Line::Up,
            tracking: !setup.breaks(Rule::TrackingAfterTheFirstFetch),
            to_engine: Vec::new(),
            to_node: Vec::new(),
            stragglers: Vec::new(),
        }
    }
}

impl World {
    /// A node sends a request. On a line that is cut it is lost.
    pub(crate) fn send(&mut self, node: usize, sent: Sent) {
        if self.links[node].line == Line::Up {
            self.links[node].to_engine.push(sent);
        }
    }

    /// The engine executes the first request of a connection.
    pub(crate) fn execute(&mut self, node: usize, setup: Setup) -> Result<(), Violation> {
        let sent = self.links[node].to_engine.remove(0);
        let stood = self.standing(setup);
        let tracked = self.links[node].tracking.then_some(node);
        let executed = self.engine.execute(sent.request, tracked, self.now, setup);
        // Invalidations of the connection's own writes come behind the answer.
        let own = self.invalidate(executed.written, Some(node));
        let link = &mut self.links[node];
        match sent.request {
            Request::Track => link.tracking = true,
            Request::Ping => link.to_node.push(Push::Pong),
            _ => link.to_node.push(Push::Answer { to: sent, answer: executed.answer }),
        }
        if !setup.breaks(Rule::NoLoop) {
            link.to_node.extend(own);
        }
        self.executed(stood, &executed, setup)
    }

    /// The engine answers the first request of a connection with an error.
    pub(crate) fn refuse(&mut self, node: usize) {
        let link = &mut self.links[node];
        let to = link.to_engine.remove(0);
        link.to_node.push(Push::Answer { to, answer: Answer::Refused });
    }

    /// The engine executes a request of a connection that is gone.
    pub(crate) fn execute_straggler(&mut self, node: usize, setup: Setup) -> Result<(), Violation> {
        let request = self.links[node].stragglers.remove(0);
        let stood = self.standing(setup);
        let executed = self.engine.execute(request, None, self.now, setup);
        self.invalidate(executed.written, None);
        self.executed(stood, &executed, setup)
    }

    /// Sends the invalidations of keys, and returns those for the connection that has written them.
    pub(crate) fn invalidate(&mut self, keys: u8, writer: Option<usize>) -> Vec<Push> {
        let mut own = Vec::new();
        for key in Key::ALL.into_iter().filter(|key| keys & key.bit() != 0) {
            let readers = core::mem::take(&mut self.engine.tracked[key as usize]);
            for (node, link) in self.links.iter_mut().enumerate().filter(|(node, _)| readers & 1 << node != 0) {
                let queue = if writer == Some(node) { &mut own } else { &mut link.to_node };
                queue.push(Push::Invalidate(key));
            }
        }
        own
    }

    /// The reader of a node takes the next thing from its connection.
    pub(crate) fn deliver(&mut self, node: usize, setup: Setup) {
        match self.links[node].to_node.remove(0) {
            Push::Invalidate(key) if setup.breaks(Rule::InvalidationHandledLate) => self.nodes[node].late.push(key),
            Push::Invalidate(key) => self.obey(node, key, setup),
            Push::InvalidateAll if setup.breaks(Rule::FlushOfTheEngineIgnored) => {}
            Push::InvalidateAll => {
                self.nodes[node].near.kill_all(true);
                self.forget_unproven(node);
            }
            Push::Pong => self.answered_ping(node, setup),
            Push::Answer { answer: Answer::Generation(generation), .. } => self.proved(node, generation, setup),
            Push::Answer { to, answer } if to.task == NOBODY => self.confirmed(node, to.request, answer),
            Push::Answer { to, answer } => self.hand_over(node, to, answer, setup),
        }
    }

    /// The reader has met an invalidation.
    pub(crate) fn obey(&mut self, node: usize, key: Key, setup: Setup) {
        if setup.by_reader() {
            return self.news(node, key, setup);
        }
        let near = &mut self.nodes[node].near;
        match key {
            Key::Principal => near.kill_all(!setup.breaks(Rule::ReservationSurvivesRevocation)),
            _ => near.kill(key, !setup.breaks(Rule::ReservationSurvivesInvalidation)),
        }
    }

    pub(crate) fn answered_ping(&mut self, node: usize, setup: Setup) {
        let now = self.now;
        let node = &mut self.nodes[node];
        if let Some(sent) = node.ping.take() {
            node.fresh = Some(if setup.breaks(Rule::AgeFromTheAnswer) { now } else { sent });
        }
    }

    /// Gives an answer to the task that waits for it, and to one that has joined it.
    fn hand_over(&mut self, node: usize, to: Sent, answer: Answer, setup: Setup) {
        let waits = &self.nodes[node].tasks[to.task as usize];
        if let (true, Step::Waiting { sent, .. }, true) = (waits.at == to.at, waits.step, setup.by_reader()) {
            let number = self.number(node, to.task as usize);
            let operation = self.operation(node, to.task as usize, setup);
            operation.inspect(|&operation| self.use_at_once(node, operation, number, sent, answer, setup));
        }
        let tasks = &mut self.nodes[node].tasks;
        let task = &mut tasks[to.task as usize];
        let (true, Step::Waiting { reserved, sent }) = (task.at == to.at, task.step) else { return };
        task.step = Step::Answered { reserved, joined: false, sent, answer };
        for other in tasks.iter_mut().filter(|other| other.step == Step::Joined) {
            other.step = Step::Answered { reserved: false, joined: true, sent, answer };
        }
    }

    /// The background retry of a logout was answered.
    fn confirmed(&mut self, node: usize, request: Request, answer: Answer) {
        if let (Request::Delete(key), Answer::Done(_)) = (request, answer) {
            self.nodes[node].near.kill(key, true);
            self.nodes[node].near.lift_bar(key);
            self.nodes[node].unconfirmed &= !key.bit();
        }
    }

    /// The connection breaks: what comes from the engine is lost, what goes there may arrive.
    pub(crate) fn cut(&mut self, node: usize) {
        let link = &mut self.links[node];
        link.line = Line::Cut;
        link.to_node.clear();
        let stragglers = link.to_engine.drain(..).map(|sent| sent.request);
        link.stragglers.extend(
            stragglers.filter(|request| !matches!(request, Request::Ping | Request::Fetch(_) | Request::Generation)),
        );
        for tracked in &mut self.engine.tracked {
            *tracked &= !(1 << node);
        }
    }

    /// The node makes a new connection.
    pub(crate) fn reconnect(&mut self, node: usize, setup: Setup) {
        let link = &mut self.links[node];
        link.line = Line::Up;
        link.tracking = false;
        let late = setup.breaks(Rule::TrackingAfterTheFirstFetch);
        if !late {
            self.send(node, Sent { request: Request::Track, task: NOBODY, at: 0 });
        }
        let this = &mut self.nodes[node];
        this.tracking_sent = !late;
        this.fresh = None;
        if !setup.breaks(Rule::NoFlushAfterReconnect) {
            this.near.kill_all(!setup.breaks(Rule::ReservationSurvivesReconnect));
        }
        let unconfirmed = this.unconfirmed;
        self.forget_unproven(node);
        for key in Key::SESSIONS.into_iter().filter(|key| unconfirmed & key.bit() != 0) {
            if setup.breaks(Rule::FlushLiftsBars) {
                self.nodes[node].near.lift_bar(key);
            }
            self.send(node, Sent { request: Request::Delete(key), task: NOBODY, at: 0 });
        }
    }
}
