//! Sessions that end while a request is in flight.

use crate::harness::{Site, now};
use cloakroom::Principal;
use cloakroom_tower::{Session, SessionError};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::{Layer, Service, service_fn};

#[test]
fn a_session_that_ends_during_a_request_is_neither_restored_nor_replaced() {
    type Op = fn(&Session) -> Result<(), SessionError>;
    let operations: [(&str, Op); 9] = [
        ("set", |session| session.set("a", "b")),
        ("set_each", |session| session.set_each([("a", "b"), ("c", "d")])),
        ("update", |session| session.update(|draft| draft.set("a", "b"))),
        ("increment", |session| session.increment("n", 1).map(drop)),
        ("remove", |session| session.remove("user").map(drop)),
        ("clear", |session| session.clear()),
        ("rotate", |session| session.rotate()),
        ("bind", |session| session.bind(&Principal::new("ada"))),
        ("set_timeouts", |session| session.set_timeouts(Default::default())),
    ];
    for rolling in [false, true] {
        let site = Site::with(|store| store.ttl(Duration::from_secs(60)));
        let site = site.changed(|layer| layer.rolling(rolling).remove_stale(true));
        type End = fn(&Site, &cloakroom::SessionId);
        let ends: [End; 2] =
            [|site, id| assert!(site.store.delete(id)), |site, _| site.clock.advance(Duration::from_secs(61))];
        for (name, operation) in operations {
            for end in ends {
                let id = site.store.create_with([("user", "ada"), ("n", "1")]).expect("room");
                let (result, answer) = site.visit(&[id], |session| {
                    assert_eq!(session.get("user").as_deref(), Some("ada"));
                    end(&site, &id);
                    operation(session)
                });
                assert_eq!(result, Err(SessionError::Gone), "{name}");
                assert!(answer.sets_nothing(), "{name}: {answer:?}");
                assert_eq!(site.store.count(), 0, "{name}");
            }
        }
    }
}

#[test]
fn a_session_that_ends_before_the_handler_runs_is_not_replaced() {
    let site = Site::new();
    let id = site.store.create().expect("room");
    let (result, answer) = site.visit(&[id], |session| {
        site.store.delete(&id);
        session.set("a", "b")
    });
    assert_eq!(result, Err(SessionError::Gone));
    assert!(answer.sets_nothing() && site.store.count() == 0);
}

#[test]
fn a_session_ended_between_its_creation_and_the_response_gets_no_cookie() {
    let site = Site::new();
    let ada = Principal::new("ada");
    let ((), answer) = site.visit(&[], |session| {
        session.login(&ada).expect("room");
        assert_eq!(site.store.end_sessions_of(&ada), 1);
        assert_eq!(session.set("a", "b"), Err(SessionError::Gone));
    });
    assert!(answer.sets_nothing());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn a_login_succeeds_although_another_request_logs_out() {
    let site = Site::new();
    let id = site.store.create().expect("room");
    let (result, answer) = site.visit(&[id], |session| {
        site.store.delete(&id);
        session.login(&Principal::new("ada"))
    });
    assert_eq!(result, Ok(()));
    assert!(site.store.exists(&answer.id()));
}

/// The logout completes while the other request's handler is suspended.
#[test]
fn a_request_suspended_during_a_logout_sets_no_cookie() {
    let site = Site::new();
    let (_, login) = site.visit(&[], |session| session.login(&Principal::new("ada")).expect("room"));
    let id = login.id();
    let mut service = site.layer.layer(service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("the layer").clone();
        assert!(session.principal().is_some());
        let mut polls = 0;
        poll_fn(|_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert_eq!(session.set("last_page", "/profile"), Err(SessionError::Gone));
        Ok::<_, Infallible>(Response::new(session.principal().is_some()))
    }));
    let cookie = format!("__Host-session_id={id}");
    let request = Request::builder().header(COOKIE, cookie).body(()).expect("a request");
    let mut suspended = Box::pin(service.call(request));
    assert!(suspended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let (ended, logout) = site.visit(&[id], |session| session.logout());
    assert!(ended && logout.removes());

    let response = now(suspended).expect("infallible");
    assert!(!*response.body() && !response.headers().contains_key(SET_COOKIE));
    assert_eq!(site.store.count(), 0);
}

#[test]
fn no_session_is_created_after_the_client_has_disconnected() {
    let site = Site::new();
    let mut handle = None;
    let mut service = site.layer.layer(service_fn(|request: Request<()>| {
        handle = request.extensions().get::<Session>().cloned();
        std::future::pending::<Result<Response<()>, Infallible>>()
    }));
    let mut suspended = Box::pin(service.call(Request::new(())));
    assert!(suspended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop((suspended, service));
    assert_eq!(handle.expect("a handle").set("a", "b"), Err(SessionError::Answered));
    assert_eq!(site.store.count(), 0);
}

#[test]
fn a_task_that_outlives_the_response_can_use_the_session_but_not_create_or_rotate_one() {
    let site = Site::new();
    let (visitor, answer) = site.visit(&[], |session| session.clone());
    assert!(answer.sets_nothing());
    assert_eq!(visitor.set("a", "b"), Err(SessionError::Answered));
    assert_eq!(visitor.login(&Principal::new("ada")), Err(SessionError::Answered));
    assert_eq!(visitor.rotate(), Err(SessionError::Gone));
    assert_eq!(site.store.count(), 0);

    let (user, answer) = site.visit(&[], |session| {
        session.login(&Principal::new("ada")).expect("room");
        session.clone()
    });
    assert_eq!(user.set("report", "done"), Ok(()));
    assert_eq!(user.rotate(), Err(SessionError::Answered));
    assert_eq!(site.store.get(&answer.id(), "report").as_deref(), Some("done"));
    assert!(user.logout());
    assert_eq!(site.store.count(), 0);
}
