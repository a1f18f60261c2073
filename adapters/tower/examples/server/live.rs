//! What the page asks every second: who is logged in where, and how the store is doing.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use cloakroom::{RemovalCause, SessionStore};
use cloakroom_tower::Session;
use serde::Serialize;

use super::{
    devices::{Device, devices_of},
    not_done, not_logged_in,
};

/// How many come by at a time.
const CROWD: usize = 1_000;
/// How long each of them stays.
const CROWD_STAYS: Duration = Duration::from_secs(10);

/// How often the handlers have looked something up. The store counts what changes it, not what reads it: a count that all readers
/// share would have them wait for its line of memory.
pub(crate) struct Lookups {
    since: Instant,
    count: AtomicU64,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), count: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self, lookups: usize) {
        // Relaxed: a figure to be shown, which orders nothing.
        self.count.fetch_add(lookups as u64, Ordering::Relaxed);
    }
}

/// What `GET /live` answers.
#[derive(Serialize)]
pub(crate) struct Live {
    /// Seconds until the session of who asks expires unless it is used.
    expires_in: u64,
    devices: Vec<Device>,
    store: Figures,
}

/// How the store is doing: what is counted since the server has started, and of what there is the number right now.
#[derive(Serialize)]
struct Figures {
    sessions: usize,
    created: u64,
    /// Ended by somebody: a logout, the end of another device.
    ended: u64,
    /// Ended by their timeouts.
    evicted: u64,
    lookups: u64,
    /// What their sessions take, in bytes.
    bytes: u64,
    /// Milliseconds since the start, for rates.
    at: u64,
}

impl Figures {
    fn of(store: &SessionStore, lookups: &Lookups) -> Figures {
        let stats = store.stats();
        let removed = |causes: &[RemovalCause]| causes.iter().map(|&cause| stats.removed(cause)).sum();
        Figures {
            sessions: stats.live,
            created: stats.created,
            ended: removed(&[RemovalCause::Deleted, RemovalCause::Principal, RemovalCause::Capacity]),
            evicted: removed(&[RemovalCause::IdleTimeout, RemovalCause::AbsoluteTimeout]),
            lookups: lookups.count.load(Ordering::Relaxed),
            bytes: stats.bytes,
            at: lookups.since.elapsed().as_millis() as u64,
        }
    }
}

/// Asked by the page, not by a person. So it touches no session: one that nobody uses expires with its page left open.
pub(crate) async fn live(State(lookups): State<Arc<Lookups>>, session: Session) -> Result<Json<Live>, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    let expires_in = session.expires_in().ok_or_else(not_logged_in)?.as_secs();
    let devices = devices_of(&session);
    lookups.note(devices.len() + 1);
    Ok(Json(Live { expires_in, devices, store: Figures::of(session.store(), &lookups) }))
}

/// Lets a thousand visitors come by who have not logged in and will not come again, so that there is something to evict.
pub(crate) async fn crowd(session: Session) -> Result<StatusCode, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    for _ in 0..CROWD {
        let visitor = session.store().new_session().idle_timeout(CROWD_STAYS);
        visitor.create().map_err(|error| not_done(error.into()))?;
    }
    Ok(StatusCode::NO_CONTENT)
}
