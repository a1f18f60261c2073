//! Which requests count as a use of their session, and which responses may carry its cookie.

use core::fmt;
use http::header::{CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use std::sync::Arc;

/// A request and its response, for the application to decide whether it is a use of the session
/// ([`SessionLayer::counts_as_use`](crate::SessionLayer::counts_as_use)). `Debug` shows the method and the status.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Use<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's address.
    pub uri: &'a Uri,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The status of the response.
    pub status: StatusCode,
    /// The headers of the response, before the layer has added any.
    pub response_headers: &'a HeaderMap,
}

impl fmt::Debug for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Use").field("method", self.method).field("status", &self.status).finish_non_exhaustive()
    }
}

/// Decides whether a request is a use of its session.
pub(crate) type Predicate = Arc<dyn Fn(&Use<'_>) -> bool + Send + Sync>;

/// The request of a [`Use`], kept until its response.
pub(crate) struct RequestHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl RequestHead {
    pub(crate) fn of<B>(request: &Request<B>) -> Box<Self> {
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        Box::new(Self { method, uri, headers })
    }
}

/// Whether the request is a use of its session. A failed one never is, whatever the predicate.
pub(crate) fn is_use<B>(predicate: Option<&Predicate>, head: Option<&RequestHead>, response: &Response<B>) -> bool {
    let (status, response_headers) = (response.status(), response.headers());
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN || status.is_server_error() {
        return false;
    }
    let (Some(predicate), Some(RequestHead { method, uri, headers })) = (predicate, head) else { return true };
    predicate(&Use { method, uri, headers, status, response_headers })
}

/// Whether the response may carry a cookie that the session does not need at once.
///
/// A 304 must not, because a cache adds its headers to the response that it has stored (RFC 9111, section 4.3.4). Nor
/// must a response that a shared cache may store, because the layer would have to forbid that for everybody. An interim
/// response is no response yet.
pub(crate) fn may_carry<B>(response: &Response<B>) -> bool {
    !response.status().is_informational()
        && response.status() != StatusCode::NOT_MODIFIED
        && !others_may_store(response.headers())
}

/// Whether the application lets shared caches store the response, by what it says explicitly: RFC 9111, section 3,
/// without the responses that a cache may store because nothing is said.
fn others_may_store(headers: &HeaderMap) -> bool {
    // A cache that understands a field for itself ignores `Cache-Control` (RFC 9213, section 2.2).
    if headers.keys().filter(|name| is_targeted(name)).any(|name| Directives::of(headers, name).allow_others()) {
        return true;
    }
    let directives = Directives::of(headers, &CACHE_CONTROL);
    directives.allow_others() || (!directives.found && headers.contains_key(EXPIRES))
}

/// What the values of a field such as `Cache-Control` say.
#[derive(Default)]
struct Directives {
    found: bool,
    /// `no-store`, or `private` for the whole response.
    forbidden: bool,
    /// `public`, or a time above zero for which the response is fresh.
    allowed: bool,
}

impl Directives {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut directives = Self::default();
        for value in headers.get_all(name) {
            directives.found = true;
            for directive in directives_of(value.as_bytes()) {
                directives.note(directive);
            }
        }
        directives
    }

    fn note(&mut self, directive: &[u8]) {
        let (name, argument) = match directive.iter().position(|&byte| byte == b'=') {
            Some(at) => (directive[..at].trim_ascii(), Some(directive[at + 1..].trim_ascii())),
            None => (directive, None),
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("no-store") || (is("private") && argument.is_none()) {
            self.forbidden = true;
        } else if is("public") {
            self.allowed = true;
        } else if is("max-age") || is("s-maxage") || is("surrogate-maxage") {
            // Whatever is not zero may be a time.
            self.allowed |= argument.is_some_and(|time| time.iter().any(|byte| !b"0\"".contains(byte)));
        }
    }

    fn allow_others(&self) -> bool {
        self.allowed && !self.forbidden
    }
}

/// The directives of a value: what is between commas, except for commas in quotes.
fn directives_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let parts = value.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    parts.map(<[u8]>::trim_ascii)
}

