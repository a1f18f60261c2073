//! The layer: finds the session of each request, and sends its cookie with the response.

use crate::brought::Cookies;
use crate::carrier::Carrier;
use crate::config::{Answered, LayerConfig, LocalConfig};
use crate::cookie::LayerCookie;
use crate::request::RequestState;
use crate::session::Session;
use crate::usage::{RequestHead, forbid_storing, is_use, may_carry, vary_by};
use cloakroom::{Attributes, Content, SessionCookie, SessionStore};
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::sync::Arc;
use tower_layer::Layer;
use tower_service::Service;

/// Adds a [`Session`] to the extensions of each request, and the session's cookie to the response.
///
/// For each request, the layer looks for an id among the cookies and asks the store whether that session is live. It
/// does not touch the session. A session that ends later, for any reason, is gone for this request too, and no other
/// session is created in its place. A request without a live session has none until a handler stores something; until
/// then nothing is added to the store.
///
/// The layer adds a `Set-Cookie` to the response where it has to, and leaves other `Set-Cookie` headers as they are:
///
/// | what happened to the session | cookie in the response |
/// |---|---|
/// | nothing, or its attributes were read or set | none; the same cookie again with [`rolling`](Self::rolling), or if it is the cookie of a remembered login and an eighth of its time has passed |
/// | created, or given another id (login) | the new id, if that session is still live |
/// | ended by this request (logout) | the removal of the cookie |
/// | ended, or given another id, by another request or a timeout meanwhile | none |
/// | got another id, or was logged out, a short while before the request came | none, and nothing can be stored |
/// | did not exist when the request came | none; with [`remove_stale`](Self::remove_stale), the removal of the cookie |
///
/// The session of a visitor, to which no user is logged in, has a cookie of its own ([`one_cookie`](Self::one_cookie)).
/// A login removes it if the request had one.
///
/// # Requests that overtake each other
///
/// **No response replaces the cookie of a newer login.** A request that was under way while another one of the same
/// browser has logged in, or has given the session another id, stores nothing: its operations fail with
/// [`SessionError::Replaced`](crate::SessionError::Replaced), or with [`Gone`](crate::SessionError::Gone) after a
/// logout. The store [remembers](cloakroom::SessionConfig#structfield.remember_replaced) replaced ids for a minute.
///
/// **Changes count when the response is handed over.** If the response future is dropped, because the client has hung
/// up, or because the handler has panicked, or if the service returns an error, no client learns a new id. The layer
/// then takes the changes of the id back: a session that the request has created ends, and a session that it has
/// rotated or logged in has its former id again, with what it had before. (After
/// [`login_with`](Session::login_with), whose value the store cannot copy, and after a login over the session of
/// another user, the session ends instead.) A session that was ended meanwhile, by either id, stays ended. What a
/// logout or a login has ended is not restored.
///
/// **Layers may be nested.** If a layer outside has the same store and the same name for its cookie, the inner layer
/// uses the session of the outer one, which sends the cookie by its own settings. Layers over several stores need
/// several names.
///
/// A cache must not keep a response with this cookie, because it would give the id to other clients, and `Set-Cookie`
/// alone does not prevent that (RFC 9111, section 7.3; [OWASP][owasp]). The layer therefore sets `Cache-Control` of
/// such a response to `no-store`, unless [`leave_cache_control`](Self::leave_cache_control) is set. It also removes
/// `CDN-Cache-Control`, others of that kind (RFC 9213) and `Surrogate-Control`, because a cache that obeys one of them
/// ignores `Cache-Control`. For other responses that show data of a session, the application sets `Cache-Control`
/// itself.
///
/// Each request costs two allocations: the state that its handles share, and a box among the extensions. A `Set-Cookie`
/// and each change of the id are one more. The future is not boxed. Everything that the layer does for a request is
/// lock-free. The methods below are wait-free; those that change a setting allocate a copy of the configuration. To
/// clone the layer, or a service that it made, is to copy a pointer.
///
/// [`Layer::layer`] panics if the settings contradict each other ([`check`](Self::check)).
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
/// // As a browser does: the name and the value, without the attributes.
/// let cookie = first.headers()[SET_COOKIE].to_str()?.split(';').next().ok_or("no cookie")?;
/// let again = Request::builder().header(COOKIE, cookie).body(())?;
/// let second = service.ready().await?.call(again).await?;
/// assert_eq!(*second.body(), 2);
/// assert!(!second.headers().contains_key(SET_COOKIE));
/// # Ok(())
/// # }
/// ```
pub struct SessionLayer<T: Content + ?Sized = Attributes, B = Arc<SessionStore<T>>> {
    pub(crate) config: Arc<LayerConfig<B>>,
    content: PhantomData<fn(&T)>,
}

