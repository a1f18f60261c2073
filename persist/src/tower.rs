//! A layer that holds back responses until the sessions that their requests have ended are on disk.

use crate::persistence::Persistence;
use crate::settle::{Settler, Settling};
use cloakroom_codec::Kept;
use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Holds back a response until every session that its request has ended is on disk: by a logout, by a login or
/// rotation, which ends the old id, or to make room.
///
/// Put it around the layer that finds the sessions. In axum, the layer that is added last is the outermost one. No
/// operation of a request then blocks the thread. A response whose request has ended no session is not held back, and
/// nothing is allocated for it.
///
/// If the disk fails, **the response gets the status 503**, and is otherwise as it was, with its cookies. The sessions
/// have ended, and they come back only if the process ends before the disk works again. With
/// [`answer_anyway`](Self::answer_anyway) the response stays as it was, and only
/// [`Persistence::health`](crate::Persistence::health) tells.
///
/// A task that a handler has spawned is not part of its request: see
/// [`Persistence::deferred`](crate::Persistence::deferred).
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Options, Persistence, SettledLayer};
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # let tmp = tempfile::tempdir()?;
/// # let dir = tmp.path().join("sessions");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let sessions = Persistence::open(&dir, Options::new())?;
/// let (store, id) = (sessions.store().clone(), sessions.store().create()?);
/// let log_out = service_fn(move |_: Request<()>| {
///     let store = store.clone();
///     async move { Ok::<_, Infallible>(Response::new(store.delete(&id))) }
/// });
///
/// // `Router::layer(SettledLayer::new(&sessions))` in axum.
/// let service = SettledLayer::new(&sessions).layer(log_out);
/// let response = service.oneshot(Request::new(())).await?;
/// // Now the logout holds, even if the process is killed.
/// assert!(response.status() == 200 && *response.body());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SettledLayer {
    settler: Settler,
    refuses: bool,
}

impl SettledLayer {
    /// Makes a layer for a server whose sessions are kept by `sessions`.
    #[must_use]
    pub fn new<T: Kept + ?Sized>(sessions: &Persistence<T>) -> Self {
        Self { settler: sessions.settler(), refuses: true }
    }

    /// Leaves responses as they are if the disk fails.
    #[must_use]
    pub fn answer_anyway(mut self) -> Self {
        self.refuses = false;
        self
    }
}

impl<S> Layer<S> for SettledLayer {
    type Service = SettledService<S>;

    fn layer(&self, inner: S) -> SettledService<S> {
        SettledService { inner, layer: self.clone() }
    }
}

/// A service whose responses wait for the disk. Made by [`SettledLayer`].
#[derive(Clone, Debug)]
pub struct SettledService<S> {
    inner: S,
    layer: SettledLayer,
}

impl<S, Request, Body> Service<Request> for SettledService<S>
where
    S: Service<Request, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SettledFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let SettledLayer { settler, refuses } = &self.layer;
        SettledFuture { settling: settler.start(|| self.inner.call(request)), refuses: *refuses }
    }
}

pin_project! {
    /// The future of a response that waits for the disk. Made by [`SettledService`].
    pub struct SettledFuture<F: Future> {
        #[pin]
        settling: Settling<F>,
        refuses: bool,
    }
}

impl<F, Body, Error> Future for SettledFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (mut result, on_disk) = ready!(this.settling.poll(context));
        if let (Ok(response), Err(_), true) = (&mut result, on_disk, *this.refuses) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Poll::Ready(result)
    }
}

impl<F: Future> fmt::Debug for SettledFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettledFuture").finish_non_exhaustive()
    }
}
