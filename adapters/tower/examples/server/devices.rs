//! The sessions of the user who asks: on which devices they are logged in, and the end of any of them.
//!
//! A page must not learn an id, not even one of its own user: a script that was smuggled into it would have all of them. So each
//! session has a name of its own for this, which opens nothing: it is looked for among the sessions of who asks.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    Form,
    extract::rejection::FormRejection,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use cloakroom::{Attributes, RandomError, SessionId};
use cloakroom_tower::Session;
use serde::{Deserialize, Serialize};

use super::{agent, not_logged_in, refuse};

/// What the list tells of a session.
#[derive(Serialize)]
pub(crate) struct Device {
    /// By which it can be ended.
    name: String,
    /// Such as `Firefox on Linux`.
    browser: String,
    /// Seconds since 1970.
    logged_in_at: u64,
    /// Seconds since its last visit.
    idle_for: u64,
    /// Whether it is the one that asks.
    this: bool,
}

/// The attributes of a session that somebody logs in to.
pub(crate) fn attributes_at_login(user: &str, headers: &HeaderMap) -> Result<[(&'static str, String); 6], RandomError> {
    let now = seconds_since_1970().to_string();
    Ok([
        ("user", user.to_owned()),
        ("device", SessionId::random()?.hex()[..16].to_owned()),
        ("browser", agent::describe(headers)),
        ("logged_in_at", now.clone()),
        ("seen_at", now),
        ("visits", "0".to_owned()),
    ])
}

/// The devices of whoever is logged in, oldest first. Looking at them touches none of their sessions: a page that is left open must not keep its own
/// session alive, nor the others'.
pub(crate) fn devices_of(session: &Session) -> Vec<Device> {
    let (now, this) = (seconds_since_1970(), session.id());
    let ids = session.devices().into_iter();
    let device = |id| session.store().peek(&id, |device| Device::of(device, now, this == Some(id))).flatten();
    ids.filter_map(device).collect()
}

impl Device {
    fn of(session: &Attributes, now: u64, this: bool) -> Option<Device> {
        let number = |key| session.get(key).and_then(|text| text.parse::<u64>().ok());
        Some(Device {
            name: session.get("device")?.to_owned(),
            browser: session.get("browser")?.to_owned(),
            logged_in_at: number("logged_in_at")?,
            idle_for: now.saturating_sub(number("seen_at")?),
            this,
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct Which {
    device: String,
}

/// Ends one of the sessions of the user who asks. 404 if it is none of theirs (any more): whose it may be otherwise is not told.
pub(crate) async fn end(session: Session, form: Result<Form<Which>, FormRejection>) -> Result<StatusCode, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    let Form(which) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()).into_response())?;
    let is_it = |id: &SessionId| session.store().peek(id, |device| device.get("device") == Some(&which.device));
    let found = session.devices().into_iter().find(|id| is_it(id) == Some(true));
    match found.is_some_and(|id| session.end_device(&id)) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(refuse(StatusCode::NOT_FOUND, "there is no such device").into_response()),
    }
}

/// Ends all sessions of the user who asks, this one too. No request that was under way in one of them brings it back.
pub(crate) async fn logout_everywhere(session: Session) -> Result<StatusCode, Response> {
    session.logout_all_devices().map_err(|_| not_logged_in())?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
