//! No text shows an id, a key or a value. (Except the `Display` of an id, for the cookie.)

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Debug;

use cloakroom::{CookieName, MissingError, Principal, SessionId, SessionStore, SetError};

use crate::support::{TICK, TTL, store_with};

const KEY: &str = "card-number-key";
const VALUE: &str = "4929-1234-value";

/// An id whose bytes are recognisable in hex and in decimal.
const BYTES: [u8; 32] = [0xc9; 32];

#[track_caller]
fn assert_tells_nothing(text: &str, id: &SessionId) {
    let digits = id.to_string();
    for start in 0..=digits.len() - 8 {
        let part = &digits[start..start + 8];
        assert!(!text.to_lowercase().contains(part), "part of an id in {text:?}");
    }
    let decimal: Vec<_> = id.as_bytes()[..3].iter().map(u8::to_string).collect();
    let compact: String = text.split_whitespace().collect();
    assert!(!compact.contains(&decimal.join(",")), "bytes of an id in {text:?}");
    for secret in [KEY, VALUE] {
        assert!(!text.contains(secret), "{secret} in {text:?}");
    }
}

#[track_caller]
fn assert_debug_tells_nothing(subject: &impl Debug, id: &SessionId) {
    assert_tells_nothing(&format!("{subject:?}"), id);
    assert_tells_nothing(&format!("{subject:#?}"), id);
}

#[track_caller]
fn assert_error_tells_nothing(error: &(impl Error + 'static), id: &SessionId) {
    assert_debug_tells_nothing(error, id);
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        assert_tells_nothing(&text, id);
        assert!(!text.is_empty() && !text.ends_with('.'), "the style of {text:?}");
        assert!(!text.starts_with(char::is_uppercase), "the style of {text:?}");
        cause = error.source();
    }
}

fn store_with_secrets() -> (SessionStore, SessionId) {
    let (store, _) = store_with(|builder| builder.max_session_bytes(100).max_sessions(1));
    let id = store.create_with([(KEY, VALUE)]).expect("there is room");
    (store, id)
}

#[test]
fn debug_of_an_id_is_redacted() {
    let id = SessionId::from_bytes(BYTES);
    assert_debug_tells_nothing(&id, &id);
    assert_debug_tells_nothing(&id.hex(), &id);
    assert_debug_tells_nothing(&Some((id, [id.hex()])), &id);
}

#[test]
fn the_checks_of_this_file_detect_an_id() {
    let id = SessionId::from_bytes(BYTES);
    let leaks = [id.to_string(), id.to_string().to_uppercase(), format!("{BYTES:?}"), format!("{BYTES:#?}")];
    for leak in leaks {
        let checked = std::panic::catch_unwind(|| assert_tells_nothing(&leak, &id));
        assert!(checked.is_err(), "{leak}");
    }
}

#[test]
fn a_fingerprint_is_eight_hex_digits_that_are_no_part_of_the_id() {
    let (store, id) = store_with_secrets();
    let fingerprint = store.fingerprint(&id);
    let digits = fingerprint.to_string();
    assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digits}");
    assert_tells_nothing(&digits, &id);
    assert_debug_tells_nothing(&fingerprint, &id);
    assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({digits})"));
}

#[test]
fn a_fingerprint_stays_the_same_while_the_store_lives_and_needs_no_session() {
    let (store, id) = store_with_secrets();
    let fingerprint = store.fingerprint(&id);
    assert!(store.delete(&id));
    assert_eq!(store.fingerprint(&id), fingerprint);
    assert_ne!(store.fingerprint(&SessionId::from_bytes(BYTES)), fingerprint);
    assert_eq!(store.count(), 0);
}

/// A reader of the logs of two servers cannot tell that the same id was used on both.
#[test]
fn fingerprints_of_one_id_differ_from_store_to_store() {
    let id = SessionId::from_bytes(BYTES);
    let fingerprints: HashSet<_> = (0..8).map(|_| store_with_secrets().0.fingerprint(&id)).collect();
    assert_eq!(fingerprints.len(), 8);
}

#[test]
fn debug_of_a_store_shows_no_session() {
    let (store, id) = store_with_secrets();
    assert_debug_tells_nothing(&store, &id);
    store.set(&id, KEY, VALUE).expect("the session is live");
    assert_debug_tells_nothing(&store, &id);
    assert_debug_tells_nothing(store.config(), &id);
}

