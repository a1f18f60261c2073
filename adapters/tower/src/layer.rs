//! The layer: finds the session of each request, and sends its cookie with the response.

use crate::cookie::SessionCookie;
use crate::session::Session;
use crate::visit::{Shared, Visit};
use cloakroom::{Attributes, Content, NewSession, SessionStore, Timeouts};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use std::sync::Arc;
use tower_layer::Layer;
use tower_service::Service;

/// Gives every request a [`Session`], among its extensions, and its response the cookie.
///
/// For each request it looks for an id among the cookies, and asks the store whether that session is there, without touching it. What it found then
/// is what the request has: a session that ends afterwards, by whatever means, is gone for the request too, and no other is created in its
/// place. A request without a live session has none until something is stored, and costs the store nothing.
///
/// With the response it sends `Set-Cookie`, next to those that the response has already:
///
/// | what has happened to the session | the response |
/// |---|---|
/// | nothing, or attributes were read and set | no cookie; with [`rolling`](Self::rolling) the same again |
/// | created, or given another id (login) | the cookie with the new id, if that session still lives |
/// | ended by the handler (logout) | the cookie's removal |
/// | ended by somebody else meanwhile | no cookie |
/// | was not there when the request came | no cookie; with [`remove_stale`](Self::remove_stale) its removal |
///
/// A response with this cookie must not be kept by a cache, which would hand the id to others: it gets `Cache-Control: no-store` in place
/// of what it had, unless
/// [`leave_cache_control`](Self::leave_cache_control) says otherwise ([OWASP][owasp]; RFC 9111, section 7.3: `Set-Cookie` alone does not
/// keep caches from it). Responses that show what is in a session are the application's business.
///
/// It allocates the handle's share, one box among the request's extensions, and a `Set-Cookie` where one is needed; it boxes no future and
/// has no lock. Cloning the layer, or a service that it made, copies a pointer.
///
/// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#web-content-caching
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use cloakroom_tower::{Session, SessionLayer};
/// use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
/// use std::{convert::Infallible, sync::Arc};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = SessionLayer::new(Arc::new(SessionStore::default()));
/// let mut service = layer.layer(service_fn(async |request: Request<()>| {
///     let session = request.extensions().get::<Session>().expect("the layer");
///     let visits = session.increment("visits", 1).expect("room for a session");
///     Ok::<_, Infallible>(Response::new(visits))
/// }));
///
/// let first = service.ready().await?.call(Request::new(())).await?;
/// assert_eq!(*first.body(), 1);
/// let cookie = first.headers()[SET_COOKIE].to_str()?.split(';').next().unwrap();
/// let again = Request::builder().header(COOKIE, cookie).body(())?;
/// let second = service.ready().await?.call(again).await?;
/// assert_eq!(*second.body(), 2);
/// assert!(!second.headers().contains_key(SET_COOKIE));
/// # Ok(())
/// # }
/// ```
pub struct SessionLayer<T: Content + ?Sized = Attributes> {
    shared: Arc<Shared<T>>,
}

/// What a layer does beyond the cookie itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) rolling: bool,
    pub(crate) remove_stale: bool,
    pub(crate) no_store: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) absolute_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rolling: false, remove_stale: false, no_store: true, idle_timeout: None, absolute_timeout: None }
    }
}

impl<T: Content + ?Sized> Shared<T> {
    /// Begins a session with the layer's timeouts.
    pub(crate) fn new_session(&self) -> NewSession<'_, T> {
        let mut new = self.store.new_session();
        if let Some(timeout) = self.settings.idle_timeout {
            new = new.idle_timeout(timeout);
        }
        if let Some(timeout) = self.settings.absolute_timeout {
            new = new.absolute_timeout(timeout);
        }
        new
    }

    /// What begins anew when somebody logs in to a session that was there before.
    pub(crate) fn timeouts_from_login(&self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        if let Some(timeout) = self.settings.idle_timeout {
            timeouts = timeouts.idle(timeout);
        }
        if let Some(timeout) = self.settings.absolute_timeout.or(self.store.config().absolute_timeout) {
            timeouts = timeouts.absolute(timeout);
        }
        timeouts
    }
}

impl<T: Content + ?Sized> SessionLayer<T> {
    /// Makes the layer over a store that may be used elsewhere as well.
    ///
    /// The cookie is named as the [store says](SessionStore::cookie_name), with `__Host-` before it if it has no prefix of its own, and
    /// has the attributes of
    /// [`SessionCookie::default`]. For another: [`cookie`](Self::cookie).
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_tower::SessionLayer;
    /// use std::sync::Arc;
    ///
    /// let store = SessionStore::builder().cookie_name("sid").build()?;
    /// let layer = SessionLayer::new(Arc::new(store));
    /// assert_eq!(layer.session_cookie().name(), "__Host-sid");
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    pub fn new(store: Arc<SessionStore<T>>) -> Self {
        let cookie = SessionCookie::named_by_store(store.cookie_name());
        Self { shared: Arc::new(Shared { store, cookie, settings: Settings::default() }) }
    }

    /// Takes this cookie, whatever the store says of its name.
    #[must_use]
    pub fn cookie(self, cookie: SessionCookie) -> Self {
        self.with(|shared| shared.cookie = cookie)
    }

