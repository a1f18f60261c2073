//! The session cookie: how it is named, set, removed, and found in a request.
//!
//! | file | |
//! |---|---|
//! | `mod` | [`SessionCookie`]: `Set-Cookie` out, ids in |
//! | `builder` | its settings, and what is refused of them |
//! | `parse` | ids in `Cookie` headers |

mod builder;
mod error;
mod parse;

pub use builder::SessionCookieBuilder;
pub use error::SessionCookieError;
pub use parse::SessionIds;

use cloakroom::{SESSION_ID_HEX_LEN, SessionId};
use core::fmt;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;

/// The cookie that carries a session's id between server and browser: a name and attributes of which a browser refuses none.
///
/// By default it is called `__Host-session_id`, and has the attributes `HttpOnly; SameSite=Lax; Secure; Path=/`: out of reach of scripts, not sent
/// with requests that other sites make a browser send (but for links that are followed), over HTTPS only, forgotten when the browser is
/// closed; and since its name begins with `__Host-`, nobody but this very host can set it, over HTTPS, so neither a sibling domain nor
/// somebody on the network can plant another one ([OWASP][owasp], [RFC 6265bis, section 4.1.3][prefixes], ASVS 5 requirements 3.3.1 to 3.3.4).
///
/// Over plain HTTP a browser neither keeps nor sends it, but for `http://localhost`, where all make an exception but Safari. For that, see
/// [`SessionCookieBuilder::secure`].
///
/// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#cookies
/// [prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
///
/// # Examples
///
/// ```
/// use cloakroom::SessionId;
/// use cloakroom_tower::SessionCookie;
///
/// let cookie = SessionCookie::default();
/// let id = SessionId::random()?;
/// let set = cookie.issue(&id);
/// assert_eq!(set, format!("__Host-session_id={id}; HttpOnly; SameSite=Lax; Secure; Path=/"));
/// assert_eq!(cookie.removal(), "__Host-session_id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
/// # Ok::<(), cloakroom::RandomError>(())
/// ```
#[derive(Clone)]
pub struct SessionCookie {
    name: String,
    finder: Finder<'static>,
    /// What follows the id in `Set-Cookie`.
    attributes: String,
    removal: HeaderValue,
}

impl SessionCookie {
    /// Starts from the default; see [`SessionCookieBuilder`].
    pub fn builder() -> SessionCookieBuilder {
        SessionCookieBuilder::default()
    }

    /// The cookie that a store's [`cookie_name`](cloakroom::SessionStore::cookie_name) asks for: of this name, with `__Host-` before it if
    /// it has no prefix yet, and with the default's attributes.
    pub(crate) fn named_by_store(name: &str) -> Self {
        let prefixed = SessionCookieBuilder::default().name(name);
        let named = if prefixed.has_prefix() { prefixed } else { prefixed.name(format!("__Host-{name}")) };
        named.build().expect("a store's cookie name is a token of 256 bytes at most, and the default is secure")
    }

    /// The cookie's name, with its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the value of the `Set-Cookie` header that gives this id to the browser. It is marked as sensitive: neither is it shown by
    /// `Debug`, nor kept in a table of headers by HTTP/2.
    ///
    /// Wait-free; a single allocation.
    pub fn issue(&self, id: &SessionId) -> HeaderValue {
        let length = self.name.len() + 1 + SESSION_ID_HEX_LEN + self.attributes.len();
        let mut text = String::with_capacity(length);
        text.push_str(&self.name);
        text.push('=');
        text.push_str(&id.hex());
        text.push_str(&self.attributes);
        let mut value = HeaderValue::try_from(text).expect("name and attributes were checked, and an id is hex digits");
        value.set_sensitive(true);
        value
    }

    /// Makes the value of the `Set-Cookie` header that has the browser forget the cookie: of the same name, path and domain, by which it is found.
    ///
    /// Wait-free; allocates nothing.
    pub fn removal(&self) -> HeaderValue {
        self.removal.clone()
    }

    /// Returns the id that a request brings. Where it brings several: the first, see [`ids`](Self::ids).
    ///
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionId;
    /// use cloakroom_tower::SessionCookie;
    /// use http::{HeaderMap, header::COOKIE};
    ///
    /// let (cookie, id) = (SessionCookie::default(), SessionId::random()?);
    /// let mut headers = HeaderMap::new();
    /// headers.insert(COOKIE, format!("theme=dark; __Host-session_id={id}").parse()?);
    /// assert_eq!(cookie.id(&headers), Some(id));
    /// headers.insert(COOKIE, "__Host-session_id=forged".parse()?);
    /// assert_eq!(cookie.id(&headers), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self, headers: &HeaderMap) -> Option<SessionId> {
        self.ids(headers).next()
    }

    /// Returns every well-formed id that a request brings under the cookie's name, in the order in which they were sent.
    ///
    /// A request may bring several: browsers keep cookies of one name for several paths and domains apart but send them all, and who
    /// controls a sibling domain can add one, unless the name begins with `__Host-`. HTTP/2 may split the cookies over several headers.
    /// What is no id (another cookie, a forgery of the wrong length, bytes that are no text) is passed over, so it can hide no id that
    /// comes after it. Nothing is copied, and the time it takes grows with the length of the headers, which the server bounds.
    ///
    /// Wait-free; allocates nothing.
    pub fn ids<'a>(&'a self, headers: &'a HeaderMap) -> SessionIds<'a> {
        SessionIds::new(headers, &self.finder)
    }
}

impl Default for SessionCookie {
    /// Returns `__Host-session_id`, `HttpOnly; SameSite=Lax; Secure; Path=/`.
    fn default() -> Self {
        Self::builder().build().expect("browsers accept the default")
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCookie").field("name", &self.name).field("attributes", &self.attributes).finish()
    }
}
