//! Binds sessions of a [`cloakroom`] store to the device of their user: Device Bound Session Credentials
//! ([draft][draft], [Chrome's guide][chrome]), which Chrome has since version 145.
//!
//! Malware that copies a session's cookie from a browser can use it on another machine until the session ends. With
//! DBSC, the browser makes a key pair for the session and keeps the private key where it cannot be copied (TPM). The
//! session then needs a second cookie, which ends after some minutes. Only the owner of the private key gets the next
//! one. **So a copied cookie stops working after these minutes.** A browser without DBSC ignores the offer, and its
//! sessions work as before.
//!
//! ```text
//! login               ──▶ Secure-Session-Registration: (ES256);path="..";challenge=".."     Dbsc::offer
//! POST  registration  ◀── Secure-Session-Response: a JWT, signed by the new key, with that key
//!                     ──▶ 200, instructions, Set-Cookie: the bound cookie                   Dbsc::register
//! any request         ◀── Cookie: the session's, and the bound one                          Dbsc::standing
//! POST  refresh       ◀── Sec-Secure-Session-Id: the device
//!                     ──▶ 403, Secure-Session-Challenge: a challenge                        Dbsc::refresh
//! POST  refresh       ◀── Secure-Session-Response: a JWT over the challenge
//!                     ──▶ 200, Set-Cookie: the next bound cookie                            Dbsc::refresh
//! ```
//!
//! The browser sends the two requests to `refresh` by itself before a request whose bound cookie is missing or has
//! ended, so pages notice nothing.
//!
//! # What the server keeps
//!
//! The public key and the name of the device are an [attribute](ATTRIBUTE) of the session. So they end with the
//! session, whatever ends it: a logout, a timeout, or the end of all sessions of the user. Nothing is stored for a
//! challenge or a cookie, because both are authenticated by a key of the [`Dbsc`] and by the name of the device. A
//! client that asks for challenges without end displaces none and takes no memory. The session holds the number of the
//! last challenge that was answered: that challenge and all older ones are used up.
//!
//! # What the application does
//!
//! 1. Each login calls [`Dbsc::offer`], and sends the header that it returns.
//! 2. Two routes call [`Dbsc::register`] and [`Dbsc::refresh`], and return their responses.
//! 3. A middleware, or each handler, calls [`Dbsc::standing`] and **refuses requests of a lapsed session**. This crate
//!    refuses none by itself.
//!
//! # Examples
//!
//! The example `dbsc` is a complete server for axum. The parts that matter:
//!
//! ```
//! use axum::extract::{Extension, Request};
//! use axum::http::{HeaderMap, StatusCode};
//! use axum::middleware::{Next, from_fn};
//! use axum::response::{IntoResponse, Response};
//! use axum::{Router, routing::{get, post}};
//! use cloakroom::{Principal, SessionStore};
//! use cloakroom_dbsc::{Dbsc, Standing};
//! use cloakroom_tower::{LoggedIn, Session, SessionLayer};
//! use std::sync::Arc;
//!
//! // Check the password first.
//! async fn login(session: Session, Extension(dbsc): Extension<Arc<Dbsc>>) -> Result<Response, StatusCode> {
//!     let failed = |_| StatusCode::SERVICE_UNAVAILABLE;
//!     session.login(&Principal::new("ada")).map_err(failed)?;
//!     let id = session.id().ok_or(StatusCode::UNAUTHORIZED)?;
//!     let offer = dbsc.offer(session.store(), &id).map_err(|_| StatusCode::UNAUTHORIZED)?;
//!     Ok(([offer], "hello").into_response())
//! }
//!
//! async fn register(session: Session, Extension(dbsc): Extension<Arc<Dbsc>>, headers: HeaderMap) -> Response {
//!     dbsc.register(session.store(), session.id().as_ref(), &headers).into_response()
//! }
//!
//! async fn refresh(session: Session, Extension(dbsc): Extension<Arc<Dbsc>>, headers: HeaderMap) -> Response {
//!     dbsc.refresh(session.store(), session.id().as_ref(), &headers).into_response()
//! }
//!
//! async fn demand(session: Session, dbsc: Extension<Arc<Dbsc>>, request: Request, next: Next) -> Response {
//!     let standing = session.id().and_then(|id| dbsc.standing(session.store(), &id, request.headers()));
//!     match standing {
//!         Some(Standing::Lapsed { .. }) => StatusCode::UNAUTHORIZED.into_response(),
//!         _ => next.run(request).await,
//!     }
//! }
//!
//! fn app(store: Arc<SessionStore>, dbsc: Arc<Dbsc>) -> Router {
//!     Router::new()
//!         .route("/profile", get(async |_: LoggedIn| "the secrets"))
//!         .layer(from_fn(demand))
//!         // Outside of the demand: a lapsed session has to reach them.
//!         .route("/login", post(login))
//!         .route("/dbsc/register", post(register))
//!         .route("/dbsc/refresh", post(refresh))
//!         .layer(Extension(dbsc))
//!         .layer(SessionLayer::new(store))
//! }
//! # let dbsc = Dbsc::builder().build().expect("valid settings");
//! # let _ = app(Arc::default(), Arc::new(dbsc));
//! ```
//!
//! # Limits
//!
//! * **Malware that stays on the device** can use the browser itself, or have it sign. DBSC only makes the cookies
//!   worthless elsewhere.
//! * A cookie that is copied *together with the bound cookie* works until that ends:
//!   [`lifetime`](DbscBuilder::lifetime), ten minutes by default.
//! * A login before malware arrives is the moment that counts: malware that is there at the login can register a key of
//!   its own.
//! * Only ES256. A device whose hardware has no P-256 key is not bound.
//! * If the response to the registration is lost, the browser knows nothing of the key, and the session lapses. The
//!   user logs in again.
//! * Keys shared among sites (`provider_key` of the draft) and sessions for a whole site (`include_site`) are not
//!   supported.
//!
//! [draft]: https://w3c.github.io/webappsec-dbsc/
//! [chrome]: https://developer.chrome.com/docs/web-platform/device-bound-session-credentials

#![forbid(unsafe_code)]
#![warn(missing_docs)]

// A module imports only modules below it (`ci/circles.py` checks that there is no circle):
//
// | module | imports |
// |---|---|
// | `endpoints`, `standing` | `settings`, `state`, `proof`, `fields`, `refusal`, `seal` |
// | `settings` | `seal` |
// | `state` | `proof` |
// | `proof` | `refusal` |
// | `fields`, `refusal`, `seal` | |
mod endpoints;
mod fields;
mod proof;
mod refusal;
mod seal;
mod settings;
mod standing;
mod state;

pub use endpoints::OfferError;
pub use fields::{CHALLENGE, REGISTRATION, RESPONSE, SESSION_ID, SKIPPED};
pub use refusal::Refusal;
pub use settings::{Dbsc, DbscBuilder, DbscError};
pub use standing::{Skipped, Standing};
pub use state::ATTRIBUTE;

/// Compiles the program of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
