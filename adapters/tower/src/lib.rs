//! Sessions for axum, hyper and whatever else is made of tower services, kept in a [`cloakroom`] store.
//!
//! A [`SessionLayer`] around the server finds the session of each request and sends its cookie with the response; a
//! [`Session`] in the handler reads and changes it. Nothing is created until something is stored; a login gives the
//! session another id and a user by one call, and keeps nothing of what another user has left in it; and a session that
//! has ended stays so, whatever was under way.
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
//! // Once the password has been checked.
//! async fn login(session: Session, user: String) -> Result<(), SessionError> {
//!     session.login(&Principal::new(&user))?;
//!     session.set("name", &user)
//! }
//!
//! // 401 without a login.
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
//! Without any feature; the handle is among the request's extensions:
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
//! Both servers are in whole among the examples, `axum_login` and `hyper`.
//!
//! # Sessions with a type
//!
//! A `SessionLayer<T>` is over a [`SessionStore<T>`](cloakroom::SessionStore), whose sessions hold a value of type `T` instead of string
//! attributes, and gives out `Session<T>`. Layers over several stores may be around one server, each with a cookie of another name and another type.
//!
//! # In `async` handlers
//!
//! No operation waits for another thread, so handlers call them directly, without `spawn_blocking`. And none can be held across an
//! `.await`: values come back owned, or are seen within the closure of [`Session::read`] or [`Session::update`], where there can be none.
//! Keep those closures short. A long one holds up no operation of any request, but as long as it runs no memory is freed that any thread
//! has retired from any store of the process, so what others replace or end meanwhile stays in memory; and, like any computation, it keeps
//! the executor's thread from other tasks. What takes long is to be done with a
//! [`snapshot`](Session::snapshot).
//!
//! # What remains for the application
//!
//! * **To check who somebody is** before it calls [`login`](Session::login), and to call it again before what is risky (ASVS 5 requirements 7.5.1, 7.5.3).
//! * **Requests forged by other sites.** `SameSite=Lax` keeps the cookie out of most, not out of those from sibling domains, nor out of
//!   `GET`s: let no `GET` change anything, and check `Sec-Fetch-Site` or `Origin` of the rest, or a token that is kept in the session
//!   ([OWASP][csrf]).
//! * **Caches.** Responses that set the cookie are kept out of them; those that show what is in a session are to say `Cache-Control:
//!   no-store` themselves.
//! * **HTTPS**, without which the browser does not send the cookie.
//! * **How many sessions strangers may open**: every visitor in whose session a handler stores something has one
//!   ([`max_sessions`](cloakroom::SessionConfig::max_sessions), [`WhenFull::EndUnbound`](cloakroom::WhenFull::EndUnbound)).
//! * **A task that outlives the response** may use the session, but neither create nor rotate one: [`SessionError::Answered`].
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` | [`Session`] and `LoggedIn` as extractors of axum 0.8, [`SessionError`] as a response |
//! | `json` | `Session::set_json` and `get_json`: attributes that hold values of any type that serde knows |
//!
//! [csrf]: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "axum")]
mod axum;
mod cookie;
mod error;
mod layer;
mod session;
mod visit;

#[cfg(feature = "axum")]
pub use self::axum::{LoggedIn, LoggedInRejection, MissingLayer};
pub use self::cookie::{SessionCookie, SessionCookieBuilder, SessionCookieError, SessionIds};
pub use ::cookie::SameSite;
pub use error::SessionError;
pub use layer::{ResponseFuture, SessionLayer, SessionService};
pub use session::Session;

/// Compiles what the README shows, as a test.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
