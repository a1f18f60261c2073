//! The session cookie: as a request brings it, and as a response sets or removes it.

use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
use cloakroom::SessionId;

/// Every well-formed session id of a request, in the order in which it was sent.
///
/// A request may bring several: browsers keep cookies of one name for several paths and domains apart but send them
/// all, and somebody who controls a sibling domain can add one. So a caller tries them all, and the first that names a
/// live session wins. What is no id (other cookies, forgeries of the wrong length, bytes that are no text) is passed
/// over. The time this takes grows with the length of the headers, nothing is copied, and hyper bounds that length.
pub(crate) fn session_ids<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = SessionId> + 'a {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    pairs.filter_map(move |pair| session_id(pair, name))
}

fn session_id(pair: &[u8], name: &str) -> Option<SessionId> {
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    if pair[..equals].trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = pair[equals + 1..].trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    std::str::from_utf8(unquoted.unwrap_or(value)).ok()?.parse().ok()
}

/// A `Set-Cookie` that lasts as long as the browser; how long the session lasts is the store's business.
pub(crate) fn issue(name: &str, id: &SessionId, secure: bool) -> HeaderValue {
    set_cookie(format!("{name}={}; Path=/{}", id.hex(), attributes(secure)))
}

/// A `Set-Cookie` that makes the browser forget the session.
pub(crate) fn remove(name: &str, secure: bool) -> HeaderValue {
    set_cookie(format!("{name}=; Path=/; Max-Age=0{}", attributes(secure)))
}

fn attributes(secure: bool) -> &'static str {
    if secure { "; HttpOnly; Secure; SameSite=Lax" } else { "; HttpOnly; SameSite=Lax" }
}

fn set_cookie(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("a cookie name is a token, and an id is hex digits");
    value.set_sensitive(true);
    value
}
