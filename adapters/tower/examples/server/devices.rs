//! The list of a user's sessions (devices), and how to end one of them.
//!
//! The page must not receive a session id, not even of its own user, because an injected script could read it. Each
//! session therefore has a random name. The name gives no access: it is searched only among the sessions of the
//! requesting user.

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

/// One row of the list.
#[derive(Serialize)]
pub(crate) struct Device {
    /// Names the session in `POST /end`.
    name: String,
    /// Such as `Firefox on Linux`.
    browser: String,
    /// Seconds since 1970.
    logged_in_at: u64,
    /// Seconds since its last visit.
    idle_for: u64,
    /// Whether it is the session of this request.
    this: bool,
}

/// The attributes of a session at its login.
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

/// The devices of the user that is logged in, oldest first. Touches no session, so that an open page keeps neither its
/// own session nor another one alive.
pub(crate) fn devices_of(session: &Session) -> Vec<Device> {
    let (now, this) = (seconds_since_1970(), session.id());
    let ids = session.devices().into_iter();
    let device = |id| session.store().peek(&id, |device| Device::of(device, now, this == Some(id))).flatten();
    ids.filter_map(device).collect()
}

impl Device {
    pub(crate) fn of(session: &Attributes, now: u64, this: bool) -> Option<Device> {
        let number = |key| session.get(key).and_then(|text| text.parse::<u64>().ok());
        Some(Device {
            name: session.get("device")?.to_owned(),
            browser: session.get("browser")?.to_owned(),
            logged_in_at: number("logged_in_at")?,
            idle_for: now.saturating_sub(number("seen_at")?),
            this,
        })
    }

    #[allow(dead_code, reason = "for sessions that servers share, which the tests of one server leave out")]
    pub(crate) fn is_named(&self, which: &Which) -> bool {
        self.name == which.device
    }
}

#[derive(Deserialize)]
pub(crate) struct Which {
    device: String,
}

/// Ends a session of the requesting user. 404 if the user has no live session of this name, even if another user has
/// one.
pub(crate) async fn end(session: Session, form: Result<Form<Which>, FormRejection>) -> Result<StatusCode, Response> {
    session.principal().ok_or_else(not_logged_in)?;
    let Form(which) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()).into_response())?;
    let is_named = |id: &SessionId| session.store().peek(id, |device| device.get("device") == Some(&which.device));
    let found = session.devices().into_iter().find(|id| is_named(id) == Some(true));
    match found.is_some_and(|id| session.end_device(&id)) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(refuse(StatusCode::NOT_FOUND, "there is no such device").into_response()),
    }
}

/// Ends all sessions of the requesting user, including this one. A request in flight in one of them does not restore
/// it.
pub(crate) async fn logout_everywhere(session: Session) -> Result<StatusCode, Response> {
    session.logout_all_devices().map_err(|_| not_logged_in())?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
