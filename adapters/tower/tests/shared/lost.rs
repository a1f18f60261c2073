//! Responses that are not handed over: no client learns the ids that their requests have issued.

use crate::harness::{DEADLINE, Node, layer, store, with_engine};
use cloakroom::Principal;
use cloakroom_redis::SharedStore;
use cloakroom_tower::SessionError;
use cloakroom_tower::shared::Session;
use http::{Request, Response};
use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower::{Layer, ServiceExt, service_fn};

/// Waits until the engine has no session left.
async fn all_have_ended(store: &SharedStore) {
    let start = Instant::now();
    while store.count().await != Ok(0) {
        assert!(start.elapsed() < DEADLINE, "a session is left over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn session(request: &Request<()>) -> Session {
    request.extensions().get::<Session>().expect("the layer").clone()
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_whose_response_is_dropped_ends() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        for login in [false, true] {
            let service = layer(store.clone()).layer(service_fn(async |request: Request<()>| {
                let session = session(&request);
                if login {
                    session.login(&Principal::new("ada")).await.expect("room");
                } else {
                    session.set("a", "b").await.expect("room");
                }
                assert_eq!(session.store().count().await, Ok(1));
                pending::<()>().await;
                Ok::<_, Infallible>(Response::new(()))
            }));
            let answer = tokio::time::timeout(Duration::from_secs(1), service.oneshot(Request::new(()))).await;
            assert!(answer.is_err(), "the client waits no longer");
            all_have_ended(&store).await;
        }
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_whose_response_is_an_error_ends() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let service = layer(store.clone()).layer(service_fn(async |request: Request<()>| {
            session(&request).set("a", "b").await.expect("room");
            Err::<Response<()>, _>("the service fails")
        }));
        assert!(service.oneshot(Request::new(())).await.is_err());
        all_have_ended(&store).await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_whose_handler_panics_ends() {
    with_engine(async |engine| {
        let node = Node::over(&engine).await;
        let mut socket = TcpStream::connect(node.address).await.expect("the server listens");
        socket.write_all(b"POST /panic HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.expect("it listens");
        let start = Instant::now();
        while node.store.health().commands == 0 {
            assert!(start.elapsed() < DEADLINE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The connection ends without a response.
        socket.readable().await.expect("the connection");
        assert_eq!(socket.try_read(&mut [0; 1]).expect("no error"), 0);
        all_have_ended(&node.store).await;
    });
}

/// The engine creates the session although nobody waits for it any more; nobody can learn of it.
#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_that_is_created_after_its_request_was_dropped_ends() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let service = layer(store.clone()).layer(service_fn(async |request: Request<()>| {
            session(&request).login(&Principal::new("ada")).await.expect("never");
            Ok::<_, Infallible>(Response::new(()))
        }));
        engine.signal("-STOP");
        let answer = tokio::time::timeout(Duration::from_millis(100), service.oneshot(Request::new(()))).await;
        assert!(answer.is_err(), "the client waits no longer");
        engine.signal("-CONT");
        tokio::time::sleep(Duration::from_millis(300)).await;
        all_have_ended(&store).await;
        assert!(engine.tell("INFO commandstats").contains("cmdstat_"), "the engine was never asked");
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn after_its_response_a_task_can_use_the_session_and_issue_no_id() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let (hand_out, handle) = tokio::sync::oneshot::channel();
        let hand_out = std::sync::Mutex::new(Some(hand_out));
        let service = layer(store.clone()).layer(service_fn(async |request: Request<()>| {
            let session = session(&request);
            session.set("a", "b").await.expect("room");
            let _ = hand_out.lock().expect("no panic").take().expect("one request").send(session);
            Ok::<_, Infallible>(Response::new(()))
        }));
        service.oneshot(Request::new(())).await.expect("an answer");
        let session = handle.await.expect("a handle");
        assert_eq!(session.set("a", "c").await, Ok(()));
        assert_eq!(session.get("a").await, Ok(Some("c".to_owned())));
        assert_eq!(session.rotate().await, Err(SessionError::Answered));
        assert_eq!(session.login(&Principal::new("ada")).await, Err(SessionError::Answered));
        assert_eq!(session.get("a").await, Ok(Some("c".to_owned())));
        assert_eq!(session.logout().await, Ok(true));
        assert_eq!(session.set("a", "d").await, Err(SessionError::Gone));
        assert_eq!(store.count().await, Ok(0));
    });
}
