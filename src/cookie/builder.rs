//! The settings of a session cookie, and the checks that browsers would make.

use super::{LONGEST_LIFE, SessionCookie};
use crate::config::is_token_byte;
use crate::error::SessionCookieError;
use crate::id::SESSION_ID_HEX_LEN;
use core::fmt;
use core::time::Duration;
use memchr::memmem::Finder;

/// The most bytes of the name and the value together (RFC 6265bis, section 5.6).
const LONGEST_PAIR: usize = 4096;
/// The most bytes of the value of one attribute (RFC 6265bis, section 5.6).
const LONGEST_ATTRIBUTE: usize = 1024;
/// RFC 1035, section 2.3.4, without the root's dot.
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Says with which requests from other sites a browser sends a cookie (RFC 6265bis, section 8.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// With none.
    Strict,
    /// With links that the user follows.
    #[default]
    Lax,
    /// With all. Needs `Secure`.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        })
    }
}

/// Builds a [`SessionCookie`]. Settings that are not changed are those of [`SessionCookie::default`]. Made by
/// [`SessionCookie::builder`].
///
/// Every method is wait-free. Those that take a text allocate it.
///
/// # Examples
///
/// A cookie for all hosts of a domain that lasts two weeks. Its name cannot begin with `__Host-`, which allows no
/// domain:
///
/// ```
/// use cloakroom::SessionCookie;
/// use std::time::Duration;
///
/// let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
/// let cookie = SessionCookie::builder().name("__Secure-sid").domain("example.com").max_age(two_weeks).build()?;
/// assert_eq!(
///     cookie.removal(),
///     "__Secure-sid=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=0",
/// );
/// # Ok::<(), cloakroom::SessionCookieError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SessionCookieBuilder {
    name: String,
    path: String,
    domain: Option<String>,
    http_only: bool,
    secure: bool,
    same_site: SameSite,
    partitioned: bool,
    max_age: Option<Duration>,
}

impl Default for SessionCookieBuilder {
    fn default() -> Self {
        Self {
            name: "__Host-session_id".to_owned(),
            path: "/".to_owned(),
            domain: None,
            http_only: true,
            secure: true,
            same_site: SameSite::Lax,
            partitioned: false,
            max_age: None,
        }
    }
}

