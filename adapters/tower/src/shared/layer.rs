//! The layer over a store that servers share: as for a store of this process, but the end of a response may ask the
//! engine.

use super::session::Session;
use super::state::{SharedConfig, SharedState};
use super::work;
use crate::brought::Cookies;
use crate::config::{Answered, Defaults};
use crate::cookie::LayerCookie;
use crate::layer::{SessionLayer, SessionService, deliver};
use crate::usage::{RequestHead, is_use, may_carry};
use cloakroom::SessionCookie;
use cloakroom_redis::{Shared, SharedStore};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::sync::Arc;
use tower_service::Service;

impl<T: Shared + ?Sized> SessionLayer<T, SharedStore<T>> {
    /// Makes a layer over a store that servers share ([`shared`](crate::shared)). Its requests have a
    /// [`shared::Session`](crate::shared::Session). All settings are those of a layer over a store of this process.
    ///
    /// Wait-free; allocates.
    #[must_use]
    pub fn shared(store: SharedStore<T>) -> Self {
        let sessions = store.config();
        let cookie = LayerCookie::beside_visitors(SessionCookie::of_this_host(&sessions.cookie_name));
        let defaults = Defaults::of(sessions);
        Self::of(SharedConfig::over(store, defaults, cookie))
    }
}

impl<S, T, RequestBody, ResponseBody> Service<Request<RequestBody>> for SessionService<S, T, SharedStore<T>>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    T: Shared + ?Sized,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResponseBody, T>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        // A layer outside over the same store has noted the ids, and sends the cookie.
        if request.extensions().get::<Session<T>>().is_some_and(|outer| outer.serves(&self.config)) {
            return ResponseFuture { stage: Stage::Inside { response: self.inner.call(request) } };
        }
        let state = Arc::new(SharedState::new(&self.config, request.uri(), request.headers()));
        let delivery = Delivery(Some(Arc::clone(&state)));
        let head = self.config.counts_as_use.as_ref().map(|_| RequestHead::of(&request));
        request.extensions_mut().insert(Session::new(state));
        ResponseFuture { stage: Stage::Handler { response: self.inner.call(request), head, delivery } }
    }
}

pin_project! {
    /// The future of a response over a store that servers share, which adds the session's cookie.
    pub struct ResponseFuture<F, Body, T>
    where
        T: Shared,
        T: ?Sized,
    {
        #[pin]
        stage: Stage<F, Body, T>,
    }
}

/// Asks the engine which cookies the response needs.
type Asking = Pin<Box<dyn Future<Output = Cookies> + Send>>;

pin_project! {
    #[project = StageProjection]
    enum Stage<F, Body, T>
    where
        T: Shared,
        T: ?Sized,
    {
        // A layer outside has the state.
        Inside { #[pin] response: F },
        Handler { #[pin] response: F, head: Option<Box<RequestHead>>, delivery: Delivery<T> },
        // The response is there, and the engine is asked about its cookie.
        Cookie { response: Option<Response<Body>>, cookies: Asking, delivery: Delivery<T> },
    }
}

impl<F, Body, T: Shared + ?Sized> fmt::Debug for ResponseFuture<F, Body, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

impl<F, Body, Error, T> Future for ResponseFuture<F, Body, T>
where
    F: Future<Output = Result<Response<Body>, Error>>,
    T: Shared + ?Sized,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut stage = self.project().stage;
        loop {
            let next = match stage.as_mut().project() {
                StageProjection::Inside { response } => return response.poll(context),
                StageProjection::Handler { response, head, delivery } => {
                    let mut response = match ready!(response.poll(context)) {
                        Ok(response) => response,
                        // An error has no headers to send a cookie in. Dropping the delivery takes the changes back.
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    let state = delivery.state();
                    state.changes().close();
                    if state.responds_at_once() {
                        finish(&mut response, &state, state.respond_at_once());
                        delivery.done();
                        return Poll::Ready(Ok(response));
                    }
                    let config = state.config();
                    let answered = Answered {
                        is_use: is_use(config.counts_as_use.as_ref(), head.as_deref(), &response),
                        may_carry: may_carry(&response),
                    };
                    let cookies = Box::pin(async move { state.respond(|| answered).await });
                    Stage::Cookie { response: Some(response), cookies, delivery: delivery.take() }
                }
                StageProjection::Cookie { response, cookies, delivery } => {
                    let cookies = ready!(cookies.as_mut().poll(context));
                    let mut response = response.take().expect("polled after it was ready");
                    finish(&mut response, &delivery.state(), cookies);
                    delivery.done();
                    return Poll::Ready(Ok(response));
                }
            };
            stage.set(next);
        }
    }
}

fn finish<T: Shared + ?Sized, Body>(response: &mut Response<Body>, state: &SharedState<T>, cookies: Cookies) {
    deliver(response, state.config(), state.carrier(), cookies, state.was_asked());
}

/// The duty to hand the response over, or else to take back what the request has changed: the client has disconnected,
/// the handler has panicked, or the service has failed.
struct Delivery<T: Shared + ?Sized>(Option<Arc<SharedState<T>>>);

impl<T: Shared + ?Sized> Delivery<T> {
    fn state(&self) -> Arc<SharedState<T>> {
        Arc::clone(self.0.as_ref().expect("the response is not handed over yet"))
    }

    fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    fn done(&mut self) {
        self.0 = None;
    }
}

impl<T: Shared + ?Sized> Drop for Delivery<T> {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else { return };
        state.changes().close();
        let issued = state.issued();
        if !issued.is_empty() {
            work::detach(async move {
                for id in issued {
                    // An end that the engine has not confirmed is repeated by the store.
                    let _ = state.store().delete(&id).await;
                }
            });
        }
    }
}
