//! How often a request allocates on its way through the layer.

use allocation_counter::measure;
use cloakroom::SessionStore;
use cloakroom_tower::{Session, SessionLayer};
use http::header::COOKIE;
use http::{Request, Response};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};

/// What lies among the extensions of a server's requests already (hyper's own, axum's), so that the map is there.
#[derive(Clone)]
struct Resident;

fn request(cookie: &str) -> Request<()> {
    let request = Request::builder().header(COOKIE, "theme=dark; lang=en").header(COOKIE, cookie);
    request.extension(Resident).body(()).expect("a request")
}

/// How many allocations a request costs from its arrival until its response is dropped.
fn allocations(layer: &SessionLayer, cookie: &str, handler: fn(&Session)) -> u64 {
    let mut service = layer.layer(service_fn(move |request: Request<()>| -> Ready<Result<_, Infallible>> {
        handler(request.extensions().get::<Session>().expect("the layer"));
        ready(Ok(Response::new(())))
    }));
    let mut one = || {
        let request = request(cookie);
        measure(|| match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => drop(response),
            Poll::Pending => panic!("it waits"),
        })
    };
    // A thread's first call to the store registers it.
    one();
    one().count_total
}

#[test]
fn a_request_allocates_for_its_handle_and_nothing_else() {
    let store = Arc::new(SessionStore::default());
    let layer = SessionLayer::new(Arc::clone(&store));
    let id = store.create_with([("user", "ada")]).expect("room");
    let cookie = format!("__Host-session_id={id}");

    // The handle's share, and its box among the extensions.
    let unused = allocations(&layer, "", |session| assert!(session.id().is_none()));
    let read = allocations(&layer, &cookie, |session| {
        assert_eq!(session.read(|attributes| attributes.get("user") == Some("ada")), Some(true));
    });
    assert_eq!((unused, read), (2, 2));
}

#[test]
fn what_sets_a_cookie_allocates_for_its_station_and_its_headers() {
    let layer = SessionLayer::new(Arc::new(SessionStore::default()));
    // One more for the station, and two for the response's map of headers. The removal itself is there already.
    assert_eq!(allocations(&layer, "", |session| assert!(!session.logout())), 5);
}