impl SessionCookieBuilder {
    /// Sets the name, including its prefix.
    ///
    /// Browsers enforce the prefix of a name, in upper or lower case ([RFC 6265bis, section 4.1.3][prefixes]):
    ///
    /// | prefix | requires |
    /// |---|---|
    /// | `__Secure-` | `Secure` |
    /// | `__Host-` | `Secure`, the path `/`, and no `Domain` |
    /// | `__Http-` (Chrome since 140) | `Secure` and `HttpOnly` |
    /// | `__Host-Http-` (Chrome since 140) | `HttpOnly`, and everything that `__Host-` requires |
    ///
    /// [prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the path below which the browser sends the cookie. The default, `/`, means all paths.
    ///
    /// A path does not protect the cookie from pages under other paths of the same host, because such pages can access
    /// each other (RFC 6265bis, sections 8.5 and 8.6).
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Makes the browser send the cookie to all hosts of a domain, not only to this host.
    ///
    /// Any of those hosts can then read the cookie and replace it (RFC 6265bis, section 8.6). Browsers refuse a domain
    /// that this host does not belong to, and a public suffix such as `com`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Removes `HttpOnly`, so that every script on the page can read the id. An injected script can then steal it
    /// ([OWASP][owasp], ASVS 5 requirement 3.3.4).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#httponly-attribute
    pub fn readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Sets whether the browser sends the cookie over HTTPS only. On by default ([OWASP][owasp], ASVS 5 requirement
    /// 3.3.1).
    ///
    /// If this is off, anyone on the network path to the server can read the id. Turn it off only to try a server on
    /// `http://localhost` with Safari or another client that makes no exception for localhost. The name must then have no
    /// prefix:
    ///
    /// ```
    /// use cloakroom::SessionCookie;
    ///
    /// let cookie = SessionCookie::builder().name("session_id").secure(false).build()?;
    /// assert_eq!(cookie.removal(), "session_id=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    /// # Ok::<(), cloakroom::SessionCookieError>(())
    /// ```
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#secure-attribute
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets with which requests from other sites the browser sends the cookie: with links that the user follows (`Lax`,
    /// the default), with none (`Strict`), or with all (`None`). See [OWASP][owasp] and RFC 6265bis, section 8.8.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#samesite-attribute
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Makes the browser keep a separate cookie for each site that embeds this one, for use with [`SameSite::None`]
    /// ([CHIPS][chips]).
    ///
    /// [chips]: https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Sets how long the browser keeps the cookie, in whole seconds. Without it, the browser keeps the cookie until it
    /// is closed.
    ///
    /// It holds for all sessions and counts from the response that sets the cookie, so it must not be longer than the
    /// sessions last. For a login that the user chooses to have remembered, see
    /// [`issue_for`](SessionCookie::issue_for), or `Login::remember` of `cloakroom-tower`.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Builds the cookie. Wait-free; allocates.
    ///
    /// # Errors
    ///
    /// A [`SessionCookieError`] for a setting that a browser would refuse, ignore or change, as far as this can be
    /// decided without knowing the host.
    pub fn build(self) -> Result<SessionCookie, SessionCookieError> {
        self.check_texts()?;
        self.check_prefix()?;
        if !self.secure && self.same_site == SameSite::None {
            return Err(SessionCookieError::NoneWithoutSecure);
        }
        if !self.secure && self.partitioned {
            return Err(SessionCookieError::PartitionedWithoutSecure);
        }
        let attributes = self.attributes();
        let removal = format!("{}={attributes}; Max-Age=0", self.name);
        let finder = Finder::new(&self.name).into_owned();
        let Self { name, domain, max_age, .. } = self;
        Ok(SessionCookie { name, finder, attributes, domain, max_age, removal })
    }

    /// The attributes except `Max-Age`, each after a semicolon.
    fn attributes(&self) -> String {
        let given = |given: bool, text| if given { text } else { "" };
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        format!(
            "{}; SameSite={}{}{}; Path={}{domain}",
            given(self.http_only, "; HttpOnly"),
            self.same_site,
            given(self.partitioned, "; Partitioned"),
            given(self.secure, "; Secure"),
            self.path,
        )
    }

    fn check_texts(&self) -> Result<(), SessionCookieError> {
        if self.name.is_empty() || !self.name.bytes().all(is_token_byte) {
            return Err(SessionCookieError::Name);
        }
        // Browsers cut off a space at the end.
        if !self.path.starts_with('/') || self.path.ends_with(' ') || !self.path.bytes().all(is_path_byte) {
            return Err(SessionCookieError::Path);
        }
        if self.name.len() + SESSION_ID_HEX_LEN > LONGEST_PAIR || self.path.len() > LONGEST_ATTRIBUTE {
            return Err(SessionCookieError::TooLong);
        }
        if let Some(domain) = &self.domain {
            if !domain.split('.').all(is_label) {
                return Err(SessionCookieError::Domain);
            }
            if domain.len() > LONGEST_DOMAIN {
                return Err(SessionCookieError::TooLong);
            }
        }
        match self.max_age {
            Some(life) if life < Duration::from_secs(1) || life > LONGEST_LIFE => Err(SessionCookieError::MaxAge),
            _ => Ok(()),
        }
    }

    fn check_prefix(&self) -> Result<(), SessionCookieError> {
        if (self.begins_with("__Http-") || self.begins_with("__Host-Http-")) && !self.http_only {
            return Err(SessionCookieError::HttpWithoutHttpOnly);
        }
        if self.begins_with("__Host-") {
            return match () {
                () if !self.secure => Err(SessionCookieError::HostWithoutSecure),
                () if self.domain.is_some() => Err(SessionCookieError::HostWithDomain),
                () if self.path != "/" => Err(SessionCookieError::HostWithPath),
                () => Ok(()),
            };
        }
        match self.secure {
            false if self.begins_with("__Http-") => Err(SessionCookieError::HttpWithoutSecure),
            false if self.begins_with("__Secure-") => Err(SessionCookieError::SecureWithoutSecure),
            _ => Ok(()),
        }
    }

    pub(super) fn has_prefix(&self) -> bool {
        ["__Host-", "__Secure-", "__Http-"].iter().any(|prefix| self.begins_with(prefix))
    }

    /// Ignores case, as newer browsers do.
    fn begins_with(&self, prefix: &str) -> bool {
        self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }
}

/// `av-octet` of RFC 6265bis, section 4.1.1.
fn is_path_byte(byte: u8) -> bool {
    (byte == b' ' || byte.is_ascii_graphic()) && byte != b';'
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