/// Whether this field is `Cache-Control` for certain caches: RFC 9213 recommends that their names end so. The other
/// one is of the W3C's Edge Architecture.
fn is_targeted(name: &HeaderName) -> bool {
    name.as_str().ends_with("-cache-control") || name.as_str() == "surrogate-control"
}

/// Forbids every cache to store the response.
pub(crate) fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    while let Some(name) = headers.keys().find(|name| is_targeted(name)).cloned() {
        headers.remove(name);
    }
}

/// Tells caches that the response depends on a header of the request (RFC 9110, section 12.5.5).
pub(crate) fn vary_by(headers: &mut HeaderMap, name: &HeaderName) {
    let said = headers.get_all(http::header::VARY).into_iter().any(|value| {
        let mut names = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        names.any(|other| other == b"*" || other.eq_ignore_ascii_case(name.as_str().as_bytes()))
    });
    if !said {
        headers.append(http::header::VARY, name.clone().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{AUTHORIZATION, COOKIE, VARY};

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_response_that_the_application_lets_others_store_is_told_from_its_own() {
        let (cache, cdn, surrogate) = ("cache-control", "cdn-cache-control", "surrogate-control");
        for said in [
            &[(cache, "public")][..],
            &[(cache, "PUBLIC, max-age=0")],
            &[(cache, "max-age=60")],
            &[(cache, "no-cache, s-maxage=\"1\"")],
            &[(cache, "private=\"set-cookie\", max-age=9")],
            &[(cache, "ext=\"a, no-store\", public")],
            &[(cdn, "max-age=60"), (cache, "no-store")],
            &[("tenant-cache-control", "public")],
            &[(surrogate, "max-age=60")],
            &[("expires", "Thu, 01 Dec 2033 16:00:00 GMT")],
        ] {
            assert!(others_may_store(&headers(said)), "{said:?}");
        }
        for said in [
            &[][..],
            &[(cache, "no-store, public")],
            &[(cache, "private, max-age=60")],
            &[(cache, "max-age=0, must-revalidate")],
            &[(cache, "no-cache")],
            &[(cache, "ext=\"a, public\"")],
            &[(cache, "s-maxage")],
            &[(cdn, "no-store")],
            &[("expires", "Thu, 01 Dec 2033 16:00:00 GMT"), (cache, "private")],
        ] {
            assert!(!others_may_store(&headers(said)), "{said:?}");
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        let mut map = headers(&[("cache-control", "public")]);
        map.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        assert!(!others_may_store(&map));
    }

    #[test]
    fn a_name_is_added_to_vary_only_if_it_is_not_there() {
        let cases: [(&[&'static str], &[&str]); 6] = [
            (&[], &["cookie"]),
            (&["accept-encoding"], &["accept-encoding", "cookie"]),
            (&["accept-encoding, Cookie"], &["accept-encoding, Cookie"]),
            (&["accept", "COOKIE ,origin"], &["accept", "COOKIE ,origin"]),
            (&["*"], &["*"]),
            (&["x-cookie"], &["x-cookie", "cookie"]),
        ];
        for (before, after) in cases {
            let mut map = HeaderMap::new();
            for value in before {
                map.append(VARY, HeaderValue::from_static(value));
            }
            vary_by(&mut map, &COOKIE);
            assert_eq!(map.get_all(VARY).iter().collect::<Vec<_>>(), after);
        }
        let mut map = HeaderMap::new();
        vary_by(&mut map, &COOKIE);
        vary_by(&mut map, &AUTHORIZATION);
        assert_eq!(map.get_all(VARY).iter().collect::<Vec<_>>(), ["cookie", "authorization"]);
    }
}
