//! Settings of the layer: what carries the id, which app accepts it, which requests are uses of a session.

use crate::carrier::SessionToken;
use crate::cookie::LayerCookie;
use crate::error::LayerError;
use crate::layer::SessionLayer;
use crate::usage::Use;
use cloakroom::{Audience, Content, SessionCookie};
use core::cmp::Reverse;
use std::sync::Arc;

impl<T: Content + ?Sized, B: Clone> SessionLayer<T, B> {
    /// Chooses the cookie by the host of each request, for a server of several domains: the first of these cookies
    /// whose [`domain`](crate::SessionCookieBuilder::domain) is that of the host or above it, the longest domain first.
    /// For another host, the layer's own [`cookie`](Self::cookie).
    ///
    /// The list is closed: the layer never makes a domain out of a request, so a forged `Host` only chooses among these
    /// cookies, and a browser refuses one that is not of its host. The host is that of the request's address, or else
    /// of the header `Host`; a proxy in front of the server has to keep it. `Forwarded` and its like are not read.
    ///
    /// An id is valid at every host of the layer. To keep tenants apart, give each a layer with an
    /// [`audience`](Self::audience).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_tower::{SessionCookie, SessionLayer};
    /// use std::sync::Arc;
    ///
    /// let of = |domain| SessionCookie::builder().name("__Secure-sid").domain(domain).build();
    /// let layer = SessionLayer::new(Arc::new(SessionStore::default()));
    /// let layer = layer.cookies_by_domain([of("shop.example")?, of("forum.example")?]);
    /// assert_eq!(layer.check(), Ok(()));
    /// # Ok::<(), cloakroom_tower::SessionCookieError>(())
    /// ```
    #[must_use]
    pub fn cookies_by_domain(self, cookies: impl IntoIterator<Item = SessionCookie>) -> Self {
        let mut cookies: Vec<_> = cookies.into_iter().map(LayerCookie::beside_visitors).collect();
        cookies.sort_by_key(|cookie| Reverse(cookie.settings().domain().map(str::len)));
        self.with(|config| config.carriers.by_domain = cookies)
    }