#[test]
fn debug_of_attributes_shows_their_number_only() {
    let (store, id) = store_with_secrets();
    let (plain, pretty) =
        store.read(&id, |attributes| (format!("{attributes:?}"), format!("{attributes:#?}"))).expect("it is live");
    for text in [plain, pretty] {
        assert_tells_nothing(&text, &id);
        assert!(text.contains('1'), "no number in {text:?}");
    }
}

#[test]
fn debug_of_a_snapshot_and_of_a_draft_shows_no_attribute() {
    let (store, id) = store_with_secrets();
    assert_debug_tells_nothing(&store.snapshot(&id).expect("it is live"), &id);
    let updated = store.update(&id, |draft| {
        assert_debug_tells_nothing(draft, &id);
        draft.set(VALUE, KEY);
        assert_debug_tells_nothing(draft, &id);
    });
    assert_eq!(updated, Ok(()));
}

#[test]
fn debug_of_a_new_session_and_of_a_rotation_shows_no_id_attribute_or_principal() {
    let (store, id) = store_with_secrets();
    let new = store.new_session().principal(Principal::new(VALUE)).idle_timeout(TTL);
    assert_debug_tells_nothing(&new, &id);
    let text = format!("{new:?}");
    assert_eq!(
        text,
        "NewSession { timeouts: Timeouts { idle: Some(60s), absolute: None, cookie: None }, bound: true, .. }"
    );
    let rotation = store.rotation(&id).grace(TTL);
    assert_debug_tells_nothing(&rotation, &id);
    let text = format!("{rotation:?}");
    assert_eq!(text, "Rotation { grace: 60s, timeouts: Timeouts { idle: None, absolute: None, cookie: None }, .. }");
}

#[test]
fn errors_of_changes_name_no_attribute() {
    let (store, id) = store_with_secrets();
    let seen = store.version(&id).expect("it is live");
    store.set(&id, VALUE, KEY).expect("it is live");
    assert_error_tells_nothing(&store.set_if(&id, seen, KEY, "x").expect_err("changed"), &id);
    assert_error_tells_nothing(&store.increment(&id, KEY, 1).expect_err("no number"), &id);
    assert_error_tells_nothing(&store.set_each(&id, [(KEY, VALUE.repeat(10))]).expect_err("too large"), &id);
    let grown = store.update(&id, |draft| draft.set(KEY, &VALUE.repeat(10)));
    assert_error_tells_nothing(&grown.expect_err("too large"), &id);
    assert!(store.delete(&id));
    assert_error_tells_nothing(&store.remove(&id, KEY).expect_err("not found"), &id);
}

#[test]
fn errors_of_operations_name_no_session() {
    let (store, id) = store_with_secrets();
    let large = VALUE.repeat(10);
    assert_error_tells_nothing(&store.set(&id, KEY, &large).expect_err("too large"), &id);
    assert_error_tells_nothing(&store.create_with([(KEY, &large)]).expect_err("too large"), &id);
    assert_error_tells_nothing(&store.create_with([(KEY, VALUE)]).expect_err("full"), &id);
    assert!(store.delete(&id));
    assert_error_tells_nothing(&store.set(&id, KEY, VALUE).expect_err("not found"), &id);
}

#[test]
fn the_error_of_an_expired_session_does_not_name_it() {
    let (store, clock) = store_with(|builder| builder);
    let id = store.create_with([(KEY, VALUE)]).expect("there is room");
    clock.advance(TTL + TICK);
    let error = store.set(&id, KEY, VALUE).expect_err("expired");
    assert!(matches!(error, SetError::Missing(MissingError::Expired)));
    assert_error_tells_nothing(&error, &id);
}

#[test]
fn errors_of_parsing_do_not_repeat_their_input() {
    let id = SessionId::from_bytes(BYTES);
    let text = id.to_string();
    for input in [&text[1..], &format!("{text}{text}"), &format!("{}g", &text[1..]), KEY] {
        assert_error_tells_nothing(&input.parse::<SessionId>().expect_err("no id"), &id);
    }
    let name = format!("{KEY} {VALUE}");
    assert_error_tells_nothing(&name.parse::<CookieName>().expect_err("no token"), &id);
    assert_error_tells_nothing(&SessionStore::builder().cookie_name(name).build().expect_err("no token"), &id);
}
