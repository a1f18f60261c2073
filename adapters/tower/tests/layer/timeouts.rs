//! The timeouts of sessions: those of the store, those of the layer, and their restart at a login.

use crate::harness::{Answer, NAME, Site, now};
use cloakroom::{Attributes, Clock, ManualClock, Principal, SessionId, SessionStore, Timeouts};
use cloakroom_tower::{Session, SessionError, SessionLayer};
use http::{Request, Response, header::COOKIE};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tower::{Layer, Service, service_fn};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An operation of a handler on its session.
type Operation<T = Attributes> = fn(&Session<T>) -> Result<(), SessionError>;

fn ada() -> Principal {
    Principal::new("ada")
}

/// A layer with an idle timeout of ten seconds and an absolute one of a minute, over a store with longer ones.
fn site() -> Site {
    let site = Site::with(|store| store.ttl(seconds(100)).absolute_timeout(seconds(1_000)));
    site.changed(|layer| layer.idle_timeout(seconds(10)).absolute_timeout(seconds(60)))
}

/// The time until a session ends if it is not used, and if it is used all the time.
fn life_times(site: &Site, id: &SessionId) -> (Duration, Duration) {
    let idle = site.store.expires_in(id).expect("a session");
    let mut busy = Duration::ZERO;
    while site.store.touch(id) {
        site.clock.advance(seconds(1));
        busy += seconds(1);
    }
    (idle, busy - seconds(1))
}

fn log_in(site: &Site, ids: &[SessionId]) -> Answer {
    site.visit(ids, |session| session.login(&ada()).expect("room")).1
}

#[test]
fn a_session_has_the_timeouts_of_the_store_unless_it_is_given_others() {
    let site = Site::with(|store| store.ttl(seconds(60)));
    let id = site.store.create().expect("room");
    site.clock.advance(seconds(20));
    let (left, _) = site.visit(&[id], |session| {
        let before = session.expires_in();
        session.set_timeouts(Timeouts::default().idle(seconds(300))).expect("a session");
        [before, session.expires_in()]
    });
    assert_eq!(left, [40, 300].map(|left| Some(seconds(left))));
}

#[test]
fn every_operation_that_creates_a_session_gives_it_the_timeouts_of_the_layer() {
    let ways: [(&str, Operation); 4] = [
        ("set", |session| session.set("theme", "dark")),
        ("increment", |session| session.increment("visits", 1).map(drop)),
        ("update", |session| session.update(|draft| draft.set("theme", "dark"))),
        ("login", |session| session.login(&ada())),
    ];
    for (name, way) in ways {
        let site = site();
        let (result, answer) = site.visit(&[], way);
        assert_eq!(result, Ok(()), "{name}");
        assert_eq!(life_times(&site, &answer.id()), (seconds(10), seconds(60)), "{name}");
    }
}

#[test]
fn typed_sessions_have_the_timeouts_of_the_layer_too() {
    let ways: [Operation<u32>; 2] = [|session| session.create_with(7), |session| session.login_with(&ada(), |_| 7)];
    for way in ways {
        let clock = ManualClock::new();
        let store = SessionStore::builder().clock(clock.clone()).build_typed().expect("a valid configuration");
        let site = Site::over(store, clock).changed(|layer| layer.idle_timeout(seconds(10)));
        let (left, _) = site.visit(&[], |session| {
            way(session).expect("room");
            session.expires_in()
        });
        assert_eq!(left, Some(seconds(10)));
    }
}

#[test]
fn a_session_created_in_the_store_has_the_stores_timeouts_until_a_login() {
    let site = site();
    let id = site.store.create().expect("room");
    site.visit(&[id], |session| session.set("theme", "dark").expect("a session"));
    assert_eq!(site.store.expires_in(&id), Some(seconds(100)));
    let logged_in = log_in(&site, &[id]).id();
    assert_eq!(life_times(&site, &logged_in), (seconds(10), seconds(60)));
}

#[test]
fn each_login_restarts_the_absolute_timeout() {
    let by_store = Site::with(|store| store.absolute_timeout(seconds(60)));
    let by_layer = Site::new().changed(|layer| layer.absolute_timeout(seconds(60)));
    for site in [by_store, by_layer] {
        let (_, visitor) = site.visit(&[], |session| session.set("basket", "apple").expect("room"));
        site.clock.advance(seconds(59));
        let first = log_in(&site, &[visitor.id()]).id();
        site.clock.advance(seconds(59));
        let second = log_in(&site, &[first]).id();
        assert_eq!(site.store.get(&second, "basket").as_deref(), Some("apple"), "it is one session throughout");
        assert_eq!(life_times(&site, &second).1, seconds(60));
    }
}

