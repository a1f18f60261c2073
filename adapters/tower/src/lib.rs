//! Sessions for axum, hyper and other servers made of tower services, kept in a [`cloakroom`] store.
//!
//! A [`SessionLayer`] around the server finds the session of each request and sends its cookie with the response. A
//! [`Session`] in the handler reads and changes it.
//!
//! * A session is created only when a handler stores something.
//! * A login binds the session to a user and gives it a new id in one call. Attributes of another user are not kept.
//! * A session that has ended stays ended, even if requests were in flight.
//!
//! # axum
//!
//! With the feature `axum`:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod server {
//! use axum::{Router, routing::{get, post}};
//! use cloakroom::{Principal, SessionStore};
//! use cloakroom_tower::{LoggedIn, Session, SessionError, SessionLayer};
//! use std::sync::Arc;
//!
//! pub fn app() -> Router {
//!     Router::new()
//!         .route("/login", post(login))
//!         .route("/profile", get(profile))
//!         .route("/logout", post(logout))
//!         .route("/logout-other-devices", post(logout_other_devices))
//!         .layer(SessionLayer::new(Arc::new(SessionStore::default())))
//! }
//!
//! // Check the password first.
//! async fn login(session: Session, user: String) -> Result<(), SessionError> {
//!     session.login(&Principal::new(&user))?;
//!     session.set("name", &user)
//! }
//!
//! // Status 401 if no user is logged in.
//! async fn profile(user: LoggedIn) -> String {
//!     user.get("name").unwrap_or_default()
//! }
//!
//! async fn logout(session: Session) {
//!     session.logout();
//! }
//!
//! async fn logout_other_devices(session: Session) -> Result<String, SessionError> {
//!     Ok(format!("{} other sessions have ended", session.logout_other_devices()?))
//! }
//! # }
//! # #[cfg(feature = "axum")]
//! # let _ = server::app();
//! ```
//!
//! # hyper
//!
//! No feature is needed. The handle is among the request's extensions:
//!
//! ```
//! use cloakroom::SessionStore;
//! use cloakroom_tower::{Session, SessionLayer};
//! use http::{Request, Response};
//! use hyper::body::Incoming;
//! use hyper_util::service::TowerToHyperService;
//! use std::{convert::Infallible, sync::Arc};
//! use tower::{Layer, service_fn};
//!
//! async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     let session = request.extensions().get::<Session>().expect("the layer is there");
//!     let visits = session.increment("visits", 1).unwrap_or(0);
//!     Ok(Response::new(format!("{visits} visits")))
//! }
//!
//! let sessions = SessionLayer::new(Arc::new(SessionStore::default()));
//! // For `http1::Builder::serve_connection`, a clone for each connection.
//! let service = TowerToHyperService::new(sessions.layer(service_fn(answer)));
//! # let _ = service;
//! ```
//!
//! The examples `axum_login` and `hyper` are complete servers.
//!
//! # Sessions with a value
//!
//! A `SessionLayer<T>` works on a [`SessionStore<T>`](cloakroom::SessionStore), whose sessions hold a value of type `T`
//! instead of string attributes, and provides a `Session<T>`. A server may have several layers over several stores,
//! each with a type and a cookie name of its own.
//!
//! # Beyond the cookie
//!
//! | wanted | |
//! |---|---|
//! | "Remember me" | [`Session::login_with`](Session#method.login_with) and [`Login::remember`] |
//! | Ids in a header, for phones and machines | [`SessionLayer::token`] |
//! | Several apps on one store | [`SessionLayer::audience`] |
//! | Several domains | [`SessionLayer::cookies_by_domain`] |
//! | Pages that poll | [`SessionLayer::counts_as_use`] |
//!
//! # In `async` handlers
//!
//! No operation waits for another thread, so handlers call them directly, without `spawn_blocking`. None can be held
//! across an `.await`: values are returned owned, or are passed to the closure of [`Session::read`] or
//! [`Session::update`], which cannot contain an `.await`.
//!
//! Keep those closures short. A long closure delays no operation of another request. But while it runs, no memory that
//! any thread of the process has retired from any store is freed, so replaced and ended sessions stay in memory. Like
//! any computation, it also keeps the executor's thread from other tasks. For long work, take a
//! [`snapshot`](Session::snapshot).
//!
//! # The application's duties
//!
//! * **Authentication.** The application checks the user's identity before it calls [`login`](Session::login), and
//!   again before sensitive operations (ASVS 5 requirements 7.5.1, 7.5.3).
//! * **Requests forged by other sites.** `SameSite=Lax` keeps the cookie out of most of them, but not out of requests
//!   from sibling domains, nor out of `GET` requests. Let no `GET` change anything. For other methods, check
//!   `Sec-Fetch-Site` or `Origin`, or require a token that is kept in the session ([OWASP][csrf]). Requests that bring
//!   their id in a header ([`SessionLayer::token`]) need no check ([`Session::is_by_token`]).
//! * **Caches.** The layer keeps responses that set the cookie out of caches. Responses that show data of a session
//!   need `Cache-Control: no-store` from the application.
//! * **HTTPS.** Without it, the browser does not send the cookie.
//! * **Limits on anonymous sessions.** Each visitor for whom a handler stores something has a session
//!   ([`max_sessions`](cloakroom::SessionConfig::max_sessions),
//!   [`WhenFull::EndUnbound`](cloakroom::WhenFull::EndUnbound)).
//! * **Tasks that outlive the response.** They may use the session, but can neither create one nor change its id:
//!   [`SessionError::Answered`].
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `axum` | [`Session`] and `LoggedIn` as extractors of axum 0.8, [`SessionError`] as a response |
//! | `json` | `Session::set_json` and `get_json`: attributes that hold values as JSON, through serde |
//! | `redis` | the module `shared`: the same over sessions that several servers share, in Redis or Valkey |
//!
//! [csrf]: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html

