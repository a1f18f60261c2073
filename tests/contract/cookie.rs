//! The cookie's builder: accepted and refused settings, and the resulting headers.

use cloakroom::SessionCookieError as Refused;
use cloakroom::{SameSite, SessionCookie, SessionCookieBuilder, SessionId};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn builder() -> SessionCookieBuilder {
    SessionCookie::builder()
}

fn plain() -> SessionCookieBuilder {
    builder().name("sid")
}

fn refused(builder: SessionCookieBuilder) -> Option<Refused> {
    builder.build().err()
}

#[test]
fn the_default_has_every_protective_attribute() {
    let id = SessionId::from_bytes([0xab; 32]);
    let set = SessionCookie::default().issue(&id);
    let expected = format!("__Host-session_id={}; HttpOnly; SameSite=Lax; Secure; Path=/", "ab".repeat(32));
    assert_eq!(set.as_str(), expected);
}

#[test]
fn each_setting_is_written_and_the_removal_has_the_same_name_path_and_domain() {
    let id = SessionId::from_bytes([1; 32]);
    let everything = plain()
        .path("/app")
        .domain("example.com")
        .readable_by_scripts()
        .same_site(SameSite::None)
        .partitioned(true)
        .max_age(14 * DAY);
    let cookie = everything.build().expect("a valid cookie");
    let attributes = "SameSite=None; Partitioned; Secure; Path=/app; Domain=example.com";
    assert_eq!(cookie.issue(&id).as_str(), format!("sid={id}; {attributes}; Max-Age=1209600"));
    assert_eq!(cookie.removal(), format!("sid=; {attributes}; Max-Age=0"));
    let strict = plain().secure(false).same_site(SameSite::Strict).build().expect("a valid cookie");
    assert_eq!(strict.issue(&id).as_str(), format!("sid={id}; HttpOnly; SameSite=Strict; Path=/"));
    assert_eq!(strict.removal(), "sid=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
}

#[test]
fn the_crate_cookie_parses_the_header() {
    let id = SessionId::from_bytes([2; 32]);
    let cookie = builder().max_age(DAY).build().expect("a valid cookie");
    let set = cookie.issue(&id);
    let read = cookie::Cookie::parse(set.as_str()).expect("a cookie");
    assert_eq!((read.name(), read.value()), ("__Host-session_id", id.to_string().as_str()));
    assert_eq!((read.http_only(), read.secure(), read.path()), (Some(true), Some(true), Some("/")));
    assert_eq!((read.same_site(), read.domain()), (Some(cookie::SameSite::Lax), None));
    assert_eq!(read.max_age(), Some(cookie::time::Duration::days(1)));
}

#[test]
fn a_prefix_in_any_case_requires_what_browsers_require() {
    for host in ["__Host-sid", "__host-sid", "__HOST-sid", "__Host-Http-sid"] {
        assert_eq!(refused(builder().name(host)), None, "{host}");
        assert_eq!(refused(builder().name(host).secure(false)), Some(Refused::HostWithoutSecure), "{host}");
        assert_eq!(refused(builder().name(host).domain("example.com")), Some(Refused::HostWithDomain), "{host}");
        assert_eq!(refused(builder().name(host).path("/app")), Some(Refused::HostWithPath), "{host}");
    }
    for secure in ["__Secure-sid", "__sEcUrE-sid"] {
        assert_eq!(refused(builder().name(secure).domain("example.com").path("/app")), None, "{secure}");
        assert_eq!(refused(builder().name(secure).secure(false)), Some(Refused::SecureWithoutSecure), "{secure}");
    }
    for http in ["__Http-sid", "__http-sid"] {
        assert_eq!(refused(builder().name(http).domain("example.com").path("/app")), None, "{http}");
        assert_eq!(refused(builder().name(http).secure(false)), Some(Refused::HttpWithoutSecure), "{http}");
    }
    for http in ["__Http-sid", "__Host-Http-sid", "__hOST-hTTP-sid"] {
        assert_eq!(refused(builder().name(http).readable_by_scripts()), Some(Refused::HttpWithoutHttpOnly), "{http}");
    }
    for none in ["_Host-sid", "__Host_sid", "x__Host-sid", "__Host"] {
        assert_eq!(refused(builder().name(none).secure(false).path("/app")), None, "{none}");
    }
}

#[test]
fn cookies_for_other_sites_need_secure() {
    assert_eq!(refused(plain().same_site(SameSite::None)), None);
    assert_eq!(refused(plain().secure(false).same_site(SameSite::None)), Some(Refused::NoneWithoutSecure));
    assert_eq!(refused(plain().partitioned(true)), None);
    assert_eq!(refused(plain().secure(false).partitioned(true)), Some(Refused::PartitionedWithoutSecure));
}

#[test]
fn only_tokens_are_names() {
    for byte in 0..=0xff_u8 {
        let name = format!("s{}d", char::from(byte));
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(refused(builder().name(name)), (!token).then_some(Refused::Name), "{byte}");
    }
    assert_eq!(refused(builder().name("")), Some(Refused::Name));
    assert_eq!(refused(builder().name("sid=1; Domain=evil.example")), Some(Refused::Name));
}

#[test]
fn a_path_begins_with_a_slash_and_cannot_end_the_attribute() {
    for byte in 0..=0xff_u8 {
        let path = format!("/a{}b", char::from(byte));
        let allowed = (0x20..0x7f).contains(&byte) && byte != b';';
        assert_eq!(refused(plain().path(path)), (!allowed).then_some(Refused::Path), "{byte}");
    }
    for path in ["", "app", " /", "/app ", "/; Domain=evil.example"] {
        assert_eq!(refused(plain().path(path)), Some(Refused::Path), "{path:?}");
    }
}

#[test]
fn only_host_names_are_domains() {
    for domain in ["example.com", "a.b.c.example", "xn--bcher-kva.example", "localhost", "EXAMPLE.com"] {
        assert_eq!(refused(plain().domain(domain)), None, "{domain}");
    }
    let long_label = format!("{}.example", "a".repeat(64));
    for domain in ["", ".", ".example.com", "example.com.", "a..b", "-a.b", "a-.b", "a b", "a;b", "ä.de", &long_label]
    {
        assert_eq!(refused(plain().domain(domain)), Some(Refused::Domain), "{domain:?}");
    }
}

#[test]
fn lengths_have_the_limits_of_browsers() {
    let longest = "n".repeat(4096 - 64);
    assert_eq!(refused(builder().name(&longest)), None);
    assert_eq!(refused(builder().name(longest + "n")), Some(Refused::TooLong));
    let longest = format!("/{}", "p".repeat(1023));
    assert_eq!(refused(plain().path(&longest)), None);
    assert_eq!(refused(plain().path(longest + "p")), Some(Refused::TooLong));
    let longest = format!("{}{}", "abcd.".repeat(50), "abc");
    assert_eq!(refused(plain().domain(&longest)), None);
    assert_eq!(refused(plain().domain(longest + "d")), Some(Refused::TooLong));
}

#[test]
fn a_cookie_lasts_from_a_second_to_400_days() {
    for life in [Duration::from_secs(1), 400 * DAY] {
        assert_eq!(refused(plain().max_age(life)), None);
    }
    for life in [Duration::ZERO, Duration::from_millis(999), 400 * DAY + Duration::from_nanos(1), Duration::MAX] {
        assert_eq!(refused(plain().max_age(life)), Some(Refused::MaxAge), "{life:?}");
    }
}

#[test]
fn a_remembered_cookie_lasts_from_a_second_to_400_days() {
    let id = SessionId::from_bytes([3; 32]);
    let cookie = plain().build().expect("a valid cookie");
    let wanted = [Duration::ZERO, Duration::from_millis(9_999), DAY, 400 * DAY, 401 * DAY, Duration::MAX];
    for (life, seconds) in wanted.into_iter().zip([1, 9, 86_400, 34_560_000, 34_560_000, 34_560_000]) {
        let expected = format!("sid={id}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={seconds}");
        assert_eq!(cookie.issue_for(&id, life).as_str(), expected, "{life:?}");
    }
    assert!(!cookie.issue(&id).as_str().contains("Max-Age"));
}

#[test]
fn the_attributes_are_those_that_the_crate_cookie_writes() {
    let id = SessionId::from_bytes([4; 32]);
    let same_sites = [
        (SameSite::Strict, cookie::SameSite::Strict),
        (SameSite::Lax, cookie::SameSite::Lax),
        (SameSite::None, cookie::SameSite::None),
    ];
    let mut compared = 0;
    for bits in 0..32 {
        let has = |bit: u32| bits & 1 << bit != 0;
        for (same_site, theirs) in same_sites {
            let mut ours = plain().secure(has(0)).partitioned(has(1)).same_site(same_site);
            let mut other = cookie::Cookie::build(("sid", id.to_string())).path("/").same_site(theirs);
            other = other.http_only(!has(2)).secure(has(0)).partitioned(has(1));
            if has(2) {
                ours = ours.readable_by_scripts();
            }
            if has(3) {
                (ours, other) = (ours.domain("example.com"), other.domain("example.com"));
            }
            if has(4) {
                (ours, other) = (ours.max_age(DAY), other.max_age(cookie::time::Duration::days(1)));
            }
            // Refused without `Secure`, if `Secure` is needed.
            let Ok(ours) = ours.build() else { continue };
            assert_eq!(ours.issue(&id).as_str(), other.build().to_string());
            compared += 1;
        }
    }
    assert_eq!(compared, 16 * 3 + 8 * 2);
}

#[test]
fn the_name_of_a_store_gets_the_prefix_unless_it_has_one() {
    for (name, cookie) in [("sid", "__Host-sid"), ("__secure-sid", "__secure-sid"), ("__Host-sid", "__Host-sid")] {
        let name = name.parse().expect("a token");
        assert_eq!(SessionCookie::of_this_host(&name).name(), cookie);
    }
}

#[test]
fn every_kind_of_header_is_read() {
    let id = SessionId::from_bytes([5; 32]);
    let cookie = plain().build().expect("a valid cookie");
    let header = format!("a=b; sid={id}");
    assert_eq!(cookie.id([&header]), Some(id));
    assert_eq!(cookie.id(Some(header.as_str())), Some(id));
    assert_eq!(cookie.id([b"\xff".as_slice(), header.as_bytes()]), Some(id));
    assert_eq!(cookie.id(None::<&str>), None);
    let mut ids = cookie.ids([&header]);
    assert_eq!((ids.next(), ids.next(), ids.next()), (Some(id), None, None));
}

#[test]
fn debug_output_contains_no_id() {
    let id = SessionId::from_bytes([0xab; 32]);
    let cookie = SessionCookie::default();
    let set = cookie.issue(&id);
    let header = format!("__Host-session_id={id}");
    let shown = format!("{set:?} {cookie:?} {:?}", cookie.ids([&header]));
    assert!(!shown.contains("abab"), "{shown}");
}

#[test]
fn errors_are_lower_case_without_a_full_stop() {
    let error = refused(builder().domain("example.com")).expect("a refusal");
    assert_eq!(error.to_string(), "a __Host- cookie allows no Domain");
}
