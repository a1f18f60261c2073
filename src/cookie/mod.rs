//! The cookie that carries a session's id: its settings, its `Set-Cookie` headers, and the ids in `Cookie` headers.
//!
//! It works on text and bytes, so that it serves any framework. The store does not use it.
//!
//! | file | contents |
//! |---|---|
//! | `mod` | [`SessionCookie`]: writes `Set-Cookie` headers and reads `Cookie` headers |
//! | `builder` | the settings and their checks |
//! | `find` | the iterator over the ids in `Cookie` headers |

mod builder;
mod find;

pub use builder::{SameSite, SessionCookieBuilder};
pub use find::SessionIds;

use crate::config::CookieName;
use crate::id::{SESSION_ID_HEX_LEN, SessionId};
use core::fmt::{self, Write};
use core::time::Duration;
use memchr::memmem::Finder;

/// The longest that browsers keep a cookie, 400 days (RFC 6265bis, section 5.5).
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const MAX_AGE: &str = "; Max-Age=";

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
/// A cache must not keep a response that sets the cookie, because it would give the id to other clients. Send
/// `Cache-Control: no-store` with it (RFC 9111, section 7.3). The layer of `cloakroom-tower` does so.
///
/// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#cookies
/// [prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionCookie, SessionStore};
///
/// let store = SessionStore::default();
/// let cookie = SessionCookie::default();
///
/// // Login: the value of the response's `Set-Cookie` header.
/// let id = store.create_with([("user", "ada")])?;
/// let set_cookie = cookie.issue(&id);
/// assert_eq!(set_cookie.as_str(), format!("__Host-session_id={id}; HttpOnly; SameSite=Lax; Secure; Path=/"));
///
/// // A request: its `Cookie` headers.
/// let header = format!("theme=dark; __Host-session_id={id}");
/// assert_eq!(cookie.id([&header]), Some(id));
/// assert_eq!(cookie.id(["theme=dark"]), None);
///
/// // Logout.
/// store.delete(&id);
/// assert_eq!(cookie.removal(), "__Host-session_id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone)]
pub struct SessionCookie {
    name: String,
    finder: Finder<'static>,
    /// The part of `Set-Cookie` after the id, without `Max-Age`.
    attributes: String,
    domain: Option<String>,
    max_age: Option<Duration>,
    removal: String,
}

impl SessionCookie {
    /// Returns a builder with the default settings; see [`SessionCookieBuilder`]. Wait-free; allocates.
    pub fn builder() -> SessionCookieBuilder {
        SessionCookieBuilder::default()
    }

    /// Makes the cookie with this name and the default attributes. A name without a prefix gets the prefix `__Host-`.
    /// Wait-free; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionCookie, SessionStore};
    ///
    /// let store = SessionStore::builder().cookie_name("sid").build()?;
    /// assert_eq!(SessionCookie::of_this_host(&store.config().cookie_name).name(), "__Host-sid");
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn of_this_host(name: &CookieName) -> Self {
        let named = SessionCookieBuilder::default().name(name.as_str());
        let prefixed = if named.has_prefix() { named } else { named.name(format!("__Host-{name}")) };
        prefixed.build().expect("a token of 256 bytes at most, and the default is secure")
    }

