//! The ids in `Cookie` headers. A client can send any bytes there.

use crate::id::SessionId;
use core::fmt;
use memchr::memchr;
use memchr::memmem::Finder;

/// An iterator over the well-formed session ids of a request, in the order of the headers. Made by
/// [`SessionCookie::ids`](super::SessionCookie::ids).
///
/// It searches for the cookie's name and does not parse other cookies, because they can take kilobytes. `next` is
/// wait-free and allocates nothing.
pub struct SessionIds<'a, I: Iterator> {
    headers: I,
    header: Option<I::Item>,
    /// The number of bytes of `header` that have been searched.
    searched: usize,
    name: &'a Finder<'static>,
}

impl<'a, I: Iterator> SessionIds<'a, I> {
    pub(super) fn new(headers: I, name: &'a Finder<'static>) -> Self {
        Self { headers, header: None, searched: 0, name }
    }
}

impl<I: Iterator<Item: AsRef<[u8]>>> Iterator for SessionIds<'_, I> {
    type Item = SessionId;

    fn next(&mut self) -> Option<SessionId> {
        loop {
            if let Some(header) = &self.header {
                let found = next_in(header.as_ref(), &mut self.searched, self.name);
                if found.is_some() {
                    return found;
                }
            }
            (self.header, self.searched) = (Some(self.headers.next()?), 0);
        }
    }
}

/// The next id in a header of which the first `searched` bytes have been searched.
fn next_in(header: &[u8], searched: &mut usize, name: &Finder<'_>) -> Option<SessionId> {
    while let Some(start) = name.find(&header[*searched..]) {
        let (before, rest) = header.split_at(*searched + start);
        let after = &rest[name.needle().len()..];
        let value = if begins_a_pair(before) { value(after) } else { None };
        // The name contains neither semicolons nor spaces, so no pair begins within it, and none is missed.
        *searched = header.len() - after.len();
        if let Some(id) = value.and_then(session_id) {
            return Some(id);
        }
    }
    // An iterator that has ended stays at its end.
    *searched = header.len();
    None
}

/// Shows no id.
impl<I: Iterator> fmt::Debug for SessionIds<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionIds(..)")
    }
}

/// Whether a pair may begin after these bytes: they are empty or end with a semicolon, apart from spaces.
fn begins_a_pair(before: &[u8]) -> bool {
    matches!(before.trim_ascii_end(), [] | [.., b';'])
}

/// The value of the pair whose name precedes these bytes: the text between an equals sign and the next semicolon,
/// without the spaces around it.
fn value(after: &[u8]) -> Option<&[u8]> {
    let value = after.trim_ascii_start().strip_prefix(b"=")?;
    let end = memchr(b';', value).unwrap_or(value.len());
    Some(value[..end].trim_ascii())
}

/// Parses an id, which may be in quotes (RFC 6265, section 4.1.1).
fn session_id(value: &[u8]) -> Option<SessionId> {
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    core::str::from_utf8(unquoted.unwrap_or(value)).ok()?.parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cookie::SessionCookie;
    use proptest::prelude::*;

    const NAME: &str = "sid";

    fn found(headers: &[&[u8]]) -> Vec<SessionId> {
        let cookie = SessionCookie::builder().name(NAME).build().expect("a valid cookie");
        let ids: Vec<_> = cookie.ids(headers).collect();
        assert_eq!(cookie.id(headers), ids.first().copied());
        ids
    }

    fn id(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 32])
    }

    /// The ids that the crate `cookie` finds.
    fn expected(headers: &[String]) -> Vec<SessionId> {
        let cookies = headers.iter().flat_map(|header| ::cookie::Cookie::split_parse(header.as_str()));
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
    fn malformed_ids_are_skipped() {
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
    fn a_name_that_overlaps_itself_is_found_only_as_a_whole_name() {
        let cookie = SessionCookie::builder().name("aa").build().expect("a valid cookie");
        let header = format!("aaa={0}; aaaa={0}; a=aa={0}; a=aa; aa={1}; aa aa={0}", id(1), id(2));
        assert_eq!(cookie.ids([header]).collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn bytes_that_are_not_text_hide_no_id_after_them() {
        let mut header = format!("{NAME}=").into_bytes();
        header.extend([0xff, 0xfe, 0x80]);
        header.extend(format!("; {NAME}={}", id(7)).bytes());
        assert_eq!(found(&[&header]), [id(7)]);
    }

    /// Pieces that often form an id under the name, or almost one.
    fn header() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => any::<u8>().prop_map(|byte| format!("{NAME}={}", id(byte))),
            2 => any::<u8>().prop_map(|byte| {
                let pair = format!(" {NAME} = \"{}\" ", id(byte));
                pair.to_uppercase().replace("SID", NAME)
            }),
            2 => any::<u8>().prop_map(|byte| id(byte).to_string()),
            3 => Just(";".to_owned()),
            1 => Just(format!("{NAME}=")),
            1 => Just(NAME.to_owned()),
            1 => "[ -~\t]{0,8}",
            1 => "[;=\" \tsid0-9a-f]{0,70}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn piece_of_bytes() -> impl Strategy<Value = Vec<u8>> {
        let any_byte = prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..];
        prop_oneof![
            header().prop_map(String::into_bytes),
            Just(format!(";{NAME}=").into_bytes()),
            prop::collection::vec(any_byte, 0..70),
        ]
    }

    proptest! {
        #[test]
        fn finds_the_same_ids_as_the_crate_cookie(headers in prop::collection::vec(header(), 0..4)) {
            let bytes: Vec<&[u8]> = headers.iter().map(String::as_bytes).collect();
            prop_assert_eq!(found(&bytes), expected(&headers));
        }

        #[test]
        fn any_bytes_give_the_same_ids_as_the_crate_cookie(pieces in prop::collection::vec(piece_of_bytes(), 0..20)) {
            let bytes = pieces.concat();
            // The crate `cookie` takes text, and skips spaces outside ASCII too. No id contains a byte outside ASCII,
            // so replacing those bytes changes no id.
            let text = bytes.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect();
            prop_assert_eq!(found(&[&bytes]), expected(&[text]));
        }
    }
}
