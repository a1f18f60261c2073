//! From `create` to `delete`.

use std::collections::HashSet;

use cloakroom::{MissingError, SessionId, SetError};

use crate::support::{assert_gone, session, store};

#[test]
fn create_makes_an_empty_session_that_exists() {
    let (store, _) = store();
    let id = store.create().expect("there is room");
    assert!(store.exists(&id));
    assert_eq!(store.read(&id, |attributes| attributes.len()), Some(0));
}

#[test]
fn create_makes_a_new_id_each_time() {
    let (store, _) = store();
    let ids: HashSet<_> = (0..1_000).map(|_| *session(&store).as_bytes()).collect();
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn create_with_sets_the_attributes_and_the_last_value_of_a_key_wins() {
    let (store, _) = store();
    let id = store.create_with([("user", "ada"), ("role", "admin"), ("user", "bob")]).expect("there is room");
    assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
    assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
    assert_eq!(store.read(&id, |attributes| attributes.len()), Some(2));
}

#[test]
fn get_returns_what_set_stored() {
    let (store, _) = store();
    let id = store.create().expect("there is room");
    store.set(&id, "user", "ada").expect("the session is live");
    store.set(&id, "role", "admin").expect("the session is live");
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
}

#[test]
fn set_replaces_the_value_and_leaves_the_other_attributes() {
    let (store, _) = store();
    let id = store.create_with([("user", "ada"), ("role", "admin")]).expect("there is room");
    for value in ["", "a longer name than before", "bob"] {
        store.set(&id, "user", value).expect("the session is live");
        assert_eq!(store.get(&id, "user").as_deref(), Some(value));
        assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
        assert_eq!(store.read(&id, |attributes| attributes.len()), Some(2));
    }
}

#[test]
fn a_key_that_was_never_set_has_no_value() {
    let (store, _) = store();
    let id = session(&store);
    for key in ["", "use", "users", "User", "ada"] {
        assert_eq!(store.get(&id, key), None, "{key:?}");
    }
}

#[test]
fn sessions_share_no_attributes() {
    let (store, _) = store();
    let (one, other) = (session(&store), session(&store));
    store.set(&one, "user", "bob").expect("the session is live");
    assert_eq!(store.get(&other, "user").as_deref(), Some("ada"));
    assert!(store.delete(&one));
    assert_eq!(store.get(&other, "user").as_deref(), Some("ada"));
}

#[test]
fn count_follows_create_and_delete() {
    let (store, _) = store();
    assert_eq!(store.count(), 0);
    let ids: Vec<_> = (0..500).map(|_| session(&store)).collect();
    assert_eq!(store.count(), 500);
    for (deleted, id) in ids.iter().enumerate() {
        assert_eq!(store.count(), 500 - deleted);
        assert!(store.delete(id));
    }
    assert_eq!(store.count(), 0);
}

#[test]
fn set_does_not_change_the_count() {
    let (store, _) = store();
    let id = session(&store);
    for turn in 0..300 {
        store.set(&id, "turn", &turn.to_string()).expect("the session is live");
    }
    assert_eq!(store.count(), 1);
}

#[test]
fn after_delete_every_operation_fails() {
    let (store, _) = store();
    let bystander = session(&store);
    let id = session(&store);
    assert!(store.delete(&id));
    assert_gone(&store, &id);
    assert!(store.exists(&bystander));
    assert_eq!(store.count(), 1);
}

#[test]
fn set_never_creates_a_session() {
    let (store, _) = store();
    let unknown = SessionId::random().expect("random bytes");
    assert!(matches!(store.set(&unknown, "user", "eve"), Err(SetError::Missing(MissingError::NotFound))));
    assert_eq!(store.count(), 0);
    assert_gone(&store, &unknown);
}

#[test]
fn ids_of_all_zeros_and_all_ones_are_valid() {
    let (store, _) = store();
    for id in [SessionId::from_bytes([0; 32]), SessionId::from_bytes([0xff; 32])] {
        assert_gone(&store, &id);
        session(&store);
        assert_gone(&store, &id);
    }
}

#[test]
fn an_id_that_differs_in_one_bit_finds_nothing() {
    let (store, _) = store();
    let id = session(&store);
    for bit in 0..256 {
        let mut bytes = *id.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let neighbour = SessionId::from_bytes(bytes);
        assert!(!store.exists(&neighbour), "bit {bit}");
        assert_eq!(store.get(&neighbour, "user"), None, "bit {bit}");
        assert!(!store.delete(&neighbour), "bit {bit}");
    }
    assert!(store.exists(&id));
}

#[test]
fn an_id_read_from_its_text_finds_the_session() {
    let (store, _) = store();
    let id = session(&store);
    for text in [id.to_string(), id.to_string().to_uppercase()] {
        let parsed: SessionId = text.parse().expect("64 hex digits");
        assert_eq!(store.get(&parsed, "user").as_deref(), Some("ada"));
    }
}

#[test]
fn text_that_is_not_an_id_is_refused() {
    let (store, _) = store();
    let text = session(&store).to_string();
    let mut not_hex = text.clone();
    not_hex.replace_range(63.., "g");
    let prefixed = format!("0x{}", &text[2..]);
    let wide = format!("{}é", &text[2..]);
    for bad in ["", &text[1..], &text[2..], &format!("{text}0"), &format!(" {text}"), &not_hex, &prefixed, &wide] {
        assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        assert!(SessionId::try_from(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn churn_loses_no_live_session_and_keeps_no_dead_one() {
    let (store, _) = store();
    let keepers: Vec<_> = (0..50).map(|_| session(&store)).collect();
    for _ in 0..5_000 {
        let passing = session(&store);
        assert!(store.delete(&passing));
        assert!(!store.exists(&passing));
    }
    store.flush();
    assert_eq!(store.count(), 50);
    assert!(keepers.iter().all(|id| store.get(id, "user").as_deref() == Some("ada")));
}