    /// Returns the same cookie under another name, which is this one with `suffix`. For a second cookie of the same
    /// layer. Wait-free; allocates.
    ///
    /// # Panics
    ///
    /// Panics if the suffix has other characters than ASCII letters, digits and `_`.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        assert!(suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "not the end of a name");
        let name = format!("{}{suffix}", self.name);
        let removal = format!("{name}{}", &self.removal[self.name.len()..]);
        Self { finder: Finder::new(&name).into_owned(), name, removal, ..self.clone() }
    }

    /// Returns the cookie's name, including its prefix. Wait-free; allocates nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the domain whose hosts receive the cookie; `None` if only the host that sets it does. Wait-free;
    /// allocates nothing.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Returns how long the browser keeps the cookie; `None` if it keeps it until it is closed. Wait-free; allocates
    /// nothing.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Returns the value of the `Set-Cookie` header that sends this id to the browser. Wait-free; a single allocation.
    #[must_use]
    pub fn issue(&self, id: &SessionId) -> SetCookie {
        self.set(id, self.max_age)
    }

    /// Does the same as [`issue`](Self::issue) for a cookie that the browser keeps for this long, in whole seconds:
    /// "remember me". The time is at least a second, and at most 400 days, which is the longest that browsers keep a
    /// cookie. Wait-free; a single allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionCookie, SessionId};
    /// use std::time::Duration;
    ///
    /// let set_cookie = SessionCookie::default().issue_for(&SessionId::random()?, Duration::from_secs(3_600));
    /// assert!(set_cookie.as_str().ends_with("; Path=/; Max-Age=3600"));
    /// # Ok::<(), cloakroom::RandomError>(())
    /// ```
    #[must_use]
    pub fn issue_for(&self, id: &SessionId, max_age: Duration) -> SetCookie {
        self.set(id, Some(max_age.clamp(Duration::from_secs(1), LONGEST_LIFE)))
    }

    fn set(&self, id: &SessionId, max_age: Option<Duration>) -> SetCookie {
        let seconds = max_age.map(|life| life.as_secs());
        let suffix = seconds.map_or(0, |seconds| MAX_AGE.len() + digits(seconds));
        let mut text = String::with_capacity(self.name.len() + 1 + SESSION_ID_HEX_LEN + self.attributes.len() + suffix);
        text.push_str(&self.name);
        text.push('=');
        text.push_str(&id.hex());
        text.push_str(&self.attributes);
        if let Some(seconds) = seconds {
            write!(text, "{MAX_AGE}{seconds}").expect("a string takes any text");
        }
        SetCookie(text)
    }

    /// Returns the value of the `Set-Cookie` header that removes the cookie from the browser. It has the same name,
    /// path and domain, by which the browser finds the cookie, and what the name's prefix requires. Wait-free;
    /// allocates nothing.
    #[must_use]
    pub fn removal(&self) -> &str {
        &self.removal
    }

    /// Returns the first well-formed id among a request's `Cookie` headers, or `None`. See [`ids`](Self::ids).
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionCookie, SessionId};
    ///
    /// let (cookie, id) = (SessionCookie::default(), SessionId::random()?);
    /// assert_eq!(cookie.id([format!("theme=dark; __Host-session_id={id}")]), Some(id));
    /// // A framework may give the only header as an `Option`.
    /// assert_eq!(cookie.id(Some("__Host-session_id=forged")), None);
    /// # Ok::<(), cloakroom::RandomError>(())
    /// ```
    #[must_use]
    pub fn id(&self, headers: impl IntoIterator<Item: AsRef<[u8]>>) -> Option<SessionId> {
        self.ids(headers).next()
    }

    /// Returns every well-formed id that a request carries under the cookie's name, in the order of its `Cookie`
    /// headers.
    ///
    /// A request may carry several: a browser keeps cookies of one name for several paths and domains, and sends them
    /// all. Unless the name begins with `__Host-`, a sibling domain can add one. HTTP/2 may split cookies over several
    /// headers. The first id that names a live session counts, and a logout should end the sessions of all.
    ///
    /// Everything that is not an id is skipped: other cookies, values of the wrong length, bytes that are not text. It
    /// cannot hide an id that follows it. The time grows with the length of the headers, which the server limits.
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// With the types of the crate `http`, it takes `headers.get_all(COOKIE)`. With others:
    ///
    /// ```
    /// use cloakroom::{SessionCookie, SessionStore};
    ///
    /// let (store, cookie) = (SessionStore::default(), SessionCookie::default());
    /// let live = store.create()?;
    /// let headers = [format!("__Host-session_id={}", "0".repeat(64)), format!("__Host-session_id={live}")];
    /// assert_eq!(cookie.ids(&headers).find(|id| store.exists(id)), Some(live));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn ids<I: IntoIterator<Item: AsRef<[u8]>>>(&self, headers: I) -> SessionIds<'_, I::IntoIter> {
        SessionIds::new(headers.into_iter(), &self.finder)
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
        let Self { name, attributes, max_age, .. } = self;
        let mut shown = f.debug_struct("SessionCookie");
        shown.field("name", name).field("attributes", attributes).field("max_age", max_age).finish()
    }
}

/// The number of decimal digits.
fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// The value of a `Set-Cookie` header with a session's id. It is a secret, so `Debug` does not show it. Made by
/// [`SessionCookie::issue`].
///
/// Its methods are wait-free and allocate nothing.
#[derive(Clone)]
pub struct SetCookie(String);

impl SetCookie {
    /// Returns the value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SetCookie {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<SetCookie> for String {
    fn from(value: SetCookie) -> Self {
        value.0
    }
}

impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Shows no id.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetCookie(..)")
    }
}
