//! Two servers on one engine.

use crate::harness::{BOUND, NAME, Node, SLACK, VISITOR, with_engine};
use std::time::Instant;

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_login_on_one_server_is_a_login_on_the_other() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        let cookie = one.logged_in("ada").await;
        for node in [&one, &two] {
            let answer = node.get("/profile", &cookie).await;
            assert_eq!((answer.status, &*answer.text), (200, "ada"));
            assert!(answer.cookies.is_empty());
        }
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_logout_on_one_server_is_refused_by_it_at_once_and_by_the_other_within_the_bound() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        for round in 0..20 {
            let cookie = one.logged_in("ada").await;
            assert_eq!(two.get("/profile", &cookie).await.status, 200);
            assert_eq!(one.get("/profile", &cookie).await.status, 200);
            let (from, to) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
            let answer = from.post("/logout", &cookie).await;
            assert_eq!((answer.status, &*answer.text), (200, "true"));
            assert!(answer.removes(NAME));
            let ended = Instant::now();
            assert_eq!(from.get("/profile", &cookie).await.status, 401);
            to.until("/profile", &cookie, 401).await;
            assert!(ended.elapsed() < BOUND + SLACK, "{:?}", ended.elapsed());
        }
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn the_end_of_all_devices_is_refused_by_all_servers_within_the_bound() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        let (laptop, phone, other) =
            (one.logged_in("ada").await, two.logged_in("ada").await, two.logged_in("eve").await);
        for node in [&one, &two] {
            for cookie in [&laptop, &phone, &other] {
                assert_eq!(node.get("/profile", cookie).await.status, 200);
            }
        }
        let answer = one.post("/everywhere", &laptop).await;
        assert_eq!((answer.status, &*answer.text), (200, "2"));
        assert!(answer.removes(NAME));
        let ended = Instant::now();
        for cookie in [&laptop, &phone] {
            assert_eq!(one.get("/profile", cookie).await.status, 401);
            two.until("/profile", cookie, 401).await;
        }
        assert!(ended.elapsed() < BOUND + SLACK, "{:?}", ended.elapsed());
        assert_eq!(two.get("/profile", &other).await.status, 200);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn requests_for_a_session_in_the_near_cache_and_without_a_session_ask_nobody() {
    with_engine(async |engine| {
        let node = Node::over(&engine).await;
        let cookie = node.logged_in("ada").await;
        assert_eq!(node.get("/profile", &cookie).await.status, 200);
        // What a fill or a first touch has left to be done is done.
        tokio::time::sleep(BOUND).await;
        let before = engine.commands();
        for _ in 0..50 {
            assert_eq!(node.get("/profile", &cookie).await.status, 200);
            // Its handler does not ask for the session.
            assert_eq!(node.get("/plain", "session_id=00").await.status, 200);
            assert_eq!(node.get("/plain", &cookie).await.status, 200);
            assert_eq!(node.get("/profile", "").await.status, 401);
        }
        assert_eq!(engine.commands(), before);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_request_that_a_login_has_overtaken_stores_nothing_and_sets_no_cookie() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        let visitor = one.post("/visit", "").await.cookie();
        assert!(visitor.starts_with(VISITOR));
        let late = {
            let gate = std::sync::Arc::clone(&one.gate);
            let waiting = async { one.post("/wait", &visitor).await };
            let login = async {
                gate.reached.notified().await;
                let answer = two.post("/login?user=ada", &visitor).await;
                gate.open.notify_one();
                answer
            };
            let (late, login) = tokio::join!(waiting, login);
            assert_eq!((login.status, login.cookies.len()), (200, 2));
            assert!(login.cookies[0].starts_with(NAME) && login.removes(VISITOR));
            late
        };
        assert_eq!((late.status, late.cookies.len()), (409, 0), "{}", late.text);
        // The next request with the old cookie, on the server that does not know of the login by itself.
        let again = one.post("/visit", &visitor).await;
        assert_eq!((again.status, again.cookies.len()), (409, 0), "{}", again.text);
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_request_that_a_logout_has_overtaken_stores_nothing_and_sets_no_cookie() {
    with_engine(async |engine| {
        let (one, two) = (Node::over(&engine).await, Node::over(&engine).await);
        let cookie = one.logged_in("ada").await;
        let gate = std::sync::Arc::clone(&one.gate);
        let waiting = async { one.post("/wait", &cookie).await };
        let logout = async {
            gate.reached.notified().await;
            let answer = two.post("/logout", &cookie).await;
            gate.open.notify_one();
            answer
        };
        let (late, logout) = tokio::join!(waiting, logout);
        assert_eq!(logout.status, 200);
        assert_eq!((late.status, late.cookies.len()), (401, 0), "{}", late.text);
        assert_eq!(one.store.count().await, Ok(0));
    });
}
