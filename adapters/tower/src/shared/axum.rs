//! Extractors for axum, over a store that servers share.

use super::session::Session;
use crate::axum::{LoggedInRejection, MissingLayer};
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use cloakroom::{Attributes, Principal};
use cloakroom_redis::Shared;
use core::convert::Infallible;
use core::fmt;
use core::ops::Deref;
use http::request::Parts;

/// Provides the handle to the request's session, even if there is no session yet. Asks nobody.
impl<T: Shared + ?Sized, S: Send + Sync> FromRequestParts<S> for Session<T> {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get().cloned().ok_or(MissingLayer)
    }
}

/// `None` if there is no layer. Asks nobody.
impl<T: Shared + ?Sized, S: Send + Sync> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// A shared session to which a user is logged in, for handlers that only users may call. Without one, the request is
/// refused with 401 before the handler runs. **If the engine is away, it is refused with 503**, and the cookie stays.
///
/// The extractor touches the session. A session in the near cache is found without asking the engine.
pub struct LoggedIn<T: Shared + ?Sized = Attributes> {
    /// The user that is logged in.
    pub principal: Principal,
    /// The user's session.
    pub session: Session<T>,
}

impl<T: Shared + ?Sized> LoggedIn<T> {
    async fn of(parts: &Parts) -> Result<Option<Self>, LoggedInRejection> {
        let session = parts.extensions.get::<Session<T>>().ok_or(LoggedInRejection::MissingLayer(MissingLayer))?;
        let session = session.clone();
        let principal = session.principal().await.map_err(LoggedInRejection::Unavailable)?;
        let Some(principal) = principal else { return Ok(None) };
        let is_live = session.note_use().await.map_err(LoggedInRejection::Unavailable)?;
        Ok(is_live.then_some(Self { principal, session }))
    }
}

impl<T: Shared + ?Sized> Deref for LoggedIn<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.session
    }
}

/// Shows neither the user nor the session's content.
impl<T: Shared + ?Sized> fmt::Debug for LoggedIn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggedIn(..)")
    }
}

impl<T: Shared + ?Sized, S: Send + Sync> FromRequestParts<S> for LoggedIn<T> {
    type Rejection = LoggedInRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, LoggedInRejection> {
        Self::of(parts).await?.ok_or(LoggedInRejection::NotLoggedIn)
    }
}

/// `None` if no user is logged in. Without a layer, or if the engine is away, the request is refused.
impl<T: Shared + ?Sized, S: Send + Sync> OptionalFromRequestParts<S> for LoggedIn<T> {
    type Rejection = LoggedInRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, LoggedInRejection> {
        Self::of(parts).await
    }
}
