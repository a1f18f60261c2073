//! The contract of each method of actix-session's trait, and the additions of the store's documentation.
//!
//! No test sleeps, because the stores have a [`ManualClock`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{SaveError, SessionKey, SessionStore as _, UpdateError, generate_session_key};
use actix_web::cookie::time;
use cloakroom::{CreateError, ManualClock, SessionId, SessionStore, SessionStoreBuilder, SetError};
use cloakroom_actix_session::CloakroomSessionStore;

const TTL: time::Duration = time::Duration::minutes(1);
const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(1);

fn store_with(
    configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
) -> (CloakroomSessionStore, ManualClock) {
    let clock = ManualClock::new();
    let sessions = configure(SessionStore::builder().clock(clock.clone())).build().expect("the settings are valid");
    (CloakroomSessionStore::new(Arc::new(sessions)), clock)
}

fn store() -> (CloakroomSessionStore, ManualClock) {
    store_with(|builder| builder)
}

fn state(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn ada() -> HashMap<String, String> {
    state(&[("user", r#""ada""#), ("visits", "0")])
}

/// A copy of a key, which is not `Clone`.
fn again(key: &SessionKey) -> SessionKey {
    key.as_ref().to_owned().try_into().expect("the copy of a key is a key")
}

#[actix_web::test]
async fn a_saved_state_is_loaded_as_it_was() {
    let (store, _) = store();
    for state in [ada(), state(&[]), state(&[("", ""), ("ä\0\n", "\u{1f36a}")])] {
        let key = store.save(state.clone(), &TTL).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(state));
    }
}

#[actix_web::test]
async fn a_key_is_64_hex_digits_and_new_each_time() {
    let (store, _) = store();
    let (one, other) = (store.save(ada(), &TTL).await.unwrap(), store.save(ada(), &TTL).await.unwrap());
    assert_ne!(one, other);
    let id: SessionId = one.as_ref().parse().expect("64 hex digits");
    assert!(store.sessions().exists(&id));
}

#[actix_web::test]
async fn an_unknown_key_loads_nothing() {
    let (store, _) = store();
    store.save(ada(), &TTL).await.unwrap();
    let unknown = SessionId::random().expect("randomness").to_string();
    let no_keys = [String::new(), "{}".to_owned(), "ab".repeat(2_000), unknown, generate_session_key().into()];
    for key in no_keys {
        assert_eq!(store.load(&key.try_into().unwrap()).await.unwrap(), None);
    }
}

#[actix_web::test]
async fn loading_a_session_does_not_extend_its_time_to_live() {
    let (store, clock) = store_with(|builder| builder.ttl(MINUTE / 2));
    let key = store.save(ada(), &TTL).await.unwrap();
    clock.advance(MINUTE);
    assert_eq!(store.load(&key).await.unwrap(), Some(ada()), "the store's own timeout does not apply");
    clock.advance(TICK);
    assert_eq!(store.load(&key).await.unwrap(), None);
    assert_eq!(store.sessions().count(), 0);
}

#[actix_web::test]
async fn an_update_replaces_the_whole_state_and_restarts_the_time_to_live() {
    let (store, clock) = store();
    let key = store.save(ada(), &TTL).await.unwrap();
    clock.advance(MINUTE);
    let changed = state(&[("user", r#""eve""#)]);
    let updated = store.update(again(&key), changed.clone(), &TTL).await.unwrap();
    assert_eq!(updated, key);
    clock.advance(MINUTE);
    assert_eq!(store.load(&key).await.unwrap(), Some(changed.clone()));
    store.update(again(&key), changed, &(TTL / 2)).await.unwrap();
    clock.advance(MINUTE / 2 + TICK);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

#[actix_web::test]
async fn an_update_of_an_ended_session_does_not_restore_it() {
    let (store, clock) = store();
    let expired = store.save(ada(), &TTL).await.unwrap();
    clock.advance(MINUTE + TICK);
    let deleted = store.save(ada(), &TTL).await.unwrap();
    store.delete(&deleted).await.unwrap();
    match store.update(again(&deleted), ada(), &TTL).await {
        Err(UpdateError::Other(error)) => assert_eq!(error.to_string(), "session logged out"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.load(&deleted).await.unwrap(), None);
    clock.advance(2 * MINUTE);
    for key in [deleted, expired, generate_session_key()] {
        let updated = store.update(again(&key), ada(), &TTL).await.unwrap();
        assert_ne!(updated, key, "the key of what was not stored");
        for key in [key, updated] {
            assert_eq!(store.load(&key).await.unwrap(), None);
        }
    }
    assert_eq!(store.sessions().count(), 0);
}

#[actix_web::test]
async fn update_ttl_extends_a_live_session() {
    let (store, clock) = store();
    let key = store.save(ada(), &TTL).await.unwrap();
    for _ in 0..3 {
        clock.advance(MINUTE);
        store.update_ttl(&key, &TTL).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(ada()));
    }
    store.update_ttl(&key, &(TTL / 2)).await.unwrap();
    clock.advance(MINUTE / 2 + TICK);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

#[actix_web::test]
async fn update_ttl_of_an_ended_session_does_not_restore_it() {
    let (store, clock) = store();
    let expired = store.save(ada(), &TTL).await.unwrap();
    clock.advance(MINUTE + TICK);
    let deleted = store.save(ada(), &TTL).await.unwrap();
    store.delete(&deleted).await.unwrap();
    assert!(store.update_ttl(&deleted, &TTL).await.is_err(), "actix-session would send the cookie again");
    clock.advance(2 * MINUTE);
    for key in [deleted, expired, generate_session_key()] {
        store.update_ttl(&key, &TTL).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), None);
    }
    assert_eq!(store.sessions().count(), 0);
}

#[actix_web::test]
async fn delete_ends_only_its_session_and_may_be_repeated() {
    let (store, _) = store();
    let (one, other) = (store.save(ada(), &TTL).await.unwrap(), store.save(ada(), &TTL).await.unwrap());
    for _ in 0..2 {
        store.delete(&one).await.unwrap();
        assert_eq!(store.load(&one).await.unwrap(), None);
    }
    store.delete(&generate_session_key()).await.unwrap();
    assert_eq!(store.load(&other).await.unwrap(), Some(ada()));
}

#[actix_web::test]
async fn a_time_to_live_of_zero_or_less_expires_at_once_and_the_longest_never() {
    let (store, clock) = store();
    let over = [
        store.save(ada(), &time::Duration::ZERO).await.unwrap(),
        store.save(ada(), &time::Duration::MIN).await.unwrap(),
    ];
    let endless = store.save(ada(), &time::Duration::MAX).await.unwrap();
    clock.advance(TICK);
    for key in over {
        assert_eq!(store.load(&key).await.unwrap(), None);
    }
    clock.advance(Duration::from_secs(1 << 40));
    assert_eq!(store.load(&endless).await.unwrap(), Some(ada()));
}

#[actix_web::test]
async fn the_limits_of_the_store_apply() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_session_bytes(64));
    let key = store.save(ada(), &TTL).await.unwrap();
    match store.save(ada(), &TTL).await {
        Err(SaveError::Other(reason)) => assert_eq!(reason.downcast_ref(), Some(&CreateError::Full)),
        other => panic!("{other:?}"),
    }
    let large = state(&[("biography", &"x".repeat(100))]);
    match store.update(again(&key), large.clone(), &TTL).await {
        Err(UpdateError::Other(reason)) => assert!(matches!(reason.downcast_ref(), Some(SetError::TooLarge { .. }))),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.load(&key).await.unwrap(), Some(ada()), "it is as it was");
    store.delete(&key).await.unwrap();
    match store.save(large, &TTL).await {
        Err(SaveError::Other(reason)) => assert!(matches!(reason.downcast_ref(), Some(CreateError::TooLarge { .. }))),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.sessions().count(), 0);
}

#[actix_web::test]
async fn expired_sessions_are_swept() {
    let (store, clock) = store();
    for _ in 0..100 {
        store.save(ada(), &TTL).await.unwrap();
    }
    clock.advance(MINUTE + TICK);
    assert_eq!((store.sessions().count(), store.sessions().evict_expired()), (100, 100));
}

#[actix_web::test]
async fn clones_share_one_store_and_debug_output_contains_nothing_of_a_session() {
    let (store, _) = store();
    let key = store.clone().save(ada(), &TTL).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(ada()));
    assert_eq!(format!("{store:?}"), "CloakroomSessionStore { count: 1, .. }");
}
