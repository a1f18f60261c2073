//! The ids in `Cookie` headers are those that the crate `cookie` finds, whatever the headers hold.

#![no_main]

use cloakroom::{SessionCookie, SessionId};
use libfuzzer_sys::fuzz_target;

/// The ids that the crate `cookie` finds in one header. It takes text, and also skips spaces outside ASCII and vertical
/// tabs, which no header contains (RFC 9110, section 5.5). No id contains such bytes, so replacing them changes no id.
fn expected(header: &[u8], name: &str) -> Vec<SessionId> {
    let is_plain = |byte: u8| byte.is_ascii() && byte != 0x0b;
    let text: String = header.iter().map(|&byte| if is_plain(byte) { char::from(byte) } else { '?' }).collect();
    let cookies = cookie::Cookie::split_parse(text.as_str()).filter_map(Result::ok);
    cookies.filter(|cookie| cookie.name() == name).filter_map(|cookie| cookie.value_trimmed().parse().ok()).collect()
}

/// The first byte chooses one of a few names, some of which overlap themselves. Line feeds, which no header contains,
/// part the rest into headers. `$` stands for the digits of an id, and `&` for the name, so that the fuzzer need not
/// find 64 digits.
fn check(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let names = ["sid", "a", "aa", "aba", "__Host-session_id"];
    let name = names[usize::from(*choice) % names.len()];
    let cookie = SessionCookie::builder().name(name).build().expect("a valid cookie");
    let mut bytes = Vec::new();
    for (at, &byte) in rest.iter().enumerate() {
        match byte {
            b'$' => bytes.extend(format!("{:064x}", at).bytes()),
            b'&' => bytes.extend(name.bytes()),
            other => bytes.push(other),
        }
    }
    let headers: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let ids: Vec<_> = cookie.ids(&headers).collect();
    assert_eq!(cookie.id(&headers), ids.first().copied());
    let expected: Vec<_> = headers.iter().flat_map(|header| expected(header, name)).collect();
    assert!(ids == expected, "{} ids where the crate `cookie` finds {}", ids.len(), expected.len());
}

fuzz_target!(|data: &[u8]| check(data));
