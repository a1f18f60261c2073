//! Settings, their defaults, and the sizes of ids.

use std::time::Duration;

use cloakroom::{ConfigError, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionConfig, SessionStore};

use crate::support::{session, store, store_with};

#[test]
fn defaults_are_half_an_hour_session_id_and_no_limit() {
    let config = SessionConfig::default();
    assert_eq!(config.ttl, Duration::from_millis(1_800_000));
    assert_eq!(config.cookie_name.as_str(), "session_id");
    assert_eq!(config.max_sessions, 0);
}

#[test]
fn by_default_a_session_has_up_to_64_kib_of_up_to_1024_attributes() {
    let config = SessionConfig::default();
    assert_eq!((config.max_session_bytes, config.max_attributes), (65_536, 1_024));
}

#[test]
fn a_store_and_a_builder_start_from_the_defaults() {
    let built = SessionStore::builder().build().expect("the defaults are valid");
    for store in [SessionStore::new(SessionConfig::default()), built] {
        assert_eq!(store.ttl(), Duration::from_secs(1_800));
        assert_eq!(store.cookie_name(), "session_id");
        assert_eq!(store.config().max_sessions, 0);
        assert_eq!(store.config().max_session_bytes, SessionConfig::default().max_session_bytes);
    }
}

#[test]
fn a_store_has_the_settings_it_was_built_with() {
    let (store, _) = store_with(|builder| {
        builder.ttl(Duration::from_secs(7)).cookie_name("sid").max_sessions(8).max_session_bytes(900).max_attributes(7)
    });
    assert_eq!(store.ttl(), Duration::from_secs(7));
    assert_eq!(store.config().ttl, Duration::from_secs(7));
    assert_eq!(store.cookie_name(), "sid");
    assert_eq!(store.config().cookie_name.as_str(), "sid");
    assert_eq!(store.config().max_sessions, 8);
    assert_eq!(store.config().max_session_bytes, 900);
    assert_eq!(store.config().max_attributes, 7);
}

#[test]
fn a_cookie_name_that_is_not_a_token_is_refused() {
    for name in ["", "a b", "a;b", "a=b", "a,b", "a\"b", "a\tb", "a\r\nSet-Cookie: b", "sé", "\0", "(a)", "a/b"] {
        let refused = SessionStore::builder().cookie_name(name).build();
        assert!(matches!(refused, Err(ConfigError::CookieName(_))), "{name:?} was accepted");
    }
    for name in ["a", "__Host-session", "A.b_c-9", "!#$%&'*+-.^_`|~"] {
        let store = SessionStore::builder().cookie_name(name).build().expect("a token");
        assert_eq!(store.cookie_name(), name);
    }
}

#[test]
fn any_number_of_shards_holds_sessions() {
    for shards in [0, 1, 2, 3, 64, 1_000, usize::MAX] {
        let (store, _) = store_with(|builder| builder.shards(shards));
        let ids: Vec<_> = (0..200).map(|_| session(&store)).collect();
        assert_eq!(store.count(), 200, "{shards} shards");
        assert!(ids.iter().all(|id| store.get(id, "user").as_deref() == Some("ada")), "{shards} shards");
    }
}

#[test]
fn the_largest_limits_are_usable() {
    let (store, _) =
        store_with(|builder| builder.max_sessions(usize::MAX).max_session_bytes(usize::MAX).max_attributes(usize::MAX));
    let id = session(&store);
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
}

#[test]
fn an_id_is_32_bytes_and_64_lower_case_hex_digits() {
    assert_eq!((SESSION_ID_LEN, SESSION_ID_HEX_LEN), (32, 64));
    let (store, _) = store();
    let id = session(&store);
    assert_eq!(id.as_bytes().len(), SESSION_ID_LEN);
    let text = id.to_string();
    assert_eq!(text.len(), SESSION_ID_HEX_LEN);
    assert!(text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(text, hex::encode(id.as_bytes()));
    assert_eq!(id.hex().as_str(), text);
}
