//! The attributes that are possible, and how `read` shows them.

use std::collections::BTreeMap;

use crate::support::{session, store, store_with};

const ODD_STRINGS: [&str; 12] = [
    "",
    " ",
    "\0",
    "a\0b",
    "=;,\"\\\r\n",
    "ß",
    "naïve café",
    "日本語",
    "👩‍👩‍👧‍👦",
    "e\u{301}",
    "\u{feff}\u{202e}abc",
    "\u{10ffff}",
];

#[test]
fn keys_and_values_are_any_strings() {
    let (store, _) = store();
    let pairs = || ODD_STRINGS.iter().zip(ODD_STRINGS.iter().rev());
    let given = store.create_with(pairs()).expect("there is room");
    let set = store.create().expect("there is room");
    for (key, value) in pairs() {
        store.set(&set, key, value).expect("the session is live");
    }
    for id in [given, set] {
        for (key, value) in pairs() {
            assert_eq!(store.get(&id, key).as_deref(), Some(*value), "{key:?}");
        }
        assert_eq!(store.read(&id, |attributes| attributes.len()), Some(ODD_STRINGS.len()));
    }
}

#[test]
fn an_empty_value_is_not_a_missing_attribute() {
    let (store, _) = store();
    let id = store.create_with([("empty", "")]).expect("there is room");
    assert_eq!(store.get(&id, "empty").as_deref(), Some(""));
    assert_eq!(store.get(&id, ""), None);
    store.set(&id, "", "keyless").expect("the session is live");
    assert_eq!(store.get(&id, "").as_deref(), Some("keyless"));
    assert_eq!(store.get(&id, "empty").as_deref(), Some(""));
}

#[test]
fn keys_that_look_the_same_are_different() {
    let (store, _) = store();
    let keys = ["a", "A", "aa", "a ", " a", "a\0", "á", "a\u{301}"];
    let id = store.create_with(keys.map(|key| (key, key))).expect("there is room");
    for key in keys {
        assert_eq!(store.get(&id, key).as_deref(), Some(key), "{key:?}");
    }
}

#[test]
fn keys_that_differ_in_one_byte_are_different_keys() {
    let (store, _) = store();
    for length in 1..=34 {
        let key = "k".repeat(length);
        let id = store.create_with([(&key, "value")]).expect("there is room");
        for at in 0..length {
            let other = format!("{}x{}", &key[..at], &key[at + 1..]);
            assert_eq!(store.get(&id, &other), None, "{length} bytes, of which the one at {at} differs");
            assert_eq!(store.remove(&id, &other), Ok(false), "{length} bytes, of which the one at {at} differs");
        }
        assert_eq!(store.get(&id, &key).as_deref(), Some("value"), "{length} bytes");
        assert_eq!(store.remove(&id, &key), Ok(true), "{length} bytes");
    }
}

#[test]
fn pairs_with_the_same_concatenation_are_different() {
    let (store, _) = store();
    let id = store.create_with([("ab", "c"), ("x", "yz")]).expect("there is room");
    assert_eq!(store.get(&id, "a"), None);
    assert_eq!(store.get(&id, "xy"), None);
    assert_eq!(store.get(&id, "c"), None);
}

#[test]
fn long_keys_and_values_are_returned_whole() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(64 << 20));
    let id = store.create().expect("there is room");
    for length in [63, 64, 127, 128, 255, 256, 65_535, 65_536, 1 << 20, (1 << 24) + 1] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        store.set(&id, "value", &text).expect("within the limit");
        assert!(store.get(&id, "value").is_some_and(|value| value == text), "a value of {length} bytes");
        let whole = store.read(&id, |attributes| attributes.get("value") == Some(&text));
        assert_eq!(whole, Some(true), "a value of {length} bytes");
        store.set(&id, "value", "").expect("within the limit");
        let other = store.create_with([(&text, "value")]).expect("within the limit");
        assert_eq!(store.get(&other, &text).as_deref(), Some("value"), "a key of {length} bytes");
        assert!(store.delete(&other));
    }
}

#[test]
fn many_attributes_are_all_kept() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(1 << 20));
    let id = store.create().expect("there is room");
    let expected: BTreeMap<String, String> = (0..1_000).map(|n| (format!("key{n}"), format!("value{n}"))).collect();
    for (key, value) in &expected {
        store.set(&id, key, value).expect("within the limit");
    }
    for (key, value) in &expected {
        assert_eq!(store.get(&id, key).as_deref(), Some(value.as_str()));
    }
    let seen: Option<BTreeMap<String, String>> = store
        .read(&id, |attributes| attributes.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    assert_eq!(seen, Some(expected));
}

#[test]
fn read_shows_every_attribute_once() {
    let (store, _) = store();
    let id = store.create_with([("user", "ada"), ("role", "admin")]).expect("there is room");
    store.set(&id, "user", "bob").expect("the session is live");
    let answer = store.read(&id, |attributes| {
        assert_eq!(attributes.get("user"), Some("bob"));
        assert_eq!(attributes.get("missing"), None);
        assert!(attributes.contains("role") && !attributes.contains("missing"));
        assert!(!attributes.is_empty());
        let mut pairs: Vec<_> = attributes.iter().collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [("role", "admin"), ("user", "bob")]);
        attributes.len()
    });
    assert_eq!(answer, Some(2));
}

#[test]
fn read_of_an_empty_session_shows_nothing() {
    let (store, _) = store();
    let id = store.create().expect("there is room");
    let seen = store.read(&id, |attributes| (attributes.is_empty(), attributes.len(), attributes.iter().count()));
    assert_eq!(seen, Some((true, 0, 0)));
}

#[test]
fn read_does_not_call_its_closure_for_a_missing_session() {
    let (store, _) = store();
    let id = session(&store);
    assert!(store.delete(&id));
    let answer = store.read(&id, |_| unreachable!("there is nothing to show"));
    assert_eq!(answer, None::<()>);
}
