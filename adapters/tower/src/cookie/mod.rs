//! The session cookie: its settings, its `Set-Cookie` headers, and the ids in `Cookie` headers.
//!
//! | file | contents |
//! |---|---|
//! | `mod` | [`SessionCookie`]: writes `Set-Cookie` headers and reads `Cookie` headers |
//! | `builder` | the settings and their checks |
//! | `error` | the error of the checks |
//! | `parse` | the iterator over the ids in `Cookie` headers |

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

/// The cookie that carries a session's id between the server and the browser: a name and attributes that browsers
/// accept.
///
/// The default name is `__Host-session_id`, and the default attributes are `HttpOnly; SameSite=Lax; Secure; Path=/`
/// ([OWASP][owasp], ASVS 5 requirements 3.3.1 to 3.3.4):
///
/// | part | effect |
/// |---|---|
/// | `__Host-` | only this host can set the cookie, and only over HTTPS, so neither a sibling domain nor an attacker on the network can plant one ([RFC 6265bis, section 4.1.3][prefixes]) |
/// | `HttpOnly` | scripts cannot read it |
/// | `SameSite=Lax` | the browser does not send it with requests from other sites, except for links that the user follows |
/// | `Secure` | the browser sends it over HTTPS only |
/// | no `Max-Age` | the browser forgets it when it is closed |
///
/// Over plain HTTP, a browser neither keeps nor sends this cookie. All browsers except Safari make an exception for
/// `http://localhost`; see [`SessionCookieBuilder::secure`].
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
    /// The part of `Set-Cookie` after the id.
    attributes: String,
    removal: HeaderValue,
}

/// What the name of the cookie for sessions without a user ends with.
const VISITOR: &str = "_visitor";

impl SessionCookie {
    /// Returns a builder with the default settings; see [`SessionCookieBuilder`]. Wait-free; allocates.
    pub fn builder() -> SessionCookieBuilder {
        SessionCookieBuilder::default()
    }

    /// The cookie with a store's name for it ([`cookie_name`](cloakroom::SessionStore::cookie_name)) and the default
    /// attributes. A name without a prefix gets the prefix `__Host-`.
    pub(crate) fn named_by_store(name: &str) -> Self {
        let prefixed = SessionCookieBuilder::default().name(name);
        let named = if prefixed.has_prefix() { prefixed } else { prefixed.name(format!("__Host-{name}")) };
        named.build().expect("a store's cookie name is a token of 256 bytes at most, and the default is secure")
    }

    /// The same cookie for sessions without a user, under a name of its own.
    pub(crate) fn for_visitors(&self) -> Self {
        let name = format!("{}{VISITOR}", self.name);
        let removal = self.removal.to_str().expect("name, path and domain are visible ASCII");
        let removal = HeaderValue::try_from(format!("{name}{}", &removal[self.name.len()..])).expect("as above");
        Self { finder: Finder::new(&name).into_owned(), name, attributes: self.attributes.clone(), removal }
    }

    /// Returns the cookie's name, including its prefix. Wait-free; allocates nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value of the `Set-Cookie` header that sends this id to the browser.
    ///
    /// The value is marked as sensitive, so `Debug` does not show it and HTTP/2 does not keep it in its table of
    /// headers. Wait-free; a single allocation.
    #[must_use]
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

    /// Returns the value of the `Set-Cookie` header that removes the cookie from the browser. It has the same name,
    /// path and domain, by which the browser finds the cookie. Wait-free; allocates nothing.
    #[must_use]
    pub fn removal(&self) -> HeaderValue {
        self.removal.clone()
    }

    /// Returns the first well-formed id of a request, or `None`. See [`ids`](Self::ids). Wait-free; allocates nothing.
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
    #[must_use]
    pub fn id(&self, headers: &HeaderMap) -> Option<SessionId> {
        self.ids(headers).next()
    }

    /// Returns every well-formed id that a request carries under the cookie's name, in the order of the headers.
    ///
    /// A request may carry several: a browser keeps cookies of one name for several paths and domains, and sends them
    /// all. Unless the name begins with `__Host-`, a sibling domain can add one. HTTP/2 may split cookies over several
    /// headers.
    ///
    /// Everything that is not an id is skipped: other cookies, values of the wrong length, bytes that are not text. It
    /// cannot hide an id that follows it. The time grows with the length of the headers, which the server limits.
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
