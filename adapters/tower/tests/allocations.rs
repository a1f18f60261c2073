//! The number of allocations of a request in the layer.

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

/// An extension that a server has already added (hyper or axum), so that the map of extensions exists.
#[derive(Clone)]
struct Resident;

fn request(cookie: &str) -> Request<()> {
    let request = Request::builder().header(COOKIE, "theme=dark; lang=en").header(COOKIE, cookie);
    request.extension(Resident).body(()).expect("a request")
}

/// The number of allocations from the arrival of a request until its response is dropped.
fn allocations(layer: &SessionLayer, cookie: &str, handler: fn(&Session)) -> u64 {
    let mut service = layer.layer(service_fn(move |request: Request<()>| -> Ready<Result<_, Infallible>> {
        handler(request.extensions().get::<Session>().expect("the layer"));
        ready(Ok(Response::new(())))
    }));
    let mut one = || {
        let request = request(cookie);
        measure(|| match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => drop(response),
            Poll::Pending => panic!("the future is pending"),
        })
    };
    // A thread's first call to the store registers the thread.
    one();
    one().count_total
}

#[test]
fn a_request_allocates_only_its_state_and_its_handle() {
    let store = Arc::new(SessionStore::default());
    let layer = SessionLayer::new(Arc::clone(&store));
    let id = store.create_with([("user", "ada")]).expect("room");
    let cookie = format!("__Host-session_id={id}");

    // The state, and the handle's box among the extensions.
    let unused = allocations(&layer, "", |session| assert!(session.id().is_none()));
    let read = allocations(&layer, &cookie, |session| {
        assert_eq!(session.read(|attributes| attributes.get("user") == Some("ada")), Some(true));
    });
    assert_eq!((unused, read), (2, 2));
}

#[test]
fn a_request_that_sets_a_cookie_also_allocates_a_node_and_the_headers() {
    let layer = SessionLayer::new(Arc::new(SessionStore::default()));
    // One more for the node, and two for the response's map of headers. The layer has made the removal's value before.
    assert_eq!(allocations(&layer, "", |session| assert!(!session.logout())), 5);
}
