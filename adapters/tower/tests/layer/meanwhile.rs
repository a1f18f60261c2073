//! One handle of a request acts in the middle of another handle's operation, when the store reads the clock.

use crate::harness::{Answer, NAME, Site};
use cloakroom::{Clock, Content, ManualClock, Principal, SessionStore};
use cloakroom_tower::{Session, SessionError};
use http::header::COOKIE;
use http::{Request, Response};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::{Layer, Service, service_fn};

type Deed = Box<dyn FnOnce() + Send>;

/// A clock that stands still, and calls a closure the next time it is read.
#[derive(Clone, Default)]
struct ActingClock(Arc<Mutex<Option<Deed>>>);

impl Clock for ActingClock {
    fn now(&self) -> Duration {
        let deed = self.0.lock().expect("no panic").take();
        if let Some(deed) = deed {
            deed();
        }
        Duration::ZERO
    }
}

/// Runs an operation of a request with a session of ada's. In its middle, another handle of the request runs another
/// operation.
fn during<R>(
    operation: impl FnOnce(&Session) -> R,
    meanwhile: impl FnOnce(&Session) + Send + 'static,
) -> (Site, R, Answer) {
    let clock = ActingClock::default();
    let store = SessionStore::builder().clock(clock.clone()).build().expect("a valid configuration");
    let site = Site::over(store, ManualClock::new());
    let user = site.store.new_session().principal(Principal::new("ada"));
    let id = user.create_with([("theme", "dark"), ("n", "1")]).expect("room");
    let (result, answer) = site.visit(&[id], |session| {
        let other = session.clone();
        *clock.0.lock().expect("no panic") = Some(Box::new(move || meanwhile(&other)));
        let result = operation(session);
        assert!(clock.0.lock().expect("no panic").is_none(), "the other handle has not run");
        result
    });
    (site, result, answer)
}

fn rotate(session: &Session) {
    session.rotate().expect("a session");
}

#[test]
fn a_read_during_a_rotation_finds_the_session_under_its_new_id() {
    assert_eq!(during(|session| session.get("theme"), rotate).1.as_deref(), Some("dark"));
    assert_eq!(during(|session| session.principal(), rotate).1, Some(Principal::new("ada")));
    assert_eq!(during(|session| session.take("theme"), rotate).1.as_deref(), Some("dark"));
    assert!(during(|session| session.exists(), rotate).1);
}

#[test]
fn a_change_during_a_rotation_is_made_under_the_new_id() {
    let (site, result, answer) = during(|session| session.set("theme", "light"), rotate);
    assert_eq!((result, site.store.get(&answer.id(), "theme").as_deref()), (Ok(()), Some("light")));
    let (site, result, answer) = during(|session| session.increment("n", 1), rotate);
    assert_eq!((result, site.store.get(&answer.id(), "n").as_deref()), (Ok(2), Some("2")));
    let (site, result, answer) = during(|session| session.clear(), rotate);
    assert_eq!((result, site.store.keys(&answer.id())), (Ok(()), Some(vec![])));
    let (site, result, answer) = during(|session| session.rotate(), rotate);
    assert_eq!((result, site.store.get(&answer.id(), "theme").as_deref()), (Ok(()), Some("dark")));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_logout_during_a_rotation_ends_the_session_under_its_new_id() {
    let (site, ended, answer) = during(|session| session.logout(), rotate);
    assert!(ended && answer.removes());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn an_attribute_set_during_a_logout_of_the_same_request_is_in_a_new_session() {
    let (site, result, answer) =
        during(|session| session.set("flash", "Goodbye."), |session| assert!(session.logout()));
    assert_eq!(result, Ok(()));
    assert_eq!(site.store.keys(&answer.id()), Some(vec!["flash".to_owned()]));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_login_during_a_rotation_leaves_one_session() {
    let (site, result, answer) = during(|session| session.login(&Principal::new("ada")), rotate);
    assert_eq!(result, Ok(()));
    assert_eq!(site.store.principal(&answer.id()), Some(Principal::new("ada")));
    assert_eq!(site.store.get(&answer.id(), "theme").as_deref(), Some("dark"));
    assert_eq!(site.store.count(), 1);
}

/// A request whose handler never completes, and its handle. To drop the request is to disconnect the client.
fn suspended<T: Content + ?Sized>(site: &Site<T>, cookie: &str) -> (impl Send + use<T>, Session<T>) {
    let handle = Arc::new(Mutex::new(None));
    let given = Arc::clone(&handle);
    let mut service = site.layer.layer(service_fn(move |request: Request<()>| {
        *given.lock().expect("no panic") = request.extensions().get::<Session<T>>().cloned();
        std::future::pending::<Result<Response<()>, Infallible>>()
    }));
    let request = Request::builder().header(COOKIE, cookie).body(()).expect("a request");
    let response = service.call(request);
    let handle = handle.lock().expect("no panic").take();
    (response, handle.expect("the handler has run"))
}

#[test]
fn a_session_created_while_the_client_disconnects_is_ended() {
    let clock = ActingClock::default();
    let store = SessionStore::builder().clock(clock.clone()).build().expect("a valid configuration");
    let site = Site::over(store, ManualClock::new());
    type Operation = fn(&Session) -> Result<(), SessionError>;
    let operations: [Operation; 3] = [
        |session| session.set("a", "b"),
        |session| session.update(|draft| draft.set("a", "b")),
        |session| session.login(&Principal::new("ada")),
    ];
    for operation in operations {
        let (response, session) = suspended(&site, "");
        *clock.0.lock().expect("no panic") = Some(Box::new(move || drop(response)));
        assert_eq!(operation(&session), Err(SessionError::Answered));
        assert_eq!(site.store.count(), 0);
    }

    let id = site.store.create().expect("room");
    let (response, session) = suspended(&site, &format!("{NAME}={id}"));
    *clock.0.lock().expect("no panic") = Some(Box::new(move || drop(response)));
    assert_eq!(session.rotate(), Err(SessionError::Answered));
    assert!(site.store.exists(&id), "the client knows no other id");
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_typed_session_created_while_the_client_disconnects_is_ended() {
    let clock = ActingClock::default();
    let store = SessionStore::builder().clock(clock.clone()).build_typed::<u32>().expect("a valid configuration");
    let site = Site::over(store, ManualClock::new());
    let (response, session) = suspended(&site, "");
    *clock.0.lock().expect("no panic") = Some(Box::new(move || drop(response)));
    assert_eq!(session.create_with(7), Err(SessionError::Answered));
    assert_eq!(site.store.count(), 0);
}
