//! Sends one request at a time through the layer, to a handler made for it.

use cloakroom::{Attributes, Content, ManualClock, SessionId, SessionStore, SessionStoreBuilder};
use cloakroom_tower::{Session, SessionLayer};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};

pub(crate) const NAME: &str = "__Host-session_id";
pub(crate) const VISITOR: &str = "__Host-session_id_visitor";
pub(crate) const ATTRIBUTES: &str = "; HttpOnly; SameSite=Lax; Secure; Path=/";
pub(crate) const REMOVAL: &str = "__Host-session_id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

/// A store with a manual clock, and a layer over it.
pub(crate) struct Site<T: Content + ?Sized = Attributes> {
    pub(crate) store: Arc<SessionStore<T>>,
    pub(crate) clock: ManualClock,
    pub(crate) layer: SessionLayer<T>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(|store| store)
    }

    pub(crate) fn with(configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder) -> Self {
        let clock = ManualClock::new();
        let store = configure(SessionStore::builder().clock(clock.clone())).build().expect("a valid configuration");
        Self::over(store, clock)
    }
}

impl<T: Content + ?Sized> Site<T> {
    pub(crate) fn over(store: SessionStore<T>, clock: ManualClock) -> Self {
        let store = Arc::new(store);
        Self { layer: SessionLayer::new(Arc::clone(&store)), store, clock }
    }

    pub(crate) fn changed(mut self, change: impl FnOnce(SessionLayer<T>) -> SessionLayer<T>) -> Self {
        self.layer = change(self.layer);
        self
    }

    /// Sends a request with these ids in its cookies to a handler. Returns the handler's result and the response.
    pub(crate) fn visit<R>(&self, ids: &[SessionId], handler: impl FnOnce(&Session<T>) -> R) -> (R, Answer) {
        self.visit_with(ids, Response::new(()), handler)
    }

    /// The same, with a handler that returns this response.
    pub(crate) fn visit_with<R>(
        &self,
        ids: &[SessionId],
        response: Response<()>,
        handler: impl FnOnce(&Session<T>) -> R,
    ) -> (R, Answer) {
        let cookies = ids.iter().map(|id| format!("{NAME}={id}")).collect::<Vec<_>>().join("; ");
        let request = Request::builder().header(COOKIE, cookies).body(()).expect("a request");
        self.send(request, response, handler)
    }

    /// Sends this request to a handler that returns this response.
    pub(crate) fn send<R>(
        &self,
        request: Request<()>,
        response: Response<()>,
        handler: impl FnOnce(&Session<T>) -> R,
    ) -> (R, Answer) {
        let result = Mutex::new(None);
        let once = Mutex::new(Some((handler, response)));
        let mut service = self.layer.layer(service_fn(async |request: Request<()>| {
            let (handler, response) = once.lock().expect("no panic").take().expect("one request");
            let session = request.extensions().get::<Session<T>>().expect("the layer");
            *result.lock().expect("no panic") = Some(handler(session));
            Ok::<_, Infallible>(response)
        }));
        let answer = Answer(now(service.call(request)).expect("infallible"));
        drop(service);
        (result.into_inner().expect("no panic").expect("the handler has run"), answer)
    }

    /// Sends a request whose handler does not use the session.
    pub(crate) fn pass(&self, ids: &[SessionId]) -> Answer {
        self.visit(ids, |_| ()).1
    }
}

#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Response<()>);

impl Answer {
    /// All `Set-Cookie` headers of the response.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.0.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().expect("ASCII")).collect()
    }

    pub(crate) fn sets_nothing(&self) -> bool {
        self.set_cookies().is_empty() && !self.0.headers().contains_key(CACHE_CONTROL)
    }

    pub(crate) fn removes(&self) -> bool {
        self.set_cookies() == [REMOVAL]
    }

    /// The id in the response's only `Set-Cookie` that sets one, for a user or a visitor. Its attributes are checked.
    pub(crate) fn id(&self) -> SessionId {
        let set: Vec<_> = self.set_cookies().into_iter().filter(|cookie| !cookie.ends_with("Max-Age=0")).collect();
        let [cookie] = set[..] else { panic!("not one cookie: {self:?}") };
        let digits = cookie.strip_prefix(VISITOR).or_else(|| cookie.strip_prefix(NAME));
        let digits = digits.and_then(|rest| rest.strip_prefix('='));
        let digits = digits.and_then(|rest| rest.strip_suffix(ATTRIBUTES)).expect("name and attributes");
        digits.parse().expect("an id")
    }
}

/// The result of a future that is ready when it is first polled.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the future is pending"),
    }
}
