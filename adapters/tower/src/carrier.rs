//! How a request brings the id of its session, and how its response sends a new one: in a cookie, or as a token in a
//! header.

use crate::cookie::{CookieIds, LayerCookie};
use cloakroom::{SESSION_ID_HEX_LEN, SessionId};
use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// How clients that are not browsers send the id of their session: as a token in a header of the request, and how the
/// response sends them a new one. For [`SessionLayer::token`](crate::SessionLayer::token).
///
/// The token is the session's id, 64 hex digits, with the same powers as the id in a cookie.
///
/// | | the request has | the response has |
/// |---|---|---|
/// | [`bearer`](Self::bearer) | `Authorization: Bearer <token>` (RFC 6750, section 2.1) | `Session-Token: <token>` |
/// | [`in_header(name)`](Self::in_header) | `<name>: <token>` | `<name>: <token>` |
///
/// The response has that header when a cookie would be set: after a session was created or got another id. It is kept
/// out of caches in the same way.
///
/// # Examples
///
/// ```
/// use cloakroom_tower::SessionToken;
/// use http::HeaderName;
///
/// // As MCP servers do.
/// let token = SessionToken::in_header(HeaderName::from_static("mcp-session-id"));
/// # let _ = token;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    request: HeaderName,
    response: HeaderName,
    /// Whether the token follows the scheme `Bearer`.
    is_bearer: bool,
}

impl SessionToken {
    /// Returns the token of `Authorization: Bearer`, which the response sends in `Session-Token`. Wait-free; allocates
    /// nothing.
    ///
    /// If a response to a request with a bearer token has the status 401, the layer adds `WWW-Authenticate: Bearer`,
    /// unless the header is there (RFC 6750, section 3).
    #[must_use]
    pub fn bearer() -> Self {
        Self { request: AUTHORIZATION, response: HeaderName::from_static("session-token"), is_bearer: true }
    }

    /// Returns the token in a header of this name, in requests and in responses. Wait-free; allocates nothing.
    #[must_use]
    pub fn in_header(name: HeaderName) -> Self {
        Self { request: name.clone(), response: name, is_bearer: false }
    }

    /// Sets the header in which the response sends a new token. A request that has a header of this name, with any
    /// value, asks for its token there. Wait-free; allocates nothing.
    #[must_use]
    pub fn sent_in(mut self, name: HeaderName) -> Self {
        self.response = name;
        self
    }

    /// Whether the token has a header for itself, which browsers do not send by themselves.
    pub(crate) fn has_its_own_header(&self) -> bool {
        let cookies = [COOKIE, SET_COOKIE];
        !cookies.contains(&self.request) && !cookies.contains(&self.response) && self.response != AUTHORIZATION
    }

    /// The id in the token of a request. `None` if the request has no token and does not ask for one.
    fn of_request(&self, headers: &HeaderMap) -> Option<Option<SessionId>> {
        let mut tokens = headers.get_all(&self.request).into_iter().filter_map(|value| {
            let value = value.as_bytes().trim_ascii();
            if self.is_bearer { after_bearer(value) } else { Some(value) }
        });
        let Some(token) = tokens.next() else {
            return headers.contains_key(&self.response).then_some(None);
        };
        // A client must not send more than one (RFC 6750, section 2). Then none counts.
        let id = core::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        Some(id.filter(|_| tokens.next().is_none()))
    }
}

/// What follows the scheme `Bearer`, in upper or lower case (RFC 9110, section 11.1). `None` for another scheme.
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && matches!(token, [] | [b' ', ..]);
    is_bearer.then(|| token.trim_ascii())
}

/// The carriers that a layer reads.
#[derive(Clone)]
pub(crate) struct Carriers {
    pub(crate) cookie: LayerCookie,
    /// Cookies with a `Domain` each, for the hosts of that domain; those with the longest domains first.
    pub(crate) by_domain: Vec<LayerCookie>,
    pub(crate) token: Option<SessionToken>,
    /// Whether sessions without a user have the same cookie as others.
    pub(crate) one_cookie: bool,
    /// Whether there is a token instead of cookies.
    pub(crate) only_token: bool,
}

/// What carries the id of one request. A request has one: if it has a token, its cookies are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The layer's cookie.
    Cookie,
    /// One of the cookies by domain.
    CookieOfDomain(usize),
    /// The token, and the id in it.
    Token(Option<SessionId>),
}

impl Carrier {
    pub(crate) fn is_token(self) -> bool {
        matches!(self, Self::Token(_))
    }
}

impl Carriers {
    pub(crate) fn new(cookie: LayerCookie) -> Self {
        Self { cookie, by_domain: Vec::new(), token: None, one_cookie: false, only_token: false }
    }

    /// What carries the id of this request.
    pub(crate) fn of_request(&self, uri: &Uri, headers: &HeaderMap) -> Carrier {
        if let Some(token) = &self.token {
            let found = token.of_request(headers);
            if let Some(id) = found.or(self.only_token.then_some(None)) {
                return Carrier::Token(id);
            }
        }
        if self.by_domain.is_empty() {
            return Carrier::Cookie;
        }
        let host = host_of(uri, headers).unwrap_or_default();
        let fits = |cookie: &LayerCookie| cookie.settings().domain().is_some_and(|domain| is_within(host, domain));
        self.by_domain.iter().position(fits).map_or(Carrier::Cookie, Carrier::CookieOfDomain)
    }