    /// Sends the cookie with each response to a request whose session lives then, and touches the session: for a cookie with a
    /// [`max_age`](crate::SessionCookieBuilder::max_age) that is to begin anew with each visit. Off by default.
    ///
    /// A request that was under way during a login may answer last, and bring the browser back to the id that the login has ended: who
    /// logs in meanwhile in another tab is logged out then. So a cookie without `max_age` is better without this.
    #[must_use]
    pub fn rolling(self, rolling: bool) -> Self {
        self.with(|shared| shared.settings.rolling = rolling)
    }

    /// Removes the cookie of a browser that comes with an id whose session is not there (any more), unless the handler gives it another.
    /// Off by default.
    ///
    /// It spares the browser sending what is of no use, and no more: such an id is ignored anyway. But a request that comes with the old
    /// id during a login and answers after it removes the new cookie.
    #[must_use]
    pub fn remove_stale(self, remove: bool) -> Self {
        self.with(|shared| shared.settings.remove_stale = remove)
    }

    /// Leaves `Cache-Control` alone even where the response sets the cookie. The handlers must see to it then that no cache keeps it.
    #[must_use]
    pub fn leave_cache_control(self) -> Self {
        self.with(|shared| shared.settings.no_store = false)
    }

    /// Lets the sessions that its handlers create lie idle for so long, rather than for the store's [`ttl`](cloakroom::SessionConfig::ttl);
    /// and so does each session from the [login](Session::login) on.
    ///
    /// Sessions that are created by way of the store itself are not concerned, before somebody logs in to them.
    #[must_use]
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.with(|shared| shared.settings.idle_timeout = Some(timeout))
    }

    /// Ends the sessions that its handlers create so long after their creation, used or not, rather than after the store's
    /// [`absolute_timeout`](cloakroom::SessionConfig::absolute_timeout). [`Duration::MAX`] is never.
    ///
    /// **With each [login](Session::login), the time begins anew**, this one or else the store's: who has just proved who they are has all
    /// of it, also if their session is older (ASVS 5 requirement 7.3.2: after that time they have to prove it once more). Neither
    /// [`Session::rotate`] nor [`Session::bind`] changes when a session ends. A single session is given another time by
    /// [`Session::set_timeouts`] after its login.
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_tower::SessionLayer;
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let twelve_hours = Duration::from_secs(12 * 60 * 60);
    /// let layer = SessionLayer::new(Arc::new(SessionStore::default())).absolute_timeout(twelve_hours);
    /// # let _: SessionLayer = layer;
    /// ```
    #[must_use]
    pub fn absolute_timeout(self, timeout: Duration) -> Self {
        self.with(|shared| shared.settings.absolute_timeout = Some(timeout))
    }

    /// The cookie that it reads and writes.
    pub fn session_cookie(&self) -> &SessionCookie {
        &self.shared.cookie
    }

    fn with(self, change: impl FnOnce(&mut Shared<T>)) -> Self {
        let Shared { store, cookie, settings } = &*self.shared;
        let mut shared = Shared { store: Arc::clone(store), cookie: cookie.clone(), settings: *settings };
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }
}

impl<T: Content + ?Sized> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Content + ?Sized> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { store: _, cookie, settings } = &*self.shared;
        f.debug_struct("SessionLayer").field("cookie", cookie).field("settings", settings).finish_non_exhaustive()
    }
}

impl<S, T: Content + ?Sized> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> SessionService<S, T> {
        SessionService { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A service whose requests have sessions. Made by [`SessionLayer`].
pub struct SessionService<S, T: Content + ?Sized = Attributes> {
    inner: S,
    shared: Arc<Shared<T>>,
}

impl<S: Clone, T: Content + ?Sized> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: fmt::Debug, T: Content + ?Sized> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, T, RequestBody, ResponseBody> Service<Request<RequestBody>> for SessionService<S, T>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    T: Content + ?Sized,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, T>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let visit = Arc::new(Visit::begin(&self.shared, request.headers()));
        request.extensions_mut().insert(Session::of(Arc::clone(&visit)));
        ResponseFuture { response: self.inner.call(request), visit }
    }
}

pin_project! {
    /// The response, to which the session's cookie is added. Made by [`SessionService`].
    pub struct ResponseFuture<F, T = Attributes>
    where
        T: Content,
        T: ?Sized,
    {
        #[pin]
        response: F,
        visit: Arc<Visit<T>>,
    }

    impl<F, T> PinnedDrop for ResponseFuture<F, T>
    where
        T: Content,
        T: ?Sized,
    {
        fn drop(this: Pin<&mut Self>) {
            // The client may have hung up; a task that still has the handle must know that no cookie will go out.
            this.visit.end();
        }
    }
}

impl<F, T: Content + ?Sized> fmt::Debug for ResponseFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

impl<F, T, Body, Error> Future for ResponseFuture<F, T>
where
    F: Future<Output = Result<Response<Body>, Error>>,
    T: Content + ?Sized,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut result = ready!(this.response.poll(context));
        // Without a response there is nothing to send a cookie with, but no session may be created from now on either.
        let cookie = this.visit.answer();
        if let (Ok(response), Some(cookie)) = (&mut result, cookie) {
            let headers = response.headers_mut();
            headers.append(SET_COOKIE, cookie);
            if this.visit.keeps_caches_out() {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
        }
        Poll::Ready(result)
    }
}
