//! How long a login lasts.

use core::time::Duration;

/// Says how long a login lasts, and the cookie with it. For [`Session::login_with`](crate::Session#method.login_with).
///
/// | | idle timeout | absolute timeout | cookie |
/// |---|---|---|---|
/// | [`new`](Self::new) | the layer's, else the store's `ttl` | the layer's, else the store's, else none | as the layer's cookie says: until the browser is closed, unless it has a `max_age` |
/// | [`remember`](Self::remember) | the given time | the same, unless [`at_most`](Self::at_most) sets it | as long as the session |
///
/// All of it belongs to the session: it survives requests and new ids, until the next login sets it anew.
///
/// Its methods are wait-free and allocate nothing.
///
/// # Examples
///
/// ```
/// use cloakroom::Principal;
/// use cloakroom_tower::{Login, Session, SessionError};
/// use std::time::Duration;
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// fn log_in(session: &Session, user: &str, remember: bool) -> Result<(), SessionError> {
///     let login = if remember { Login::remember(30 * DAY).at_most(90 * DAY) } else { Login::new() };
///     session.login_with(&Principal::new(user), login)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Login {
    pub(crate) remembered: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
}

impl Login {
    /// Makes a login with the timeouts of the layer or the store. This is what [`Session::login`] does.
    ///
    /// [`Session::login`]: crate::Session#method.login
    pub const fn new() -> Self {
        Self { remembered: None, absolute: None }
    }

    /// Makes a login that the browser keeps when it is closed: "remember me". The session and its cookie last for this
    /// long.
    ///
    /// The time counts from the login, because the absolute timeout is the same, unless [`at_most`](Self::at_most) sets
    /// a longer one. The time then counts from the last use, and the layer sends the cookie again once an eighth of the
    /// time has passed. A cookie lasts 400 days at most, the longest that browsers keep one.
    pub const fn remember(time: Duration) -> Self {
        Self { remembered: Some(time), absolute: None }
    }

    /// Sets the absolute timeout, from the login on. [`Duration::MAX`] means none.
    pub const fn at_most(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }
}