#[test]
fn each_login_to_a_typed_session_restarts_the_timeouts_of_the_layer() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build_typed::<u32>().expect("a valid configuration");
    let layered = |layer: SessionLayer<u32>| layer.idle_timeout(seconds(100)).absolute_timeout(seconds(60));
    let site = Site::over(store, clock).changed(layered);
    let mut id = site.store.create_with(7).expect("room");
    for user in ["ada", "ada", "eve"] {
        site.clock.advance(seconds(59));
        let (_, answer) = site.visit(&[id], |session| session.login_with(&Principal::new(user), |_| 8).expect("room"));
        id = answer.id();
        assert_eq!(site.store.expires_in(&id), Some(seconds(60)), "{user}");
    }
}

#[test]
fn a_new_id_without_a_login_keeps_the_absolute_timeout() {
    let ways: [Operation; 2] = [|session| session.rotate(), |session| session.bind(&ada())];
    for way in ways {
        let site = site();
        let (_, visitor) = site.visit(&[], |session| session.set("theme", "dark").expect("room"));
        site.clock.advance(seconds(9));
        let (result, answer) = site.visit(&[visitor.id()], way);
        assert_eq!(result, Ok(()));
        assert_eq!(life_times(&site, &answer.id()).1, seconds(51));
    }
}

#[test]
fn a_login_sets_the_stores_timeouts_if_the_layer_has_none() {
    let site = Site::with(|store| store.ttl(seconds(10)).absolute_timeout(seconds(60)));
    let own = || site.store.new_session().idle_timeout(seconds(500)).absolute_timeout(seconds(5_000));
    let logged_in = log_in(&site, &[own().create().expect("room")]).id();
    assert_eq!(life_times(&site, &logged_in), (seconds(10), seconds(60)));

    let site = Site::with(|store| store.ttl(seconds(10)));
    let own = || site.store.new_session().idle_timeout(seconds(5)).absolute_timeout(seconds(60));
    let logged_in = log_in(&site, &[own().create().expect("room")]).id();
    assert_eq!(site.store.expires_in(&logged_in), Some(seconds(10)));
    for _ in 0..100 {
        site.clock.advance(seconds(10));
        assert!(site.store.touch(&logged_in), "there is no absolute timeout");
    }
}

/// A clock that jumps by ten seconds after the given number of reads.
struct Jumps(AtomicU32);

impl Clock for Jumps {
    fn now(&self) -> Duration {
        let to_come = self.0.load(Ordering::Relaxed);
        self.0.store(to_come.saturating_sub(1), Ordering::Relaxed);
        if to_come > 0 { seconds(100) } else { seconds(110) }
    }
}

#[test]
fn a_login_succeeds_even_if_the_old_timeout_expires_during_it() {
    let mut jumps = 0;
    for before_jump in 0.. {
        let clock = Arc::new(Jumps(AtomicU32::new(u32::MAX)));
        let store = SessionStore::builder().absolute_timeout(seconds(60)).clock(Arc::clone(&clock)).build();
        let store = Arc::new(store.expect("a valid configuration"));
        let id = store.new_session().absolute_timeout(seconds(5)).create().expect("room");
        let mut service = SessionLayer::new(Arc::clone(&store)).layer(service_fn(async |request: Request<()>| {
            let session = request.extensions().get::<Session>().expect("the layer");
            clock.0.store(before_jump, Ordering::Relaxed);
            session.login(&ada()).expect("room");
            let in_its_course = clock.0.load(Ordering::Relaxed) == 0;
            clock.0.store(0, Ordering::Relaxed);
            assert_eq!(session.principal(), Some(ada()), "a jump after {before_jump} reads");
            assert!(session.expires_in() >= Some(seconds(50)), "a jump after {before_jump} reads");
            Ok::<_, Infallible>(Response::new(in_its_course))
        }));
        let cookie = format!("{}={id}", NAME);
        let request = Request::builder().header(COOKIE, cookie).body(()).expect("a request");
        if !now(service.call(request)).expect("infallible").into_body() {
            break;
        }
        jumps += 1;
    }
    assert!(jumps >= 2, "a login reads the clock at least twice, but only {jumps} jumps were in its course");
}
