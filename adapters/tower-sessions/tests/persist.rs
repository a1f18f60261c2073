//! Sessions of tower-sessions that are kept on disk, over a socket: what a restart and a crash leave.

#[path = "../../../verify/support/client.rs"]
mod client;
#[path = "../examples/tower_sessions.rs"]
#[allow(dead_code, reason = "its `main` starts a server of its own")]
mod example;
#[path = "../../../persist/tests/support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};

use client::{log_in, profile, send};
use cloakroom_persist::{Options, Persistence, SettledLayer};
use cloakroom_tower_sessions::{CloakroomStore, Held, Settings};
use support::{Dir, crash};
use tokio::net::TcpListener;
use tower_sessions::cookie::time::Duration;
use tower_sessions::session::{Id, Record};

fn open(dir: &Dir) -> (Persistence<Held>, CloakroomStore) {
    let settings = Settings::new().max_sessions(100);
    let sessions = Persistence::open_typed(dir.path(), Options::new().store(settings.store())).expect("a directory");
    let store = CloakroomStore::over(sessions.store().clone(), &settings);
    (sessions, store)
}

/// Serves the example over sessions that are kept in this directory.
async fn start(dir: &Dir) -> (Persistence<Held>, SocketAddr) {
    let (sessions, store) = open(dir);
    let app = example::with_sessions(example::routes(), store, Duration::minutes(1), false);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app.layer(SettledLayer::new(&sessions))).into_future());
    (sessions, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_logs_nobody_out_and_a_logout_holds_after_a_crash() {
    let dir = Dir::new();
    let (sessions, address) = start(&dir).await;
    let cookie = log_in(address, "").await;
    assert_eq!(profile(address, &cookie).await, 200);
    sessions.close().expect("a disk");

    let (sessions, address) = start(&dir).await;
    assert_eq!(sessions.restored().sessions, 1);
    assert_eq!(profile(address, &cookie).await, 200);
    sessions.flush().expect("a disk");
    // A login gives another id.
    let newer = log_in(address, &cookie).await;
    assert_ne!(newer, cookie);
    crash(sessions, &dir);

    let (sessions, address) = start(&dir).await;
    assert_eq!(profile(address, &cookie).await, 401, "the id before the login works again");
    let cookie = log_in(address, "").await;
    sessions.flush().expect("a disk");
    assert_eq!(send(address, "POST", "/logout", &cookie).await.status(), 204);
    crash(sessions, &dir);

    let (_sessions, address) = start(&dir).await;
    assert_eq!(profile(address, &cookie).await, 401, "a logout is lost");
}

#[tokio::test]
async fn both_versions_find_a_restored_session_and_its_expiry_date() {
    use tower_sessions::{ExpiredDeletion, SessionStore};
    use tower_sessions_0_14::session::Id as OldId;
    let dir = Dir::new();
    let (sessions, store) = open(&dir);
    let expiry_date = tower_sessions::cookie::time::OffsetDateTime::now_utc() + Duration::hours(1);
    let mut record = Record { id: Id::default(), data: [("user".to_owned(), "ada".into())].into(), expiry_date };
    store.create(&mut record).await.expect("there is room");
    sessions.close().expect("a disk");

    let (sessions, store) = open(&dir);
    store.delete_expired().await.expect("no error");
    assert_eq!(SessionStore::load(&store, &record.id).await.expect("no error"), Some(record.clone()));
    let old = OldId(record.id.0);
    let found = tower_sessions_0_14::SessionStore::load(&store, &old).await.expect("no error").expect("it is live");
    assert_eq!((found.data["user"].as_str(), found.expiry_date), (Some("ada"), expiry_date));
    record.data.insert("visits".to_owned(), 1.into());
    SessionStore::save(&store, &record).await.expect("no error");
    sessions.close().expect("a disk");

    let (sessions, store) = open(&dir);
    assert_eq!(SessionStore::load(&store, &record.id).await.expect("no error"), Some(record.clone()));
    tower_sessions_0_14::SessionStore::delete(&store, &old).await.expect("no error");
    // Not in a `SettledLayer`, so the call has waited itself.
    crash(sessions, &dir);
    let (_sessions, store) = open(&dir);
    SessionStore::save(&store, &record).await.expect("a late save is dropped");
    assert_eq!(SessionStore::load(&store, &record.id).await.expect("no error"), None);
}
