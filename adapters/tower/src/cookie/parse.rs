//! Ids in `Cookie` headers, which hold whatever a client likes.

use cloakroom::SessionId;
use core::fmt;
use http::HeaderMap;
use http::header::{COOKIE, GetAll, HeaderValue};
use memchr::memchr;

/// Every well-formed session id of a request, in the order in which they were sent. Made by [`SessionCookie::ids`](super::SessionCookie::ids).
pub struct SessionIds<'a> {
    headers: <GetAll<'a, HeaderValue> as IntoIterator>::IntoIter,
    /// What is left of the current header.
    rest: &'a [u8],
    name: &'a [u8],
}

impl<'a> SessionIds<'a> {
    pub(super) fn new(headers: &'a HeaderMap, name: &'a str) -> Self {
        Self { headers: headers.get_all(COOKIE).into_iter(), rest: &[], name: name.as_bytes() }
    }
}

impl Iterator for SessionIds<'_> {
    type Item = SessionId;

    fn next(&mut self) -> Option<SessionId> {
        loop {
            while !self.rest.is_empty() {
                let (pair, rest) = match memchr(b';', self.rest) {
                    Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                    None => (self.rest, &[][..]),
                };
                self.rest = rest;
                if let Some(id) = session_id(pair, self.name) {
                    return Some(id);
                }
            }
            self.rest = self.headers.next()?.as_bytes();
        }
    }
}

/// Shows no id.
impl fmt::Debug for SessionIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionIds(..)")
    }
}

/// The id in `name=id`, where spaces around either are allowed, and quotes around the id (RFC 6265, section 4.1.1).
fn session_id(pair: &[u8], name: &[u8]) -> Option<SessionId> {
    // A strange name is found out here, after a few bytes.
    let rest = pair.trim_ascii_start().strip_prefix(name)?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    core::str::from_utf8(unquoted.unwrap_or(value)).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionCookie;
    use proptest::prelude::*;

    const NAME: &str = "sid";

    fn found(headers: &[&[u8]]) -> Vec<SessionId> {
        let cookie = SessionCookie::builder().name(NAME).build().expect("a valid cookie");
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_bytes(header).expect("bytes that a header may hold"));
        }
        let ids: Vec<_> = cookie.ids(&map).collect();
        assert_eq!(cookie.id(&map), ids.first().copied());
        ids
    }

    fn id(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 32])
    }

    /// What the crate `cookie` finds.
    fn expected(headers: &[String]) -> Vec<SessionId> {
        let cookies = headers.iter().flat_map(|header| cookie::Cookie::split_parse(header.as_str()));
        let ours = cookies.filter_map(Result::ok).filter(|cookie| cookie.name() == NAME);
        ours.filter_map(|cookie| cookie.value_trimmed().parse().ok()).collect()
    }

    #[test]
    fn several_headers_and_cookies_are_searched_in_order() {
        let first = format!("a=b; {NAME}={}; c; {NAME}=x; {NAME}=\"{}\"", id(1), id(2));
        let second = format!("{NAME} =\t{} ;;", id(3));
        assert_eq!(found(&[first.as_bytes(), b"", second.as_bytes()]), [id(1), id(2), id(3)]);
    }

    #[test]
    fn what_only_looks_like_an_id_is_passed_over() {
        let digits = id(0xab).to_string();
        let refused = [
            format!("{NAME}={}", &digits[1..]),
            format!("{NAME}={digits}0"),
            format!("{NAME}=0x{}", &digits[2..]),
            format!("{NAME}=\"{digits}"),
            format!("{NAME}={digits}\""),
            format!("{NAME}=={digits}"),
            format!("{NAME}x={digits}"),
            format!("x{NAME}={digits}"),
            format!("SID={digits}"),
            format!("={NAME}={digits}"),
            format!("x={NAME}={digits}"),
            format!("{NAME}{digits}"),
            format!("{NAME}={} {}", &digits[..32], &digits[32..]),
            NAME.to_owned(),
            String::new(),
        ];
        for header in refused {
            assert_eq!(found(&[header.as_bytes()]), [], "{header:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_id_after_them() {
        let mut header = format!("{NAME}=").into_bytes();
        header.extend([0xff, 0xfe, 0x80]);
        header.extend(format!("; {NAME}={}", id(7)).bytes());
        assert_eq!(found(&[&header]), [id(7)]);
    }

    /// Pieces that often make an id under our name, and often nearly.
    fn header() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => any::<u8>().prop_map(|byte| format!("{NAME}={}", id(byte))),
            2 => any::<u8>().prop_map(|byte| format!(" {NAME} = \"{}\" ", id(byte)).to_uppercase().replace("SID", NAME)),
            2 => any::<u8>().prop_map(|byte| id(byte).to_string()),
            3 => Just(";".to_owned()),
            1 => Just(format!("{NAME}=")),
            1 => "[ -~\t]{0,8}",
            1 => "[;=\" \tsid0-9a-f]{0,70}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn finds_what_the_crate_cookie_finds(headers in prop::collection::vec(header(), 0..4)) {
            let bytes: Vec<&[u8]> = headers.iter().map(String::as_bytes).collect();
            prop_assert_eq!(found(&bytes), expected(&headers));
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..], 0..300)) {
            let lossy = String::from_utf8_lossy(&bytes).into_owned();
            // What is no text is no id either, so replacing it changes nothing.
            prop_assert_eq!(found(&[&bytes]), expected(&[lossy]));
        }
    }
}