impl<T: Content + ?Sized> SessionLayer<T> {
    /// Makes a layer over a store. Other code may use the store at the same time.
    ///
    /// The cookie has the attributes of [`SessionCookie::default`] and the store's name for it
    /// ([`SessionStore::cookie_name`]). A name without a prefix gets the prefix `__Host-`. For another cookie, see
    /// [`cookie`](Self::cookie).
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
    #[must_use]
    pub fn new(store: Arc<SessionStore<T>>) -> Self {
        let cookie = LayerCookie::beside_visitors(SessionCookie::of_this_host(&store.config().cookie_name));
        Self::of(LocalConfig::new(store, cookie))
    }
}

impl<T: Content + ?Sized, B: Clone> SessionLayer<T, B> {
    pub(crate) fn of(config: LayerConfig<B>) -> Self {
        Self { config: Arc::new(config), content: PhantomData }
    }

    /// Sets the cookie. The store's name for the cookie is then ignored.
    #[must_use]
    pub fn cookie(self, cookie: SessionCookie) -> Self {
        self.with(|config| config.carriers.cookie = LayerCookie::beside_visitors(cookie))
    }

    /// Uses one cookie for all sessions. By default, a session to which no user is logged in ([`Session::login`],
    /// [`Session::bind`]) has a cookie of its own, whose name ends with `_visitor`: `__Host-session_id_visitor` beside
    /// `__Host-session_id`.
    ///
    /// The two names prevent that a visitor's session displaces a login. A page loads while its user logs in in another
    /// tab; one of its requests came without a cookie, stores something, and is answered after the login. The server
    /// cannot know that both requests are of one browser. With one name, the browser would replace the login's cookie
    /// by the visitor's, and the user would be logged out. With two names it keeps both, and the layer takes the
    /// session of the user. The response to a login removes the visitor's cookie if the request had one, and a logout
    /// ends both sessions.
    ///
    /// Use one cookie if the application never logs users in by this layer, or if something else reads the cookie. The
    /// layer reads a session under either name, so cookies that were set before a change stay valid.
    #[must_use]
    pub fn one_cookie(self) -> Self {
        self.with(|config| config.carriers.one_cookie = true)
    }

    /// Sets whether the responses send the cookie again and touch the session, so that a cookie whose
    /// [`max_age`](crate::SessionCookieBuilder::max_age) holds for all sessions restarts with each use. Off by default.
    /// A remembered login ([`Login::remember`](crate::Login::remember)) does not need it.
    ///
    /// Which requests count as a use:
    ///
    /// * A request that has failed does not: status 401, 403 or 5xx.
    /// * [`counts_as_use`](Self::counts_as_use) leaves out others.
    /// * For all others, the layer touches the session when the response is ready. The reads of the handler then do not
    ///   touch it ([`counts_as_use`](Self::counts_as_use) explains that).
    ///
    /// Some responses of a use do not carry the cookie, because it is not new: a 304, whose headers a cache would add
    /// to the response that it has stored (RFC 9111, section 4.3.4), and one that the application lets shared caches
    /// store (`public`, `s-maxage`, or `max-age` without `private`; or `CDN-Cache-Control` and the like, RFC 9213),
    /// which would have to become `no-store`.
    ///
    /// A response that was made before a login, and arrives after it, restores the id that the login has ended. No
    /// server can prevent that. A user who logs in in another tab would then be logged out. Leave this off for a cookie
    /// without `max_age`.
    #[must_use]
    pub fn rolling(self, rolling: bool) -> Self {
        self.with(|config| config.settings.rolling = rolling)
    }

    /// Sets whether the response removes the cookie if the request named a session that does not exist and the handler
    /// created none. Off by default.
    ///
    /// This only saves the browser from sending a useless cookie, because an unknown id is ignored in any case. The
    /// cookie is left alone if the store remembers that the id was replaced or logged out, because the browser may have
    /// a newer one.
    #[must_use]
    pub fn remove_stale(self, remove: bool) -> Self {
        self.with(|config| config.settings.remove_stale = remove)
    }

    /// Leaves `Cache-Control`, and its like for single caches, unchanged in responses that set the cookie. The handlers
    /// must then keep those responses out of caches.
    #[must_use]
    pub fn leave_cache_control(self) -> Self {
        self.with(|config| config.settings.no_store = false)
    }

    /// Sets the idle timeout of sessions that the handlers create, in place of the store's
    /// [`ttl`](cloakroom::SessionConfig::ttl). A [login](Session::login) sets it for an existing session.
    ///
    /// A session that other code creates in the store keeps its own idle timeout until a user logs in to it.
    #[must_use]
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.with(|config| config.settings.idle_timeout = Some(timeout))
    }

    /// Sets the absolute timeout of sessions that the handlers create, in place of the store's
    /// [`absolute_timeout`](cloakroom::SessionConfig::absolute_timeout). [`Duration::MAX`] means none.
    ///
    /// **Each [login](Session::login) restarts the absolute timeout**: this one, or else the store's. A user who has
    /// just logged in has all of it, even in an older session, because ASVS 5 requirement 7.3.2 limits the time since
    /// the last authentication. [`Session::rotate`] and [`Session::bind`] leave the timeout as it is.
    /// [`Session::set_timeouts`] changes that of a single session.
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
        self.with(|config| config.settings.absolute_timeout = Some(timeout))
    }

    /// Returns the cookie that the layer reads and sends.
    #[must_use]
    pub fn session_cookie(&self) -> &SessionCookie {
        self.config.carriers.cookie.settings()
    }

    pub(crate) fn with(self, change: impl FnOnce(&mut LayerConfig<B>)) -> Self {
        let mut config = LayerConfig::clone(&self.config);
        change(&mut config);
        Self::of(config)
    }
}

