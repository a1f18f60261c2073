//! Extractors for axum.

use crate::error::SessionError;
use crate::session::Session;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use cloakroom::{Attributes, Content, Principal};
use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::ops::Deref;
use http::StatusCode;
use http::request::Parts;

/// There is no [`SessionLayer`](crate::SessionLayer) around the handler, or only one over a store with another type of
/// content. This is an error in the program, so its response is 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingLayer;

impl fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no session layer for this type of session: add a `SessionLayer` to the router, after its routes")
    }
}

impl Error for MissingLayer {}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// Provides the handle to the request's session, even if there is no session yet. Wait-free; allocates nothing.
impl<T: Content + ?Sized, S: Send + Sync> FromRequestParts<S> for Session<T> {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get().cloned().ok_or(MissingLayer)
    }
}

/// `None` if there is no layer. For handlers and middleware that are used with and without one. Wait-free; allocates
/// nothing.
impl<T: Content + ?Sized, S: Send + Sync> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// A session to which a user is logged in ([`Session::login`]), for handlers that only users may call. Without one, the
/// request is refused with 401 before the handler runs.
///
/// The extractor touches the session. The session may still end while the handler runs; its operations then fail. An
/// `Option<LoggedIn>` is `None` if no user is logged in.
///
/// # Examples
///
/// ```
/// use cloakroom_tower::LoggedIn;
///
/// async fn profile(user: LoggedIn) -> String {
///     format!("Hello, {}!", user.get("name").unwrap_or_default())
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(profile));
/// ```
pub struct LoggedIn<T: Content + ?Sized = Attributes> {
    /// The user that is logged in.
    pub principal: Principal,
    /// The user's session.
    pub session: Session<T>,
}

impl<T: Content + ?Sized> LoggedIn<T> {
    fn new(session: Session<T>) -> Option<Self> {
        let principal = session.principal().filter(|_| session.note_use())?;
        Some(Self { principal, session })
    }
}

impl<T: Content + ?Sized> Deref for LoggedIn<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.session
    }
}

/// Shows neither the user nor the session's content.
impl<T: Content + ?Sized> fmt::Debug for LoggedIn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggedIn(..)")
    }
}

/// Why a request was refused by [`LoggedIn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggedInRejection {
    /// No user is logged in. 401.
    NotLoggedIn,
    /// There is no session layer around the handler. 500.
    MissingLayer(MissingLayer),
    /// It is not known whether a user is logged in, because the engine in which servers share their sessions is away.
    /// The status of the error: 503.
    Unavailable(SessionError),
}

impl fmt::Display for LoggedInRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoggedIn => f.write_str("not logged in"),
            Self::MissingLayer(_) => f.write_str("there is no session layer"),
            Self::Unavailable(cause) => cause.fmt(f),
        }
    }
}

impl Error for LoggedInRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotLoggedIn => None,
            Self::MissingLayer(cause) => Some(cause),
            Self::Unavailable(cause) => cause.source(),
        }
    }
}

impl IntoResponse for LoggedInRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, self.to_string()).into_response(),
            Self::MissingLayer(cause) => cause.into_response(),
            Self::Unavailable(cause) => cause.into_response(),
        }
    }
}

/// Reads the session's user, and touches the session. Lock-free; allocates nothing.
impl<T: Content + ?Sized, S: Send + Sync> FromRequestParts<S> for LoggedIn<T> {
    type Rejection = LoggedInRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, LoggedInRejection> {
        let session = parts.extensions.get::<Session<T>>().ok_or(LoggedInRejection::MissingLayer(MissingLayer))?;
        Self::new(session.clone()).ok_or(LoggedInRejection::NotLoggedIn)
    }
}

/// `None` if no user is logged in. Without a layer, the request is refused. Lock-free; allocates nothing.
impl<T: Content + ?Sized, S: Send + Sync> OptionalFromRequestParts<S> for LoggedIn<T> {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingLayer> {
        Ok(Self::new(parts.extensions.get::<Session<T>>().ok_or(MissingLayer)?.clone()))
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Gone | Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::Full | Self::NotDurable | Self::Away | Self::Unknown | Self::Unconfirmed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Replaced | Self::PrincipalFull | Self::OtherPrincipal => StatusCode::CONFLICT,
            Self::TooLarge { .. } | Self::TooManyAttributes { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotANumber
            | Self::Unserializable
            | Self::Undeserializable
            | Self::Answered
            | Self::TooManyChanges
            | Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}
