//! An engine that is away: 503, and nobody is logged out.

use crate::harness::{BOUND, NAME, Node, SLACK, TIMEOUT, VISITOR, with_engine};
use cloakroom::SessionId;
use std::time::Duration;

/// Waits until the server no longer serves what it has near. The first request afterwards waits for the engine.
async fn is_refused(node: &Node, cookie: &str) {
    let waited = node.until("/profile", cookie, 503).await;
    assert!(waited < BOUND + TIMEOUT + SLACK, "{waited:?}");
}

/// Everything that needs the engine is answered with 503, and no response touches a cookie.
async fn leaves_everything_alone(node: &Node, cookie: &str) {
    let unknown = format!("{NAME}={}", SessionId::random().expect("random bytes"));
    for (path, cookie) in
        [("/visit", cookie), ("/visit", &*unknown), ("/visit", ""), ("/login?user=eve", ""), ("/everywhere", cookie)]
    {
        let answer = node.post(path, cookie).await;
        assert_eq!((answer.status, answer.cookies.len()), (503, 0), "{path}: {}", answer.text);
    }
    for cookie in [cookie, &*unknown] {
        let answer = node.get("/profile", cookie).await;
        assert_eq!((answer.status, answer.cookies.len()), (503, 0), "{}", answer.text);
    }
    // Nobody has to be asked for these.
    assert_eq!(node.get("/profile", "").await.status, 401);
    assert_eq!(node.get("/plain", cookie).await.status, 200);
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn while_the_engine_is_stopped_servers_answer_503_and_go_on_afterwards() {
    with_engine(async |engine| {
        // Even a layer that removes stale cookies.
        let node = Node::with(&engine, |layer| layer.remove_stale(true)).await;
        let cookie = node.logged_in("ada").await;
        assert_eq!(node.get("/profile", &cookie).await.status, 200);
        engine.signal("-STOP");
        is_refused(&node, &cookie).await;
        leaves_everything_alone(&node, &cookie).await;
        engine.signal("-CONT");
        node.until("/profile", &cookie, 200).await;
        assert_eq!(node.post("/visit", &cookie).await.status, 200);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn while_the_engine_is_dead_servers_answer_503_and_go_on_afterwards() {
    with_engine(async |mut engine| {
        let node = Node::with(&engine, |layer| layer.remove_stale(true)).await;
        let cookie = node.logged_in("ada").await;
        assert_eq!(node.get("/profile", &cookie).await.status, 200);
        engine.kill();
        is_refused(&node, &cookie).await;
        leaves_everything_alone(&node, &cookie).await;
        engine.start_again();
        node.until("/profile", &cookie, 200).await;
        assert_eq!(node.post("/visit", &cookie).await.status, 200);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_logout_while_the_engine_is_stopped_says_so_and_holds_everywhere_afterwards() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        let cookie = one.logged_in("ada").await;
        for node in [&one, &two] {
            assert_eq!(node.get("/profile", &cookie).await.status, 200);
        }
        engine.signal("-STOP");
        let answer = one.post("/logout", &cookie).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.text.contains("not confirmed"), "{}", answer.text);
        assert!(answer.removes(NAME), "the cookie is not removed");
        assert_ne!(one.get("/profile", &cookie).await.status, 200);
        engine.signal("-CONT");
        // The server that was told has not served it in between, and the other one refuses it soon.
        assert_eq!(one.get("/profile", &cookie).await.status, 401);
        two.until("/profile", &cookie, 401).await;
        assert_eq!(two.store.count().await, Ok(0));
        assert_eq!(one.get("/profile", &cookie).await.status, 401);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_new_visitor_gets_a_cookie_again_once_the_engine_is_back() {
    with_engine(async |mut engine| {
        let node = Node::over(&engine).await;
        engine.kill();
        assert_eq!(node.post("/visit", "").await.status, 503);
        engine.start_again();
        let mut answer = node.post("/visit", "").await;
        for _ in 0..200 {
            if answer.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = node.post("/visit", "").await;
        }
        assert!(answer.cookie().starts_with(VISITOR));
    });
}