#![forbid(unsafe_code)]
#![warn(missing_docs)]

// A module imports only modules below it (`tests/imports.rs` checks that there is no circle):
//
// | module | imports |
// |---|---|
// | `shared` | `axum`, `layer`, `config`, `brought`, `carrier`, `changes`, `cookie`, `usage`, `error`, `login` |
// | `axum` | `session`, `error` |
// | `settings` | `layer`, `carrier`, `cookie`, `usage`, `error` |
// | `layer` | `session`, `request`, `config`, `brought`, `carrier`, `cookie`, `usage` |
// | `session` | `request`, `changes`, `config`, `error`, `login` |
// | `request` | `config`, `changes`, `brought`, `carrier`, `error` |
// | `config` | `carrier`, `cookie`, `usage`, `error`, `login` |
// | `brought` | `carrier`, `cookie` |
// | `carrier` | `cookie` |
// | `changes`, `error`, `cookie`, `usage`, `login` | |
#[cfg(feature = "axum")]
mod axum;
mod brought;
mod carrier;
mod changes;
mod config;
mod cookie;
mod error;
mod layer;
mod login;
mod request;
mod session;
mod settings;
#[cfg(feature = "redis")]
pub mod shared;
mod usage;

#[cfg(feature = "axum")]
pub use self::axum::{LoggedIn, LoggedInRejection, MissingLayer};
pub use carrier::SessionToken;
/// The cookie is the core's ([`cloakroom::SessionCookie`]).
#[doc(inline)]
pub use cloakroom::{SameSite, SessionCookie, SessionCookieBuilder, SessionCookieError, SessionIds, SetCookie};
pub use error::{LayerError, SessionError};
pub use layer::{ResponseFuture, SessionLayer, SessionService};
pub use login::Login;
pub use session::Session;
pub use usage::Use;

/// Compiles the programs of the README as tests.
#[cfg(all(doctest, feature = "axum", feature = "redis"))]
#[doc = include_str!("../README.md")]
struct Readme;
