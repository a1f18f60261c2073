//! The data that the page requests every second: the user's devices and the store's figures.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{Extension, Json, extract::State, http::StatusCode, response::Response};
use cloakroom::{RemovalCause, SessionStore};
use cloakroom_tower::Session;
use serde::Serialize;

use super::{
    devices::{Device, devices_of},
    disk::{Disk, DiskFigures},
    not_done, not_logged_in,
};

/// The number of visitors that `POST /crowd` creates.
const CROWD: usize = 1_000;
/// The idle timeout of those visitors.
const CROWD_STAYS: Duration = Duration::from_secs(10);

/// The number of look-ups by the handlers. The store counts only changes, because a counter that all readers share
/// would bounce its cache line between cores.
pub(crate) struct Lookups {
    since: Instant,
    count: AtomicU64,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), count: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self, lookups: usize) {
        // Relaxed: a statistic, which publishes nothing.
        self.count.fetch_add(lookups as u64, Ordering::Relaxed);
    }
}

/// The response to `GET /live`.
#[derive(Serialize)]
pub(crate) struct Live {
    /// Seconds until the session of this request expires if it is not used.
    expires_in: u64,
    devices: Vec<Device>,
    store: Figures,
    /// Only if the sessions are kept on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<DiskFigures>,
}

/// The store's figures: current numbers, and counts since the start of the server.
#[derive(Serialize)]
struct Figures {
    sessions: usize,
    created: u64,
    /// Ended by a user: a logout, or the end of another device.
    ended: u64,
    /// Ended by a timeout.
    evicted: u64,
    lookups: u64,
    /// The size of all sessions.
    bytes: u64,
    /// Milliseconds since the start, from which the page computes rates.
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

/// Touches no session, because the page requests it without any action of the user. An unused session expires even if
/// its page is open.
pub(crate) async fn live(
    State(lookups): State<Arc<Lookups>>,
    disk: Option<Extension<Arc<Disk>>>,
    session: Session,
) -> Result<Json<Live>, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    let expires_in = session.expires_in().ok_or_else(not_logged_in)?.as_secs();
    let devices = devices_of(&session);
    lookups.note(devices.len() + 1);
    let disk = disk.and_then(|Extension(disk)| disk.figures());
    Ok(Json(Live { expires_in, devices, store: Figures::of(session.store(), &lookups), disk }))
}

/// Creates a thousand sessions of visitors that do not log in and are not used again, so that there is something to
/// evict.
pub(crate) async fn crowd(session: Session) -> Result<StatusCode, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    for _ in 0..CROWD {
        let visitor = session.store().new_session().idle_timeout(CROWD_STAYS);
        visitor.create().map_err(|error| not_done(error.into()))?;
    }
    Ok(StatusCode::NO_CONTENT)
}
