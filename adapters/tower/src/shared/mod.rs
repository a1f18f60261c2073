//! Sessions that several servers share, in Redis or Valkey by way of [`cloakroom_redis`]. Feature `redis`.
//!
//! The layer, its settings, the extractors and the operations have the names that they have over a store of one
//! process. Where the engine may be asked, there is an `.await`:
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # mod server {
//! use axum::{Router, routing::{get, post}};
//! use cloakroom::Principal;
//! use cloakroom_redis::{ConnectError, SharedOptions, SharedStore};
//! use cloakroom_tower::shared::{LoggedIn, Session};
//! use cloakroom_tower::{SessionError, SessionLayer};
//!
//! pub async fn app() -> Result<Router, ConnectError> {
//!     let store = SharedStore::connect(SharedOptions::new("redis://127.0.0.1:6379")).await?;
//!     Ok(Router::new()
//!         .route("/login", post(login))
//!         .route("/profile", get(profile))
//!         .route("/logout", post(logout))
//!         .layer(SessionLayer::shared(store)))
//! }
//!
//! // Check the password first.
//! async fn login(session: Session, user: String) -> Result<(), SessionError> {
//!     session.login(&Principal::new(&user)).await?;
//!     session.set("name", &user).await
//! }
//!
//! // Answers 401 without a login, and 503 if the engine is away.
//! async fn profile(user: LoggedIn) -> Result<String, SessionError> {
//!     Ok(user.get("name").await?.unwrap_or_default())
//! }
//!
//! async fn logout(session: Session) -> Result<(), SessionError> {
//!     session.logout().await.map(drop)
//! }
//! # }
//! ```
//!
//! # Which requests ask the engine
//!
//! | request | round trips |
//! |---|---|
//! | one whose handler does not use its session, or that brings no id | none |
//! | reads of a session in the near cache | none |
//! | reads of another session | one, which puts the session into the near cache |
//! | each change, login or logout | one; two if the session is not near |
//! | the response to a request that has created a session or changed its id | one, if the near cache does not have it |
//!
//! # When the engine is away
//!
//! **No session is lost, and nobody is logged out.** Operations fail with [`SessionError::Away`], which is a response
//! with status 503, and the extractors answer 503 too. The cookie is left alone: nothing is removed, nothing is
//! created. Sessions in the near cache are served for the bound of staleness, or as
//! [`when_away`](cloakroom_redis::SharedOptions::when_away) says.
//!
//! | error | what has happened | status |
//! |---|---|---|
//! | [`Away`](SessionError::Away) | nothing | 503 |
//! | [`Unknown`](SessionError::Unknown) | the change has been made, or it has not | 503 |
//! | [`Unconfirmed`](SessionError::Unconfirmed), of a logout | the session is dead on this server, the response removes the cookie, and the engine is told until it confirms | 503 |
//!
//! # Responses that are not handed over
//!
//! If the response is dropped, or the handler panics, or the service returns an error, no client learns a new id. The
//! layer then ends the session that the request has created, in a task of its own. **A session that the request has
//! rotated or logged in ends too**, where a store of one process would give it its former id again: the client has to
//! log in again. If the process is killed in between, such a session lives until its idle timeout.

mod attributes;
#[cfg(feature = "axum")]
mod axum;
mod layer;
mod principal;
mod session;
mod state;
mod work;

#[cfg(feature = "axum")]
pub use self::axum::LoggedIn;
pub use layer::ResponseFuture;
pub use session::Session;

#[cfg(doc)]
use crate::error::SessionError;
