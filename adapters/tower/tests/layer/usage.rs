//! Which requests count as a use of their session, and what caches are told.

use crate::harness::{Answer, NAME, Site};
use cloakroom::SessionId;
use cloakroom_tower::{Session, SessionCookie, SessionLayer};
use http::header::{CACHE_CONTROL, COOKIE, VARY};
use http::{Request, Response};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn rolling(layer: SessionLayer) -> SessionLayer {
    layer.rolling(true).cookie(SessionCookie::builder().max_age(60 * SECOND).build().expect("a valid cookie"))
}

/// A store with a timeout of a minute, and a session that was used 50 seconds ago.
fn site(change: impl FnOnce(SessionLayer) -> SessionLayer) -> (Site, SessionId) {
    let site = Site::with(|store| store.ttl(60 * SECOND)).changed(change);
    let id = site.store.create_with([("user", "ada")]).expect("room");
    site.clock.advance(50 * SECOND);
    (site, id)
}

fn response(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let response = fields.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
    response.status(status).body(()).expect("a response")
}

/// A request to this path whose handler reads the session.
fn visit(site: &Site, path: &str, id: &SessionId) -> Answer {
    let request = Request::builder().uri(path).header(COOKIE, format!("{NAME}={id}"));
    let request = request.header("x-background", "1").body(()).expect("a request");
    let (user, answer) = site.send(request, Response::new(()), |session| session.get("user"));
    assert_eq!(user.as_deref(), Some("ada"));
    answer
}

#[test]
fn a_failed_request_neither_touches_the_session_nor_sends_the_cookie() {
    for status in [401, 403, 500, 502, 503] {
        let (site, id) = site(rolling);
        let (_, answer) = site.visit_with(&[id], response(status, &[]), |session| session.get("user"));
        assert!(answer.sets_nothing(), "{status}: {answer:?}");
        assert_eq!(site.store.expires_in(&id), Some(10 * SECOND), "{status}");
    }
    for status in [200, 204, 303, 404, 422] {
        let (site, id) = site(rolling);
        let (_, answer) = site.visit_with(&[id], response(status, &[]), |session| session.get("user"));
        assert_eq!(answer.set_cookies().len(), 1, "{status}");
        assert_eq!(site.store.expires_in(&id), Some(60 * SECOND), "{status}");
    }
}

#[test]
fn a_response_that_others_may_store_touches_the_session_and_stays_as_it_is() {
    let cases: [(u16, &[(&str, &str)]); 5] = [
        (304, &[]),
        (200, &[("cache-control", "public, max-age=600")]),
        (200, &[("cache-control", "s-maxage=600")]),
        (200, &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=600")]),
        (200, &[("surrogate-control", "max-age=600")]),
    ];
    for (status, fields) in cases {
        let (site, id) = site(rolling);
        let (_, answer) = site.visit_with(&[id], response(status, fields), |session| session.get("user"));
        assert_eq!(answer.set_cookies(), [""; 0], "{fields:?}");
        for (name, value) in fields {
            assert_eq!(answer.0.headers()[*name], value);
        }
        assert_eq!(answer.0.headers().len(), fields.len());
        assert_eq!(site.store.expires_in(&id), Some(60 * SECOND), "{fields:?}");
    }
}

#[test]
fn a_response_with_the_cookie_is_kept_out_of_every_cache() {
    let fields = [
        ("cache-control", "public, max-age=600"),
        ("cdn-cache-control", "max-age=600"),
        ("tenant-cache-control", "max-age=600"),
        ("surrogate-control", "max-age=600"),
        ("x-cache-control-hint", "kept"),
    ];
    let site = Site::new();
    let (_, answer) = site.visit_with(&[], response(200, &fields), |session| session.set("a", "b"));
    assert!(site.store.exists(&answer.id()));
    let mut names: Vec<_> = answer.0.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "set-cookie", "x-cache-control-hint"]);
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "no-store");

    let lenient = Site::new().changed(|layer| layer.leave_cache_control());
    let (_, answer) = lenient.visit_with(&[], response(200, &fields), |session| session.set("a", "b"));
    assert_eq!(answer.0.headers().len(), fields.len() + 1);
}

#[test]
fn the_predicate_decides_whether_reads_touch_the_session() {
    let (site, id) = site(|layer| layer.counts_as_use(|it| it.uri.path() != "/news"));
    for _ in 0..3 {
        assert!(visit(&site, "/news", &id).sets_nothing());
    }
    assert_eq!(site.store.expires_in(&id), Some(10 * SECOND), "polling");
    visit(&site, "/page", &id);
    assert_eq!(site.store.expires_in(&id), Some(60 * SECOND));
    site.clock.advance(61 * SECOND);
    assert!(!site.store.exists(&id));
}

#[test]
fn the_predicate_sees_the_request_and_the_response_and_decides_about_the_cookie() {
    let (site, id) = site(|layer| {
        rolling(layer).counts_as_use(|it| {
            assert_eq!((it.headers["x-background"].as_bytes(), it.status.as_u16()), (&b"1"[..], 200));
            assert!(it.response_headers.is_empty());
            *it.method == http::Method::GET && it.uri.query() == Some("page=2")
        })
    });
    assert!(visit(&site, "/?page=1", &id).sets_nothing());
    assert_eq!(site.store.expires_in(&id), Some(10 * SECOND));
    assert_eq!(visit(&site, "/?page=2", &id).set_cookies().len(), 1);
    assert_eq!(site.store.expires_in(&id), Some(60 * SECOND));
}

#[test]
fn every_read_leaves_the_touch_to_the_predicate_and_changes_do_not() {
    let reads: [fn(&Session); 5] = [
        |session| assert!(session.get("user").is_some()),
        |session| assert!(session.get_each(["user"]).is_some()),
        |session| assert!(session.contains("user")),
        |session| assert!(session.snapshot().is_some()),
        |session| assert!(session.read(|_| ()).is_some()),
    ];
    for read in reads {
        let (site, id) = site(|layer| layer.counts_as_use(|_| false));
        site.visit(&[id], read);
        assert_eq!(site.store.expires_in(&id), Some(10 * SECOND));
    }
    let uses: [fn(&Session); 2] =
        [|session| assert!(session.touch()), |session| assert_eq!(session.set("a", "b"), Ok(()))];
    for change in uses {
        let (site, id) = site(|layer| layer.counts_as_use(|_| false));
        site.visit(&[id], change);
        assert_eq!(site.store.expires_in(&id), Some(60 * SECOND));
    }
}

#[test]
fn a_response_depends_on_the_cookie_if_its_handler_has_asked_for_the_session() {
    let (site, id) = site(|layer| layer.vary(true));
    assert!(!site.pass(&[id]).0.headers().contains_key(VARY));
    for ids in [&[][..], &[id]] {
        let (_, answer) =
            site.visit_with(ids, response(200, &[("vary", "accept-encoding")]), |session| session.get("a"));
        assert_eq!(answer.0.headers().get_all(VARY).iter().collect::<Vec<_>>(), ["accept-encoding", "cookie"]);
        let (_, answer) = site.visit_with(ids, response(200, &[("vary", "Cookie")]), |session| session.exists());
        assert_eq!(answer.0.headers().get_all(VARY).iter().collect::<Vec<_>>(), ["Cookie"]);
    }
    let (silent, id) = self::site(|layer| layer);
    assert!(!silent.visit(&[id], |session| session.get("a")).1.0.headers().contains_key(VARY));
}
