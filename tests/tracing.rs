//! The events for `tracing`: names, levels and fields, and that they give nothing away.
#![cfg(feature = "tracing")]

#[path = "../verify/support/events.rs"]
mod events;

use std::collections::HashSet;
use std::time::Duration;

use cloakroom::{ManualClock, Principal, SessionStore, WhenFull};
use events::Capture;
use tracing::Level;

/// The events down to this level while `f` runs.
fn during(finest: Level, f: impl FnOnce()) -> Vec<String> {
    // No event of the library tells of seconds.
    let capture = Capture::new("cloakroom", finest, 0.0);
    tracing::subscriber::with_default(capture.clone(), f);
    capture.take()
}

fn store() -> (SessionStore, ManualClock) {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone());
    let builder = builder.max_session_bytes(64).max_attributes(2);
    (builder.max_sessions(2).when_full(WhenFull::EndIdlest).build().expect("the settings are valid"), clock)
}

/// The lines with the labels of sessions replaced by A, B, C in the order of their appearance.
fn anonymous(lines: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let word = |labels: &mut Vec<String>, word: &str| {
        let Some((name @ ("session" | "new"), label)) = word.split_once('=') else { return word.to_owned() };
        assert!(label.len() == 8 && label.bytes().all(|byte| byte.is_ascii_hexdigit()), "the label of {word}");
        let at = labels.iter().position(|known| known == label).unwrap_or_else(|| {
            labels.push(label.to_owned());
            labels.len() - 1
        });
        format!("{name}={}", char::from(b'A' + at as u8))
    };
    lines.iter().map(|line| line.split(' ').map(|part| word(&mut labels, part)).collect::<Vec<_>>().join(" ")).collect()
}

/// Everything that makes an event, and what does not.
fn a_day_s_work(store: &SessionStore, clock: &ManualClock) -> Vec<cloakroom::SessionId> {
    let first = store.create_with([("card-key", "4929-value")]).expect("there is room");
    store.set(&first, "card-key", "5555-value").expect("it is live");
    assert!(store.get(&first, "card-key").is_some() && store.exists(&first));
    let second = store.rotate_id(&first).expect("it is live");
    clock.advance(Duration::from_secs(1));
    let third = store.create().expect("there is room");
    let fourth = store.create().expect("the idlest goes");
    assert!(!store.exists(&second));
    assert!(store.delete(&third) && !store.delete(&third));
    assert!(store.create_with([("card-key", "x".repeat(65))]).is_err());
    assert!(store.create_with([("card-key", ""), ("a", ""), ("b", "")]).is_err());
    clock.advance(Duration::from_secs(61));
    assert_eq!(store.evict_expired_within(Duration::MAX).ended, 1);
    assert_eq!(store.evict_expired(), 0);
    vec![first, second, third, fourth]
}

#[test]
fn each_event_comes_once_with_its_level_and_fields() {
    let (store, clock) = store();
    let lines = during(Level::TRACE, || drop(a_day_s_work(&store, &clock)));
    let expected = [
        "TRACE session created session=A",
        "TRACE session id rotated session=A new=B",
        "TRACE session created session=C",
        "DEBUG session ended to make room session=B",
        "TRACE session created session=D",
        "TRACE session ended session=C cause=\"deleted\"",
        "DEBUG creation refused reason=\"too_large\"",
        "DEBUG creation refused reason=\"too_many_attributes\"",
        "TRACE session ended session=D cause=\"idle_timeout\"",
        "DEBUG sweep ended=1 complete=true sessions=0",
        "DEBUG sweep ended=0 complete=true sessions=0",
    ];
    assert_eq!(anonymous(&lines), expected);
}

#[test]
fn what_the_limit_in_bytes_refuses_makes_an_event() {
    let store = SessionStore::builder().max_bytes(200).build().expect("the settings are valid");
    let id = store.create().expect("there is room");
    let lines = during(Level::TRACE, || {
        assert!(store.create_with([("card-key", "v".repeat(200))]).is_err());
        assert!(store.set(&id, "card-key", &"v".repeat(200)).is_err());
    });
    let refused = ["DEBUG creation refused reason=\"bytes_full\"", "DEBUG change refused reason=\"bytes_full\""];
    assert_eq!(lines, refused);
}

#[test]
fn a_login_to_another_principals_session_is_an_end_and_a_creation() {
    let (store, _) = store();
    let [ada, eve] = ["ada", "eve"].map(Principal::new);
    let lines = during(Level::TRACE, || {
        let id = store.new_session().principal(ada).create().expect("there is room");
        let id = store.login(&id, &ada).expect("it is live");
        assert!(store.login(&id, &eve).is_ok());
    });
    let expected = [
        "TRACE session created session=A",
        "TRACE session id rotated session=A new=B",
        "TRACE session ended session=B cause=\"deleted\"",
        "TRACE session created session=C",
    ];
    assert_eq!(anonymous(&lines), expected);
}

#[test]
fn at_debug_there_is_nothing_of_single_sessions_but_those_that_made_room() {
    let (store, clock) = store();
    let lines = during(Level::DEBUG, || drop(a_day_s_work(&store, &clock)));
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("DEBUG ")));
    assert_eq!(during(Level::INFO, || drop(a_day_s_work(&store, &clock))), [""; 0]);
}

#[test]
fn no_event_gives_away_an_id_or_an_attribute() {
    let (store, clock) = store();
    let mut ids = Vec::new();
    let lines = during(Level::TRACE, || ids = a_day_s_work(&store, &clock)).join("\n");
    assert!(lines.len() > 300, "{lines}");
    for secret in ["card-key", "4929-value", "5555-value"] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
    for id in ids {
        let digits = id.to_string();
        for start in 0..=digits.len() - 8 {
            assert!(!lines.contains(&digits[start..start + 8]), "part of an id in {lines}");
        }
    }
}

#[test]
fn a_session_is_named_by_its_fingerprint() {
    let (store, _clock) = store();
    let mut ids = Vec::new();
    let lines = during(Level::TRACE, || {
        let old = store.create().expect("there is room");
        let new = store.rotate_id(&old).expect("it is live");
        assert!(store.delete(&new));
        ids = vec![old, new];
    });
    let (old, new) = (store.fingerprint(&ids[0]), store.fingerprint(&ids[1]));
    let expected = [
        format!("TRACE session created session={old}"),
        format!("TRACE session id rotated session={old} new={new}"),
        format!("TRACE session ended session={new} cause=\"deleted\""),
    ];
    assert_eq!(lines, expected);
}

/// Who reads the logs of two servers cannot tell that the same id was tried on both, nor find an id by hashing it.
#[test]
fn labels_differ_from_store_to_store() {
    let label = || {
        let (store, clock) = store();
        let id = store.create().expect("there is room");
        clock.advance(Duration::from_secs(61));
        let lines = during(Level::TRACE, || assert!(!store.exists(&id)));
        lines[0].clone()
    };
    let labels: HashSet<_> = (0..8).map(|_| label()).collect();
    assert_eq!(labels.len(), 8);
}
