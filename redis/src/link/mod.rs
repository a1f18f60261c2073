//! The link to the engine: a thread of its own with one connection.
//!
//! It answers requests, keeps the near cache true, and asks the engine five times in each bound of staleness whether it
//! is there.
//!
//! | file | |
//! |---|---|
//! | `mod` | the requests, and the handle to which threads send them |
//! | `engine`, `socket`, `tls` | making a connection |
//! | `pump` | the thread: reads, writes, reconnects |
//! | `keeper` | what is under way, and what becomes of it when the connection is lost |
//! | `replies` | what becomes of replies and of news of changes |
//! | `job` | one command and what its reply is for |
//! | `ends` | ends of sessions, until they are confirmed and for a minute more |
//! | `index` | which sessions are near |
//!
//! # Order
//!
//! One thread handles everything that the engine sends, in the order in which it was sent. Nothing else changes the
//! near cache, except deletions. A reply is used where it stands among the news of changes: what arrives behind it is
//! newer, what arrived before it is older. So a reply that arrives late is still put into the near cache in time.
//!
//! (A client whose replies are handed to the tasks that wait for them has the order of news only: between the arrival
//! of a reply and its use by the task, any number of changes may have been told. That is why this crate reads the
//! connection itself.)

mod ends;
mod engine;
mod index;
mod job;
mod keeper;
mod pump;
mod replies;
mod socket;
mod tls;

pub(crate) use job::Command;
pub(crate) use pump::start;
pub(crate) use replies::check;

use crate::address::Address;
use crate::error::SharedError;
use crate::names::Hash;
use crate::near::{Held, Micros};
use crate::options::Certificates;
use crate::resp::Value;
use cloakroom::SessionId;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

pub(crate) type Answer<R> = Result<R, SharedError>;

/// What threads ask of the link.
pub(crate) enum Request<O> {
    /// A session. `fresh`: by a command that is sent from now on.
    Fetch { id: SessionId, touch: bool, fresh: bool, to: oneshot::Sender<Answer<Arc<Held<O>>>> },
    /// A session was used.
    Touch(SessionId),
    /// Any command. `ends`: its reply makes what is near of this session out of date.
    Call { command: Command, ends: Option<SessionId>, reads: bool, to: oneshot::Sender<Answer<Vec<Value>>> },
    /// The end of a session. `owner`: if it belongs to this principal.
    End { hash: Hash, id: Option<SessionId>, owner: Option<Hash>, remember: u64, to: oneshot::Sender<Answer<bool>> },
    /// The end of all sessions of a principal, except for `keep`.
    EndAll { owner: Hash, name: [u8; 16], keep: Option<Hash>, to: oneshot::Sender<Answer<u64>> },
}

/// How the link works.
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) certificates: Certificates,
    pub(crate) prefix: Vec<u8>,
    /// Whether there is a near cache.
    pub(crate) near: bool,
    pub(crate) staleness: Duration,
    /// For how long hits are served without a sign of the engine: the bound, or longer if that is allowed.
    pub(crate) serve_for: Duration,
    pub(crate) command_timeout: Duration,
    /// How many replicas have to have an end, and for how many milliseconds they are waited for.
    pub(crate) replicas: Option<(u32, u64)>,
}

impl Settings {
    /// The bound by the coarse clock, whose readings are up to one step late.
    fn serve_micros(&self, step: Micros) -> Micros {
        crate::near::micros(self.serve_for).saturating_sub(step)
    }
}

/// Sends requests to the link, which ends when the last handle is dropped.
pub(crate) struct Link<O> {
    requests: mpsc::UnboundedSender<Request<O>>,
}

impl<O> Link<O> {
    /// Sends a request. If the link is gone, the request is dropped, and whoever waits for it learns that.
    pub(crate) fn send(&self, request: Request<O>) {
        let _ = self.requests.send(request);
    }

    pub(crate) async fn ask<R>(&self, request: impl FnOnce(oneshot::Sender<Answer<R>>) -> Request<O>) -> Answer<R> {
        let (to, answer) = oneshot::channel();
        self.send(request(to));
        answer.await.unwrap_or(Err(SharedError::Away))
    }
}
