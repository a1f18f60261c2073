//! A web server on actix-web and actix-session whose sessions are in `cloakroom`: log in, see your profile, log out,
//! log out everywhere.
//!
//! `cargo run -p cloakroom-actix-session --example actix`, then the curl commands that it prints. `PORT` chooses
//! another port than 3000.
//!
//! What it differs in from the same server on `CookieSessionStore`:
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
//! The handlers are the same, to the letter; `/logout-everywhere` is what sessions in cookies have no way to do.

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
    // From the configuration, rather: with this one all cookies are void when the server is started anew (and so are
    // the sessions).
    let key = Key::generate();

    // Browsers and curl send a Secure cookie to localhost on plain http.
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

/// Sessions in this store, which expire when they have not been changed for so long.
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

/// What the server answers, whatever store its sessions are in.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(login).service(profile).service(logout);
}

#[post("/login")]
async fn login(session: Session, form: Form<HashMap<String, String>>) -> Result<impl Responder> {
    let user = form.get("user").cloned().unwrap_or_default();
    // A key from before the login must not serve after it.
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

/// The route for which the store itself is needed.
#[post("/logout-everywhere")]
pub(crate) async fn logout_everywhere(session: Session, store: Data<CloakroomSessionStore>) -> Result<HttpResponse> {
    let Some(user) = session.get::<String>("user")? else { return Ok(not_logged_in()) };
    // What a session holds is JSON.
    let user = serde_json::to_string(&user)?;
    let ended = store.sessions().delete_where(|view| view.content().get("user") == Some(&user));
    session.purge(); // the cookie
    Ok(HttpResponse::Ok().json(json!({ "ended": ended })))
}

fn not_logged_in() -> HttpResponse {
    HttpResponse::Unauthorized().json(json!({ "error": "not logged in" }))
}
