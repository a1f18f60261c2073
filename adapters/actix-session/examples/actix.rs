//! A web server on actix-web and actix-session with its sessions in `cloakroom`: login, profile, logout, and logout
//! everywhere.
//!
//! Run `cargo run -p cloakroom-actix-session --example actix`, then the curl commands that it prints. The variable
//! `PORT` sets the port, which is 3000 by default.
//!
//! The differences from the same server on `CookieSessionStore`:
//!
//! ```diff
//! -use actix_session::storage::CookieSessionStore;
//! +use cloakroom_actix_session::CloakroomSessionStore;
//!
//! +let sessions = Arc::new(SessionStore::builder().max_sessions(100_000).build()?);
//! +let store = CloakroomSessionStore::new(sessions);
//!  HttpServer::new(move || {
//!      App::new()
//! -        .wrap(SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).build())
//! +        .wrap(SessionMiddleware::builder(store.clone(), key.clone()).build())
//!          .configure(routes)
//!  })
//! ```
//!
//! The handlers are identical. `/logout-everywhere` is not possible with sessions in cookies.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix_session::config::PersistentSession;
use actix_session::storage::SessionStore as Store;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Key, SameSite, time};
use actix_web::web::{Data, Form, Json, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, Responder, Result, get, post};
use cloakroom::{SessionStore, Sweeper};
use cloakroom_actix_session::CloakroomSessionStore;
use serde_json::json;

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let sessions = Arc::new(SessionStore::builder().max_sessions(100_000).build()?);
    let sweeper = Sweeper::start(Arc::clone(&sessions), Duration::from_secs(60))?;
    let store = CloakroomSessionStore::new(sessions);
    // A real server reads the key from its configuration. With this one, a restart invalidates all cookies; it ends all
    // sessions in any case.
    let key = Key::generate();

    // Browsers and curl send a Secure cookie to localhost over plain http.
    let server = HttpServer::new(move || {
        let sessions = middleware(store.clone(), key.clone(), time::Duration::minutes(30), true);
        App::new().wrap(sessions).app_data(Data::new(store.clone())).configure(routes).service(logout_everywhere)
    });
    let server = server.bind(("127.0.0.1", port))?;
    let page = format!("http://localhost:{}", server.addrs()[0].port());
    println!("curl -i -b jar.txt -c jar.txt -d user=ada {page}/login");
    println!("curl -i -b jar.txt -c jar.txt {page}/profile");
    println!("curl -i -b jar.txt -c jar.txt -X POST {page}/logout");
    println!("curl -i -b jar.txt -c jar.txt -X POST {page}/logout-everywhere");
    server.run().await?;
    sweeper.stop();
    Ok(())
}

/// The middleware with this store. A session expires if it is not changed for the time `ttl`.
pub(crate) fn middleware<S: Store>(
    store: S,
    key: Key,
    ttl: time::Duration,
    secure_cookies: bool,
) -> SessionMiddleware<S> {
    SessionMiddleware::builder(store, key)
        .session_lifecycle(PersistentSession::default().session_ttl(ttl))
        .cookie_secure(secure_cookies)
        .cookie_same_site(SameSite::Lax)
        .build()
}

/// The routes that work with any store.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(login).service(profile).service(logout);
}

#[post("/login")]
async fn login(session: Session, form: Form<HashMap<String, String>>) -> Result<impl Responder> {
    let user = form.get("user").cloned().unwrap_or_default();
    // The key from before the login must not be valid after it.
    session.renew();
    session.insert("user", &user)?;
    session.insert("visits", 0)?;
    Ok(Json(json!({ "user": user })))
}

#[get("/profile")]
async fn profile(session: Session) -> Result<HttpResponse> {
    let Some(user) = session.get::<String>("user")? else { return Ok(not_logged_in()) };
    let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(HttpResponse::Ok().json(json!({ "user": user, "visits": visits })))
}

#[post("/logout")]
async fn logout(session: Session) -> impl Responder {
    session.purge();
    HttpResponse::NoContent()
}

/// The route that uses the store directly.
#[post("/logout-everywhere")]
pub(crate) async fn logout_everywhere(session: Session, store: Data<CloakroomSessionStore>) -> Result<HttpResponse> {
    let Some(user) = session.get::<String>("user")? else { return Ok(not_logged_in()) };
    // Attributes hold JSON.
    let user = serde_json::to_string(&user)?;
    let ended = store.sessions().delete_where(|view| view.content().get("user") == Some(&user));
    session.purge(); // removes the cookie
    Ok(HttpResponse::Ok().json(json!({ "ended": ended })))
}

fn not_logged_in() -> HttpResponse {
    HttpResponse::Unauthorized().json(json!({ "error": "not logged in" }))
}