    /// The ids that a request carries.
    pub(crate) fn ids<'a>(&'a self, carrier: Carrier, headers: &'a HeaderMap) -> Ids<'a> {
        match self.cookie_of(carrier) {
            Some(cookie) => Ids::Cookies(cookie.ids(headers)),
            None => Ids::Token(if let Carrier::Token(id) = carrier { id } else { None }),
        }
    }

    /// The cookie of a carrier that is not a token.
    pub(crate) fn cookie_of(&self, carrier: Carrier) -> Option<&LayerCookie> {
        match carrier {
            Carrier::Cookie => Some(&self.cookie),
            Carrier::CookieOfDomain(at) => Some(&self.by_domain[at]),
            Carrier::Token(_) => None,
        }
    }

    /// The cookie of a carrier for sessions without a user, if they have one of their own.
    pub(crate) fn visitors_of(&self, carrier: Carrier) -> Option<&LayerCookie> {
        self.cookie_of(carrier)?.visitors().filter(|_| !self.one_cookie)
    }

    /// Whether both find the same sessions in the same requests.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let names = |carriers: &Self| -> Vec<_> {
            let all = carriers.by_domain.iter().chain([&carriers.cookie]);
            all.map(|cookie| (cookie.settings().name().to_owned(), cookie.settings().domain().map(str::to_owned)))
                .collect()
        };
        self.token == other.token && self.only_token == other.only_token && names(self) == names(other)
    }

    /// Adds a new id, or a removal, to the headers of a response.
    pub(crate) fn deliver(&self, carrier: Carrier, value: HeaderValue, headers: &mut HeaderMap) {
        match &self.token {
            Some(token) if carrier.is_token() => drop(headers.insert(token.response.clone(), value)),
            _ => drop(headers.append(SET_COOKIE, value)),
        }
    }

    /// Whether a response with the status 401 has to name the scheme `Bearer`.
    pub(crate) fn challenges(&self, carrier: Carrier) -> bool {
        carrier.is_token() && self.token.as_ref().is_some_and(|token| token.is_bearer)
    }

    /// The headers of a request on which the session depends.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let cookie = (!self.only_token).then_some(&COOKIE);
        cookie.into_iter().chain(self.token.as_ref().map(|token| &token.request))
    }
}

/// The token of an id, as the value of a header. A single allocation.
///
/// The value is marked as sensitive, so `Debug` does not show it and HTTP/2 does not keep it in its table of headers.
pub(crate) fn token_value(id: &SessionId) -> HeaderValue {
    let digits: &str = &id.hex();
    debug_assert_eq!(digits.len(), SESSION_ID_HEX_LEN);
    let mut value = HeaderValue::from_str(digits).expect("hex digits");
    value.set_sensitive(true);
    value
}

/// The ids that a request carries, in the order of its headers.
pub(crate) enum Ids<'a> {
    Cookies(CookieIds<'a>),
    Token(Option<SessionId>),
}

impl Iterator for Ids<'_> {
    type Item = SessionId;

    fn next(&mut self) -> Option<SessionId> {
        match self {
            Self::Cookies(ids) => ids.next(),
            Self::Token(id) => id.take(),
        }
    }
}

/// The host that the client has asked for, without its port. The address of the request has it in HTTP/2, and in HTTP/1
/// if it is absolute, when it counts before the header (RFC 9112, section 3.2.2).
fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = match uri.host() {
        Some(host) => host,
        None => {
            let host = headers.get(HOST)?.to_str().ok()?;
            host.rsplit_once(':').map_or(host, |(host, _port)| host)
        }
    };
    Some(host.strip_suffix('.').unwrap_or(host))
}

/// Whether a host is the domain or one of its subdomains (RFC 6265, section 5.1.3).
fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let (before, end) = (&host.as_bytes()[..start], &host.as_bytes()[start..]);
    end.eq_ignore_ascii_case(domain.as_bytes()) && matches!(before, [] | [.., b'.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_bearer_is_a_bearer_token() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bEARER   abc ", Some("abc")),
            ("Bearer", Some("")),
            ("Bearer a b", Some("a b")),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("Bear", None),
            ("", None),
        ] {
            assert_eq!(after_bearer(value.as_bytes()), token.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn a_host_is_within_its_domain_and_no_other() {
        for host in ["example.com", "EXAMPLE.com", "a.example.com", "a.b.Example.Com"] {
            assert!(is_within(host, "example.com"), "{host}");
        }
        for host in ["", "com", "badexample.com", "example.com.evil", "example.org", "example.co"] {
            assert!(!is_within(host, "example.com"), "{host}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_address_or_else_of_the_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(host_of(&Uri::from_static("/"), &headers), None);
        for (header, host) in
            [("a.example", "a.example"), ("a.example:80", "a.example"), ("a.example.:80", "a.example")]
        {
            headers.insert(HOST, HeaderValue::from_static(header));
            assert_eq!(host_of(&Uri::from_static("/"), &headers), Some(host));
        }
        assert_eq!(host_of(&Uri::from_static("https://b.example:1/"), &headers), Some("b.example"));
        headers.insert(HOST, HeaderValue::from_bytes(b"\xff").expect("a header"));
        assert_eq!(host_of(&Uri::from_static("/"), &headers), None);
    }
}
