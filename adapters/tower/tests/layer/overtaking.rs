//! Requests that overtake each other, with a browser that keeps cookies in the order in which responses arrive.

use crate::harness::{Answer, NAME, Site, VISITOR, now};
use cloakroom::{Principal, SessionId, SessionStore};
use cloakroom_tower::{Session, SessionError, SessionLayer};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tower::{Layer, Service, service_fn};

fn ada() -> Principal {
    Principal::new("ada")
}

/// The cookies of a browser.
#[derive(Clone, Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn receive(&mut self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("name=value");
            match cookie.ends_with("Max-Age=0") {
                true => _ = self.0.remove(name),
                false => _ = self.0.insert(name.to_owned(), value.to_owned()),
            }
        }
    }
}

/// Sends a request with this `Cookie` header.
fn send<R>(layer: &SessionLayer, cookies: &str, handler: impl FnOnce(&Session) -> R) -> (R, Answer) {
    let (mut result, mut handler) = (None, Some(handler));
    let request = Request::builder().header(COOKIE, cookies).body(()).expect("a request");
    let inner = tower::util::service_fn(|request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("the layer");
        result = handler.take().map(|handler| handler(session));
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    let answer = Answer(now(layer.layer(inner).call(request)).expect("infallible"));
    (result.expect("the handler has run"), answer)
}

fn user(site: &Site, jar: &Jar) -> Option<Principal> {
    send(&site.layer, &jar.header(), |session| session.principal()).0
}

fn log_in(site: &Site, jar: &Jar) -> Answer {
    let (login, answer) = send(&site.layer, &jar.header(), |session| session.login(&ada()));
    assert_eq!(login, Ok(()));
    answer
}

/// A layer whose settings send and remove cookies as often as any do.
fn eager(layer: SessionLayer) -> SessionLayer {
    layer.rolling(true).remove_stale(true)
}

#[test]
fn a_late_request_with_the_old_id_stores_nothing_and_leaves_the_cookies() {
    for site in [Site::new(), Site::new().changed(eager), Site::new().changed(|layer| eager(layer).one_cookie())] {
        let mut jar = Jar::default();
        jar.receive(&send(&site.layer, "", |session| session.set("basket", "3 apples")).1);
        let old = jar.header();
        jar.receive(&log_in(&site, &jar));

        let (late, answer) = send(&site.layer, &old, |session| {
            assert_eq!((session.id(), session.exists(), session.get("basket")), (None, false, None));
            let updated = session.update(|draft| draft.set("last_page", "/slow"));
            let refused = [session.set("last_page", "/slow"), updated, session.rotate()];
            refused.map(|result| result.expect_err("the session has another id"))
        });
        assert_eq!(late, [SessionError::Replaced; 3]);
        assert!(answer.sets_nothing(), "{answer:?}");
        jar.receive(&answer);
        assert_eq!((user(&site, &jar), site.store.count()), (Some(ada()), 1));
    }
}

#[test]
fn a_request_that_was_under_way_during_a_rotation_or_a_login_fails_with_a_clear_error() {
    type Change = fn(&Session) -> Result<(), SessionError>;
    let changes: [Change; 2] = [|session| session.rotate(), |session| session.login(&ada())];
    for change in changes {
        let site = Site::new().changed(eager);
        let id = site.store.create_with([("theme", "dark")]).expect("room");
        let (result, late) = site.visit(&[id], |session| {
            let (changed, answer) = site.visit(&[id], change);
            assert_eq!(changed, Ok(()));
            assert!(site.store.exists(&answer.id()));
            (session.get("theme"), session.set("theme", "light"), session.remove("theme"), session.rotate())
        });
        let replaced = SessionError::Replaced;
        assert_eq!(result, (None, Err(replaced), Err(replaced), Err(replaced)));
        assert!(late.sets_nothing(), "{late:?}");
        assert_eq!(site.store.count(), 1);
    }
}

#[test]
fn a_late_request_of_a_logout_stores_nothing_and_leaves_the_cookie_of_the_next_login() {
    for site in [Site::new(), Site::new().changed(|layer| eager(layer).one_cookie())] {
        let mut jar = Jar::default();
        jar.receive(&log_in(&site, &jar));
        let old = jar.header();
        jar.receive(&send(&site.layer, &old, |session| session.logout()).1);
        assert_eq!((jar.header(), site.store.count()), (String::new(), 0));
        jar.receive(&log_in(&site, &jar));
        let (late, answer) = send(&site.layer, &old, |session| session.set("last_page", "/slow"));
        assert_eq!(late, Err(SessionError::Gone));
        jar.receive(&answer);
        assert_eq!((user(&site, &jar), site.store.count()), (Some(ada()), 1));
    }
}

#[test]
fn a_request_without_a_cookie_does_not_displace_a_login_whichever_arrives_first() {
    for login_first in [true, false] {
        let site = Site::new();
        let mut jar = Jar::default();
        let (stored, late) = send(&site.layer, "", |session| session.set("page", "/slow"));
        assert_eq!(stored, Ok(()));
        let login = log_in(&site, &jar);
        let order = if login_first { [&login, &late] } else { [&late, &login] };
        order.into_iter().for_each(|answer| jar.receive(answer));
        assert_eq!(user(&site, &jar), Some(ada()), "{login_first}");

        // A logout ends both sessions, and removes both cookies.
        let (ended, logout) = send(&site.layer, &jar.header(), |session| session.logout());
        jar.receive(&logout);
        assert!(ended && jar.header().is_empty(), "{logout:?}");
        assert_eq!((user(&site, &jar), site.store.count()), (None, 0));
    }
}

#[test]
fn a_login_takes_the_visitors_session_over_and_removes_its_cookie() {
    let site = Site::new();
    let mut jar = Jar::default();
    jar.receive(&send(&site.layer, "", |session| session.set("basket", "3 apples")).1);
    assert!(jar.0.contains_key(VISITOR) && !jar.0.contains_key(NAME));
    jar.receive(&send(&site.layer, &jar.header(), |session| session.rotate()).1);
    assert!(jar.0.contains_key(VISITOR) && jar.0.len() == 1);
    jar.receive(&log_in(&site, &jar));
    assert_eq!(jar.0.keys().collect::<Vec<_>>(), [NAME]);
    assert_eq!(send(&site.layer, &jar.header(), |session| session.get("basket")).0.as_deref(), Some("3 apples"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_visitors_session_under_the_users_cookie_moves_to_its_own() {
    let site = Site::new();
    let id = site.store.create_with([("basket", "3 apples")]).expect("room");
    let mut jar = Jar::default();
    jar.0.insert(NAME.to_owned(), id.to_string());
    jar.receive(&send(&site.layer, &jar.header(), |session| session.rotate()).1);
    assert_eq!(jar.0.keys().collect::<Vec<_>>(), [VISITOR]);
    assert_eq!(send(&site.layer, &jar.header(), |session| session.get("basket")).0.as_deref(), Some("3 apples"));
}

#[test]
fn with_one_cookie_all_sessions_have_the_same_name() {
    let site = Site::new().changed(|layer| layer.one_cookie());
    let mut jar = Jar::default();
    jar.receive(&send(&site.layer, "", |session| session.set("basket", "3 apples")).1);
    assert_eq!(jar.0.keys().collect::<Vec<_>>(), [NAME]);
    jar.receive(&log_in(&site, &jar));
    assert_eq!((jar.0.len(), user(&site, &jar)), (1, Some(ada())));
}

#[test]
fn the_id_of_an_expired_session_is_replaced_by_a_login_too() {
    let site = Site::with(|store| store.ttl(Duration::from_secs(60))).changed(|layer| eager(layer).one_cookie());
    let expired = site.store.create().expect("room");
    site.clock.advance(Duration::from_secs(61));
    let (login, answer) = site.visit(&[expired], |session| session.login(&ada()));
    assert_eq!(login, Ok(()));
    let (late, nothing) = site.visit(&[expired], |session| session.set("last_page", "/slow"));
    assert_eq!(late, Err(SessionError::Replaced));
    assert!(nothing.sets_nothing(), "{nothing:?}");
    assert_eq!(site.store.sessions_of(&ada()), [answer.id()]);
}

#[test]
fn a_user_may_log_in_again_with_a_replaced_id() {
    let site = Site::new();
    let old = site.store.create().expect("room");
    let first = site.visit(&[old], |session| session.login(&ada())).1;
    let (login, second) = site.visit(&[old], |session| session.login(&Principal::new("eve")));
    assert_eq!(login, Ok(()));
    assert_eq!(site.store.principal(&second.id()), Some(Principal::new("eve")));
    assert!(site.store.exists(&first.id()));
}

/// Calls a service whose inner one does `inner` with the session, and drops the response before it is made.
fn hang_up(site: &Site, ids: &[SessionId], inner: impl Fn(&Session)) {
    let mut service = site.layer.layer(service_fn(|request: Request<()>| {
        inner(request.extensions().get::<Session>().expect("the layer"));
        std::future::pending::<Result<Response<()>, Infallible>>()
    }));
    let cookies = ids.iter().map(|id| format!("{NAME}={id}")).collect::<Vec<_>>().join("; ");
    drop(service.call(Request::builder().header(COOKIE, cookies).body(()).expect("a request")));
}

#[test]
fn a_login_whose_response_is_dropped_leaves_no_device_and_the_visitor_as_before() {
    let site = Site::with(|store| store.max_sessions_per_principal(1));
    hang_up(&site, &[], |session| session.login(&ada()).expect("room"));
    assert_eq!(site.store.count(), 0);

    let visitor = site.store.create_with([("basket", "3 apples")]).expect("room");
    hang_up(&site, &[visitor], |session| {
        session.login(&ada()).expect("there is room, because the first login was not delivered");
        session.set("address", "12 St James's Square").expect("a session");
    });
    assert_eq!((site.store.count(), site.store.sessions_of(&ada())), (1, vec![]));
    assert_eq!(site.store.keys(&visitor), Some(vec!["basket".to_owned()]));
    let (login, answer) = site.visit(&[visitor], |session| session.login(&ada()));
    assert_eq!(login, Ok(()));
    assert_eq!(site.store.get(&answer.id(), "basket").as_deref(), Some("3 apples"));
}

#[test]
fn all_changes_of_a_dropped_request_are_taken_back() {
    let site = Site::new();
    let old = site.store.create_with([("n", "1")]).expect("room");
    hang_up(&site, &[old], |session| {
        (0..5).for_each(|_| session.rotate().expect("a session"));
        session.login(&ada()).expect("room");
        session.rotate().expect("a session");
    });
    assert_eq!((site.store.get(&old, "n").as_deref(), site.store.count()), (Some("1"), 1));
    // A session that was created ends, and so does one that was created and rotated.
    hang_up(&site, &[], |session| {
        session.set("a", "b").expect("room");
        session.rotate().expect("a session");
    });
    // A logout is not taken back.
    hang_up(&site, &[old], |session| {
        session.rotate().expect("a session");
        assert!(session.logout());
        session.set("flash", "Goodbye.").expect("room");
    });
    assert_eq!(site.store.count(), 0);
}

#[test]
fn a_logout_by_the_old_id_wins_over_the_taking_back() {
    let site = Site::new();
    let old = site.store.create().expect("room");
    hang_up(&site, &[old], |session| {
        session.login(&ada()).expect("room");
        let (ended, _) = site.visit(&[old], |other| other.logout());
        assert!(ended, "the client knows no other id");
    });
    assert_eq!(site.store.count(), 0);
}

#[test]
fn a_service_error_and_a_panic_take_the_changes_back() {
    let site = Site::new();
    let visitor = site.store.create().expect("room");
    let request = || Request::builder().header(COOKIE, format!("{NAME}={visitor}")).body(()).expect("a request");
    let log_in = |request: &Request<()>| {
        request.extensions().get::<Session>().expect("the layer").login(&ada()).expect("a session");
        assert_eq!(site.store.sessions_of(&ada()).len(), 1);
    };
    let is_back = || site.store.exists(&visitor) && site.store.sessions_of(&ada()).is_empty();

    let mut failing = site.layer.layer(service_fn(async |request: Request<()>| {
        log_in(&request);
        Err::<Response<()>, _>("the service is broken")
    }));
    assert_eq!(now(failing.call(request())).err(), Some("the service is broken"));
    assert!(is_back());

    let panics = |f: &mut dyn FnMut()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    let mut panicking = site.layer.layer(service_fn(async |request: Request<()>| {
        log_in(&request);
        if request.headers().len() == 1 {
            panic!("in the handler");
        }
        Ok::<_, Infallible>(Response::new(()))
    }));
    assert!(panics(&mut || drop(now(panicking.call(request())))));
    assert!(is_back());

    let mut panicking = site.layer.layer(service_fn(|request: Request<()>| {
        log_in(&request);
        if request.headers().len() == 1 {
            panic!("before there is a future");
        }
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    }));
    assert!(panics(&mut || drop(now(panicking.call(request())))));
    assert!(is_back());
}

#[test]
fn a_closure_that_panics_leaves_no_session() {
    let site = Site::new();
    let (panicked, answer) = site.visit(&[], |session| {
        let update = || session.update(|_| panic!("in the closure"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(update)).is_err()
    });
    assert!(panicked && answer.sets_nothing());
    assert_eq!(site.store.count(), 0);
}

/// Both layers put a session among the extensions of each request.
fn nested<R>(
    outer: &SessionLayer,
    inner: &SessionLayer,
    cookies: &str,
    between: impl Fn(&Session),
    handler: impl Fn(&Session) -> R,
) -> (R, Answer) {
    let result = std::sync::Mutex::new(None);
    let mut service = inner.layer(service_fn(async |request: Request<()>| {
        *result.lock().expect("no panic") = request.extensions().get::<Session>().map(&handler);
        Ok::<_, Infallible>(Response::new(()))
    }));
    let mut service = outer.layer(service_fn(|request: Request<()>| {
        between(request.extensions().get::<Session>().expect("the layer"));
        service.call(request)
    }));
    let request = Request::builder().header(COOKIE, cookies).body(()).expect("a request");
    let answer = Answer(now(service.call(request)).expect("infallible"));
    drop(service);
    (result.into_inner().expect("no panic").expect("the handler has run"), answer)
}

#[test]
fn two_nested_layers_over_one_store_have_one_session() {
    let store = Arc::new(SessionStore::default());
    let layers = [SessionLayer::new(Arc::clone(&store)), eager(SessionLayer::new(Arc::clone(&store)))];
    for (outer, inner) in [(&layers[0], &layers[1]), (&layers[1], &layers[0])] {
        let before = |session: &Session| session.set("outer", "1").expect("room");
        let (stored, answer) = nested(outer, inner, "", before, |session| session.set("inner", "2"));
        assert_eq!(stored, Ok(()));
        assert_eq!(answer.set_cookies().len(), 1);
        let mut keys = store.keys(&answer.id()).expect("a session");
        keys.sort();
        assert_eq!((keys, store.count()), (vec!["inner".to_owned(), "outer".to_owned()], 1));

        // A login inside is not removed by the layer outside.
        let stale = SessionId::random().expect("random bytes");
        let (login, answer) = nested(outer, inner, &format!("{NAME}={stale}"), |_| (), |session| session.login(&ada()));
        assert_eq!((login, store.sessions_of(&ada())), (Ok(()), vec![answer.id()]));
        assert_eq!(answer.set_cookies().len(), 1);
        store.delete_where(|_| true);
    }
}

#[test]
fn nested_layers_over_two_stores_stay_apart() {
    let stores = ["outer", "inner"]
        .map(|name| Arc::new(SessionStore::builder().cookie_name(name).build().expect("a valid configuration")));
    let [outer, inner] = [0, 1].map(|store| SessionLayer::new(Arc::clone(&stores[store])).one_cookie());
    let before = |session: &Session| session.set("outer", "1").expect("room");
    let (stored, answer) = nested(&outer, &inner, "", before, |session| session.set("inner", "2"));
    assert_eq!((stored, stores.each_ref().map(|store| store.count())), (Ok(()), [1, 1]));
    let set = answer.0.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("ASCII"));
    let names: Vec<_> = set.map(|cookie| cookie.split('=').next().expect("a name")).collect();
    assert_eq!(names, ["__Host-inner", "__Host-outer"]);
}

#[test]
fn a_held_session_outlives_its_idle_timeout_while_the_request_runs() {
    let site = Site::with(|store| store.ttl(Duration::from_secs(60)));
    let id = site.store.create().expect("room");
    let (result, _) = site.visit(&[id], |session| {
        let hold = session.hold().expect("a session");
        site.clock.advance(Duration::from_secs(3_600));
        site.store.evict_expired();
        let uploaded = session.set("uploaded", "yes");
        drop(hold);
        uploaded
    });
    assert_eq!(result, Ok(()));
    site.clock.advance(Duration::from_secs(61));
    let (held, answer) = site.visit(&[id], |session| session.hold().is_some());
    assert!(!held && answer.sets_nothing());
}

#[test]
fn a_live_id_counts_beside_a_replaced_one() {
    let site = Site::new();
    let old = site.store.create_with([("theme", "dark")]).expect("room");
    let id = site.visit(&[old], |session| session.login(&ada())).1.id();
    for ids in [[old, id], [id, old]] {
        let (stored, answer) = site.visit(&ids, |session| (session.principal(), session.set("theme", "light")));
        assert_eq!(stored, (Some(ada()), Ok(())));
        assert!(answer.sets_nothing(), "{answer:?}");
    }
    // A visitor's session beside a replaced id of a user is not used, because the browser shows the user's.
    let visitor = site.store.create().expect("room");
    let cookies = format!("{NAME}={old}; {VISITOR}={visitor}");
    let (stored, answer) = send(&site.layer, &cookies, |session| (session.id(), session.set("theme", "dark")));
    assert_eq!(stored, (None, Err(SessionError::Replaced)));
    assert!(answer.sets_nothing(), "{answer:?}");
    let (ended, _) = send(&site.layer, &cookies, |session| session.logout());
    assert!(ended && !site.store.exists(&visitor));
}
