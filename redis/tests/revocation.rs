//! A session that was ended on one server is refused on another, within the bound.

mod support;

use cloakroom::{Principal, SessionId};
use cloakroom_redis::SharedStore;
use std::time::{Duration, Instant};
use support::{Engine, Server, eventually};

on_each_engine! {
    a_logout_elsewhere_is_refused_here
    the_end_of_all_elsewhere_is_refused_here
    a_rotated_id_is_refused_elsewhere
    a_change_elsewhere_is_read_here
    a_session_that_was_touched_is_still_invalidated
}

/// The bound, and what a machine with other work takes beside.
const BOUND: Duration = Duration::from_millis(500);

/// Two servers that have the session near.
async fn near_on_both(server: &Server, principal: Option<&Principal>) -> (SharedStore, SharedStore, SessionId) {
    let (one, other) = (server.store().await, server.store().await);
    let id = match principal {
        Some(principal) => one.login(None, principal).await.unwrap(),
        None => one.create().await.unwrap(),
    };
    one.set(&id, "n", "0").await.unwrap();
    for store in [&one, &other] {
        eventually("the session is near", Duration::from_secs(5), async || {
            store.exists(&id).await.unwrap();
            store.cached(&id, |_| ()).is_some()
        })
        .await;
    }
    (one, other, id)
}

/// Requires that the news comes by invalidation, and so long before the bound is over.
async fn gone(store: &SharedStore, id: &SessionId) {
    let begun = Instant::now();
    eventually("the session is not near any more", Duration::from_secs(5), async || store.cached(id, |_| ()).is_none())
        .await;
    assert!(begun.elapsed() < BOUND, "after {:?}", begun.elapsed());
    assert!(!store.exists(id).await.unwrap());
}

async fn a_logout_elsewhere_is_refused_here(engine: Engine) {
    let server = Server::start(engine);
    for principal in [None, Some(Principal::new("ada"))] {
        let (one, other, id) = near_on_both(&server, principal.as_ref()).await;
        assert!(one.delete(&id).await.unwrap());
        assert!(one.cached(&id, |_| ()).is_none());
        gone(&other, &id).await;
    }
}

async fn the_end_of_all_elsewhere_is_refused_here(engine: Engine) {
    let server = Server::start(engine);
    let ada = Principal::new("ada");
    let (one, other, id) = near_on_both(&server, Some(&ada)).await;
    assert_eq!(one.end_sessions_of(&ada).await, Ok(1));
    assert!(one.cached(&id, |_| ()).is_none());
    gone(&other, &id).await;
}

async fn a_rotated_id_is_refused_elsewhere(engine: Engine) {
    let server = Server::start(engine);
    let (one, other, id) = near_on_both(&server, None).await;
    let new = one.rotate(&id).await.unwrap();
    assert!(one.cached(&id, |_| ()).is_none());
    gone(&other, &id).await;
    assert!(other.exists(&new).await.unwrap());
}

async fn a_change_elsewhere_is_read_here(engine: Engine) {
    let server = Server::start(engine);
    let (one, other, id) = near_on_both(&server, None).await;
    one.set(&id, "n", "1").await.unwrap();
    assert_eq!(one.get(&id, "n").await.unwrap().as_deref(), Some("1"));
    eventually("the change is read", BOUND, async || other.get(&id, "n").await.unwrap().as_deref() == Some("1")).await;
}

async fn a_session_that_was_touched_is_still_invalidated(engine: Engine) {
    let server = Server::start(engine);
    let (one, other, id) = near_on_both(&server, None).await;
    let key = server.keys().into_iter().find(|key| key.starts_with(b"cr:s:")).unwrap();
    // As if most of the idle timeout had passed.
    for _ in 0..20 {
        server.bytes(&[b"PEXPIRE", &key, b"60000"]);
        other.touch(&id).await.unwrap();
        one.touch(&id).await.unwrap();
    }
    eventually("the session is near again", Duration::from_secs(5), async || {
        other.exists(&id).await.unwrap();
        other.cached(&id, |_| ()).is_some()
    })
    .await;
    assert!(one.delete(&id).await.unwrap());
    gone(&other, &id).await;
}