impl<T: Content + ?Sized, B> Clone for SessionLayer<T, B> {
    fn clone(&self) -> Self {
        Self { config: Arc::clone(&self.config), content: PhantomData }
    }
}

impl<T: Content + ?Sized, B> fmt::Debug for SessionLayer<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LayerConfig { carriers, settings, .. } = &*self.config;
        f.debug_struct("SessionLayer")
            .field("cookie", carriers.cookie.settings())
            .field("token", &carriers.token)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

impl<S, T: Content + ?Sized, B: Clone> Layer<S> for SessionLayer<T, B> {
    type Service = SessionService<S, T, B>;

    fn layer(&self, inner: S) -> SessionService<S, T, B> {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        SessionService { inner, config: Arc::clone(&self.config), content: PhantomData }
    }
}

/// A service whose requests have sessions. Made by [`SessionLayer`].
pub struct SessionService<S, T: Content + ?Sized = Attributes, B = Arc<SessionStore<T>>> {
    pub(crate) inner: S,
    pub(crate) config: Arc<LayerConfig<B>>,
    content: PhantomData<fn(&T)>,
}

impl<S: Clone, T: Content + ?Sized, B> Clone for SessionService<S, T, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), config: Arc::clone(&self.config), content: PhantomData }
    }
}

impl<S: fmt::Debug, T: Content + ?Sized, B> fmt::Debug for SessionService<S, T, B> {
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
        // A layer outside over the same store has found the session, and sends its cookie.
        if request.extensions().get::<Session<T>>().is_some_and(|outer| outer.serves(&self.config)) {
            return ResponseFuture { response: self.inner.call(request), head: None, state: None };
        }
        let state = Arc::new(RequestState::new(&self.config, request.uri(), request.headers()));
        let head = self.config.counts_as_use.as_ref().map(|_| RequestHead::of(&request));
        request.extensions_mut().insert(Session::new(Arc::clone(&state)));
        ResponseFuture { response: self.inner.call(request), head, state: Some(state) }
    }
}

pin_project! {
    /// The future of a response, which adds the session's cookie. Made by [`SessionService`].
    pub struct ResponseFuture<F, T = Attributes>
    where
        T: Content,
        T: ?Sized,
    {
        #[pin]
        response: F,
        // What the application's predicate wants to see of the request.
        head: Option<Box<RequestHead>>,
        // `None` if a layer outside has the state.
        state: Option<Arc<RequestState<T>>>,
    }

    impl<F, T> PinnedDrop for ResponseFuture<F, T>
    where
        T: Content,
        T: ?Sized,
    {
        fn drop(this: Pin<&mut Self>) {
            // If the client has disconnected, or the handler has panicked, no cookie will be sent.
            if let Some(state) = &this.state {
                state.abandon();
            }
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
        match (&mut result, this.state) {
            (Ok(response), Some(state)) => finish(response, state, this.head.as_deref()),
            // An error has no headers to send a cookie in.
            (Err(_), Some(state)) => state.abandon(),
            (_, None) => {}
        }
        Poll::Ready(result)
    }
}

/// Closes the request's state, and adds the cookies that the response needs.
fn finish<T: Content + ?Sized, Body>(
    response: &mut Response<Body>,
    state: &RequestState<T>,
    head: Option<&RequestHead>,
) {
    let config = state.config();
    let cookies = state.respond(|| Answered {
        is_use: is_use(config.counts_as_use.as_ref(), head, response),
        may_carry: may_carry(response),
    });
    deliver(response, config, state.brought().carrier, cookies, state.was_asked());
}

/// Adds to a response what belongs to its cookies, or to the lack of a session.
pub(crate) fn deliver<B, Body>(
    response: &mut Response<Body>,
    config: &LayerConfig<B>,
    carrier: Carrier,
    cookies: Cookies,
    was_asked: bool,
) {
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if is_refused && config.carriers.challenges(carrier) {
        headers.entry(WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
    }
    let mut any = false;
    for cookie in cookies.into_iter().flatten() {
        config.carriers.deliver(carrier, cookie, headers);
        any = true;
    }
    if any && config.settings.no_store {
        forbid_storing(headers);
    }
    if was_asked {
        config.carriers.names().for_each(|name| vary_by(headers, name));
    }
}
