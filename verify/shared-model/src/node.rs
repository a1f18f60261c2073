//! A node: the state of its connection's reader, of its pings and of its tasks.

use crate::engine::Answer;
use crate::near::{Cached, Near, Unproven};
use crate::{Key, Time};

/// How far a task has come with its present operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// The operation has not begun.
    Ready,
    /// The near cache is fresh, and is about to be asked.
    LookUp,
    /// An entry was found, and the freshness is about to be looked at: the wrong order.
    LookedUp(Option<Cached>),
    /// The near cache does not have it.
    Reserve,
    /// The request is about to be sent, with or without a reservation.
    Send { reserved: bool },
    /// For the answer.
    Waiting { reserved: bool, sent: Time },
    /// For the answer to the fetch of the other task.
    Joined,
    /// The reader has handed over the answer.
    Answered { reserved: bool, joined: bool, sent: Time, answer: Answer },
}

/// The lowest version that an answer may show: `GONE` if the session has to be gone.
pub(crate) type Floor = u8;
pub(crate) const GONE: Floor = Floor::MAX;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Task {
    /// The index of the operation.
    pub(crate) at: u8,
    pub(crate) step: Step,
    /// The version that it has read last.
    pub(crate) read: Option<u8>,
    /// What the present read may return if it is answered by the near cache, and if by the engine.
    pub(crate) floor_of_hit: Floor,
    pub(crate) floor_of_fetch: Floor,
}

impl Task {
    pub(crate) const NEW: Self = Self { at: 0, step: Step::Ready, read: None, floor_of_hit: 0, floor_of_fetch: 0 };

    /// The operation has returned.
    pub(crate) fn next(&mut self) {
        *self = Self { at: self.at + 1, step: Step::Ready, read: self.read, floor_of_hit: 0, floor_of_fetch: 0 };
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Node {
    pub(crate) near: Near,
    /// When the last answered ping was sent.
    pub(crate) fresh: Option<Time>,
    /// When the ping was sent that is not answered.
    pub(crate) ping: Option<Time>,
    /// Invalidations that the reader has left for later, as it should not.
    pub(crate) late: Vec<Key>,
    pub(crate) tasks: Vec<Task>,
    /// Keys whose logout is not confirmed, as bits.
    pub(crate) unconfirmed: u8,
    /// For each key: what a read that begins now on this node may return at least.
    pub(crate) floor: [Floor; 2],
    /// What the reader has fetched, and does not know the generation of.
    pub(crate) unproven: [Option<Unproven>; 2],
    /// The generation, if the reader knows it and the engine tells of its changes.
    pub(crate) generation: Option<u8>,
    /// The fetches under way that have a reservation, as bits.
    pub(crate) reserved: u16,
    /// Whether tracking was asked for on this connection.
    pub(crate) tracking_sent: bool,
}

impl Node {
    pub(crate) fn new(tasks: usize) -> Self {
        Self {
            near: Near::EMPTY,
            fresh: Some(0),
            ping: None,
            late: Vec::new(),
            tasks: vec![Task::NEW; tasks],
            unconfirmed: 0,
            floor: [0; 2],
            unproven: [None; 2],
            generation: None,
            reserved: 0,
            tracking_sent: false,
        }
    }

    /// Forgets what matters to reads only. There will be none.
    pub(crate) fn stop_reading(&mut self) {
        self.near = Near::EMPTY;
        self.fresh = None;
        self.ping = None;
        self.late.clear();
        self.unproven = [None; 2];
        self.generation = None;
        self.reserved = 0;
        self.floor = [0; 2];
    }
}
