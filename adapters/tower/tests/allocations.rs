//! The number of allocations of a request in the layer.

use allocation_counter::measure;
use cloakroom::SessionStore;
use cloakroom_persist::{Options, Persistence, SettledLayer};
use cloakroom_tower::{Session, SessionLayer, SessionService};
use http::header::COOKIE;
use http::{Request, Response};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower::layer::util::Identity;
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};

type Handler = ServiceFn<Box<dyn Fn(Request<()>) -> Ready<Result<Response<()>, Infallible>>>>;

/// An extension that a server has already added (hyper or axum), so that the map of extensions exists.
#[derive(Clone)]
struct Resident;

fn request(cookie: &str) -> Request<()> {
    let request = Request::builder().header(COOKIE, "theme=dark; lang=en").header(COOKIE, cookie);
    request.extension(Resident).body(()).expect("a request")
}

/// The number of allocations from the arrival of a request until its response is dropped.
fn allocations(layer: &SessionLayer, cookie: &str, handler: fn(&Session)) -> u64 {
    allocations_within(&Identity::new(), layer, cookie, handler)
}

/// The same, with another layer around the layer of sessions.
fn allocations_within<L>(outer: &L, layer: &SessionLayer, cookie: &str, handler: fn(&Session)) -> u64
where
    L: Layer<SessionService<Handler>>,
    L::Service: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    let handler: Handler = service_fn(Box::new(move |request: Request<()>| {
        handler(request.extensions().get::<Session>().expect("the layer"));
        ready(Ok(Response::new(())))
    }));
    let mut service = outer.layer(layer.layer(handler));
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

/// Sessions that are kept on disk cost a request nothing as long as it ends no session.
#[test]
fn a_response_that_waits_for_nothing_allocates_nothing_for_that() {
    let parent = tempfile::tempdir().expect("a directory");
    let sessions = Persistence::open(parent.path().join("sessions"), Options::new()).expect("a directory");
    let (layer, settled) = (SessionLayer::new(sessions.store().clone()), SettledLayer::new(&sessions));
    let id = sessions.store().create_with([("user", "ada")]).expect("room");
    let cookie = format!("__Host-session_id={id}");
    let read = |session: &Session| assert_eq!(session.get("user").map(|user| user.len()), Some(3));
    // As without either of the two, and the value.
    assert_eq!(allocations(&layer, &cookie, read), 3);
    assert_eq!(allocations_within(&settled, &layer, &cookie, read), 3);
}
