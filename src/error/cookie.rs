//! The error of building a session cookie.

use core::error::Error;
use core::fmt;

/// Why a [`SessionCookie`](crate::SessionCookie) was not built: browsers would refuse or alter it (RFC 6265bis,
/// [CHIPS][chips]).
///
/// [chips]: https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionCookie, SessionCookieError};
///
/// let refused = SessionCookie::builder().domain("example.com").build();
/// assert_eq!(refused.unwrap_err(), SessionCookieError::HostWithDomain);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCookieError {
    /// The name is empty, or has a byte that is not allowed in a token (RFC 6265, section 4.1.1).
    Name,
    /// The name and the value together exceed 4,096 bytes, the path exceeds 1,024 bytes (RFC 6265bis, section 5.6), or
    /// the domain exceeds 253 bytes (RFC 1035).
    TooLong,
    /// The path contains a control character, a semicolon or a character outside ASCII, ends with a space, or does not
    /// begin with `/`. Browsers would replace the last kind by the directory of the request's path.
    Path,
    /// The domain is not a domain name: labels of letters, digits and inner hyphens, separated by dots. Write names in
    /// other scripts in Punycode.
    Domain,
    /// The lifetime is under a second, which would remove the cookie, or over 400 days, to which browsers would shorten
    /// it (RFC 6265bis, section 5.5).
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
            Self::Name => "the cookie's name is not a token (RFC 6265)",
            Self::TooLong => "the cookie is longer than browsers accept",
            Self::Path => "the cookie's path does not begin with a slash, or contains a character that is not allowed",
            Self::Domain => "the cookie's domain is not a domain name",
            Self::MaxAge => "the cookie's lifetime is not between one second and 400 days",
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
