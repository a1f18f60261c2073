//! What is wrong with a cookie's settings.

use core::error::Error;
use core::fmt;

/// Tells why there is no such [`SessionCookie`](crate::SessionCookie): browsers would refuse or alter it (RFC 6265bis, [CHIPS][chips]).
///
/// [chips]: https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
///
/// # Examples
///
/// ```
/// use cloakroom_tower::{SessionCookie, SessionCookieError};
///
/// let refused = SessionCookie::builder().domain("example.com").build();
/// assert_eq!(refused.unwrap_err(), SessionCookieError::HostWithDomain);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCookieError {
    /// The name is empty, or has a byte that is not allowed in a token (RFC 6265, section 4.1.1).
    Name,
    /// Name and value together take more than 4,096 bytes, or the domain or the path more than 1,024 (RFC 6265bis, section 5.6); or the
    /// domain takes more than the 253 bytes that any domain name has.
    TooLong,
    /// The path does not begin with `/`, in which case browsers would take the directory of the request's, or it has a control character,
    /// a semicolon or what is no ASCII.
    Path,
    /// The domain is not one: labels of letters, digits and inner hyphens, with dots between them. Names of other scripts are to be given
    /// in Punycode.
    Domain,
    /// The life time is under a second, which removes the cookie, or over 400 days, to which browsers shorten it (RFC 6265bis, section 5.5).
    MaxAge,
    /// A name that begins with `__Host-` needs `Secure`.
    HostWithoutSecure,
    /// A name that begins with `__Host-` allows no `Domain`.
    HostWithDomain,
    /// A name that begins with `__Host-` needs the path `/`.
    HostWithPath,
    /// A name that begins with `__Secure-` needs `Secure`.
    SecureWithoutSecure,
    /// A name that begins with `__Http-` or `__Host-Http-` needs `Secure`.
    HttpWithoutSecure,
    /// A name that begins with `__Http-` or `__Host-Http-` needs `HttpOnly`.
    HttpWithoutHttpOnly,
    /// `SameSite=None` needs `Secure`.
    NoneWithoutSecure,
    /// `Partitioned` needs `Secure`.
    PartitionedWithoutSecure,
}

impl fmt::Display for SessionCookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a cookie's name is a token (RFC 6265)",
            Self::TooLong => "the cookie is longer than browsers accept",
            Self::Path => "a cookie's path begins with a slash and has neither control characters nor semicolons",
            Self::Domain => "the cookie's domain is not a domain name",
            Self::MaxAge => "a cookie lasts from one second to 400 days",
            Self::HostWithoutSecure => "a __Host- cookie needs Secure",
            Self::HostWithDomain => "a __Host- cookie allows no Domain",
            Self::HostWithPath => "a __Host- cookie needs the path /",
            Self::SecureWithoutSecure => "a __Secure- cookie needs Secure",
            Self::HttpWithoutSecure => "a __Http- cookie needs Secure",
            Self::HttpWithoutHttpOnly => "a __Http- cookie needs HttpOnly",
            Self::NoneWithoutSecure => "SameSite=None needs Secure",
            Self::PartitionedWithoutSecure => "Partitioned needs Secure",
        })
    }
}

impl Error for SessionCookieError {}
