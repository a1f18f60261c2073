//! The header fields of the protocol, and the strings in them (RFC 9651).

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};

/// The response header that offers a registration.
pub const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
/// The response header with a challenge.
pub const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
/// The request header with the proof.
pub const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
/// The request header with the name of the device. Scripts cannot set it.
pub const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");
/// The request header that says why the browser has not refreshed the bound cookie.
pub const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");

/// What a request says in a header whose value is one string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field<'h> {
    Absent,
    /// It occurs twice, or is no visible ASCII.
    Malformed,
    Text(&'h str),
}

/// Reads a string. The draft has it in quotation marks; Chrome sends it without.
pub(crate) fn string(headers: &HeaderMap, name: HeaderName) -> Field<'_> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Field::Absent };
    let Ok(text) = value.to_str() else { return Field::Malformed };
    if values.next().is_some() {
        return Field::Malformed;
    }
    let text = text.trim_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else { return Field::Text(text) };
    // Parameters may follow. What this crate reads contains neither quotation marks nor backslashes.
    match quoted.split_once('"') {
        Some((text, rest)) if rest.is_empty() || rest.starts_with(';') => Field::Text(text),
        _ => Field::Malformed,
    }
}

/// The values of all cookies of this name.
pub(crate) fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    pairs
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_string_is_read_with_and_without_quotation_marks() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| _ = headers.append(SESSION_ID, HeaderValue::from_static(value)));
            match string(&headers, SESSION_ID) {
                Field::Text(text) => Some(text.to_owned()),
                Field::Absent => Some("absent".to_owned()),
                Field::Malformed => None,
            }
        };
        assert_eq!(read(&[]).as_deref(), Some("absent"));
        assert_eq!(read(&["abc"]).as_deref(), Some("abc"));
        assert_eq!(read(&["\"abc\""]).as_deref(), Some("abc"));
        assert_eq!(read(&["\"abc\";later=1"]).as_deref(), Some("abc"));
        for malformed in [&["\"abc"] as &[_], &["\"abc\"x"], &["abc", "abc"]] {
            assert_eq!(read(malformed), None, "{malformed:?}");
        }
    }

    #[test]
    fn each_cookie_of_the_name_is_found() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; __Host-bound=x;  b=2; xa=3"));
        headers.append(COOKIE, HeaderValue::from_static("__Host-bound=y=z"));
        assert_eq!(cookies(&headers, "__Host-bound").collect::<Vec<_>>(), ["x", "y=z"]);
        assert_eq!(cookies(&headers, "a").collect::<Vec<_>>(), ["1"]);
    }
}