    /// Lets clients send the id as a token in a header, beside the cookie: for phones and machines. Handlers and
    /// extractors are the same.
    ///
    /// * **A request with a token is a request by token, whatever else it has.** Its cookies are not looked at, even if
    ///   the token names no session: a browser adds cookies by itself, so they must not stand in for a token that is
    ///   wrong. Of several tokens none counts (RFC 6750, section 2).
    /// * Its response has no `Set-Cookie`. A new id is in the header that [`SessionToken`] names.
    /// * A client without a token, for instance at its login, asks for one by sending that header with any value.
    /// * **Requests by token cannot be forged by other sites**, because a browser adds a token to no request by itself,
    ///   and lets a page of another origin add one only if the server allows it (CORS).
    ///   [`Session::is_by_token`](crate::Session::is_by_token) tells the check for forged requests to leave them alone.
    ///   Requests by cookie need it as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    /// use cloakroom_tower::{Session, SessionLayer, SessionToken};
    /// use http::{Request, Response, header::{AUTHORIZATION, SET_COOKIE}};
    /// use std::{convert::Infallible, sync::Arc};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = SessionLayer::new(Arc::new(SessionStore::default())).token(SessionToken::bearer());
    /// let service = layer.layer(service_fn(async |request: Request<()>| {
    ///     let session = request.extensions().get::<Session>().expect("the layer");
    ///     if request.uri().path() == "/login" {
    ///         session.login(&Principal::new("ada")).expect("room");
    ///     }
    ///     Ok::<_, Infallible>(Response::new(session.principal()))
    /// }));
    ///
    /// let login = Request::post("/login").header("session-token", "new").body(())?;
    /// let response = service.clone().oneshot(login).await?;
    /// assert!(!response.headers().contains_key(SET_COOKIE));
    /// let token = response.headers()["session-token"].to_str()?;
    /// let again = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(())?;
    /// assert_eq!(*service.oneshot(again).await?.body(), Some(Principal::new("ada")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token(self, token: SessionToken) -> Self {
        self.with(|config| config.carriers.token = Some(token))
    }

    /// Lets clients send the id as a token in a header, and reads and sends no cookies. Otherwise like
    /// [`token`](Self::token); no request has to ask for its token.
    #[must_use]
    pub fn only_token(self, token: SessionToken) -> Self {
        self.token(token).with(|config| config.carriers.only_token = true)
    }

    /// Sets the audience: sessions that the handlers create have it, and **a session of another audience, or of none,
    /// is unknown** to this layer. For several apps on one store that must not accept each other's ids.
    ///
    /// The audience is kept with the session ([`Audience`]), so no client can choose it, and it stays when the session
    /// gets another id. A layer without an audience accepts only sessions without one. Users are common to all
    /// audiences: [`Session::devices`](crate::Session::devices) lists the sessions of a user in all apps, and
    /// [`logout_all_devices`](crate::Session::logout_all_devices) ends them.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Audience, SessionStore};
    /// use cloakroom_tower::SessionLayer;
    /// use std::sync::Arc;
    ///
    /// let store = Arc::new(SessionStore::default());
    /// let site: SessionLayer = SessionLayer::new(Arc::clone(&store)).audience(Audience::new("site"));
    /// let admin: SessionLayer = SessionLayer::new(store).audience(Audience::new("admin"));
    /// # let _ = (site, admin);
    /// ```
    #[must_use]
    pub fn audience(self, audience: Audience) -> Self {
        self.with(|config| config.settings.audience = Some(audience))
    }

    /// Sets which requests count as a use of their session, besides those that have failed (status 401, 403 or 5xx),
    /// which never do. For pages that ask the server for news by themselves, without their user.
    ///
    /// Without this, each operation of a handler that reads the session touches it, unless its documentation says
    /// otherwise. With it, **reads do not touch the session**, nor do the extractors. The layer touches it when the
    /// response is ready, if `is_use` returns true. A change of the session (`set`, `update`, a login) and
    /// [`Session::touch`](crate::Session::touch) are uses in any case. It also decides about [`rolling`](Self::rolling)
    /// and about sending the cookie of a remembered login again.
    ///
    /// A session whose idle timeout passes while its request is in flight then expires during the request.
    ///
    /// `is_use` is called once a response, and delays only this one. The layer copies the method, the address and the
    /// headers of each request for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_tower::SessionLayer;
    /// use std::sync::Arc;
    ///
    /// let layer = SessionLayer::new(Arc::new(SessionStore::default()));
    /// let layer = layer.counts_as_use(|it| it.uri.path() != "/news" && !it.headers.contains_key("x-background"));
    /// # let _: SessionLayer = layer;
    /// ```
    #[must_use]
    pub fn counts_as_use(self, is_use: impl Fn(&Use<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|config| config.counts_as_use = Some(Arc::new(is_use)))
    }

    /// Sets whether a response gets `Vary: Cookie` if its handler has asked for the session, by any operation of a
    /// [`Session`](crate::Session). Off by default.
    ///
    /// It tells caches that the response depends on the cookie, also if there was no session (RFC 9110, section
    /// 12.5.5). The name is added to those that `Vary` already has.
    #[must_use]
    pub fn vary(self, vary: bool) -> Self {
        self.with(|config| config.settings.vary = vary)
    }

    /// Checks that the settings agree with each other. [`Layer::layer`](tower_layer::Layer::layer) panics if they do
    /// not.
    ///
    /// # Errors
    ///
    /// [`LayerError::CookieOutlivesSession`] if the cookie has a [`max_age`](crate::SessionCookieBuilder::max_age) that
    /// is longer than the sessions last: than the idle timeout or the absolute timeout of the layer, or else of the
    /// store. For single logins that last longer, see [`Login::remember`](crate::Login::remember).
    ///
    /// [`LayerError::CookieWithoutDomain`] if one of [`cookies_by_domain`](Self::cookies_by_domain) has no domain.
    /// [`LayerError::TokenHeader`] if a token shares a header with cookies.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_tower::{LayerError, SessionCookie, SessionLayer};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let cookie = SessionCookie::builder().max_age(hour).build()?;
    /// let layer = SessionLayer::new(Arc::new(SessionStore::default())).cookie(cookie);
    /// assert_eq!(layer.check(), Err(LayerError::CookieOutlivesSession));
    /// assert_eq!(layer.idle_timeout(hour).check(), Ok(()));
    /// # Ok::<(), cloakroom_tower::SessionCookieError>(())
    /// ```
    pub fn check(&self) -> Result<(), LayerError> {
        self.config.check()
    }
}
