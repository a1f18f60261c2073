//! Any sequence of operations returns what it returns on a plain map.

#[path = "support/model.rs"]
mod model;
#[path = "support/subject.rs"]
mod subject;

use std::time::Duration;

use model::{Attributes, Operation, Settings, Subject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn settings() -> impl Strategy<Value = Settings> {
    let ttl = select(vec![
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(9),
        Duration::MAX,
    ]);
    let max_sessions = prop_oneof![2 => Just(0), 2 => 1..=3_usize, 2 => 4..=24_usize];
    let max_session_bytes = select(vec![0_usize, 2, 7, 20, 135, 65_536]);
    // With several shards, a create that meets a full store leaves expired sessions in those that it did not have to look at.
    let shards = prop_oneof![4 => Just(1_usize), 1 => Just(4_usize)];
    (ttl, max_sessions, max_session_bytes, shards).prop_map(|(ttl, max_sessions, max_session_bytes, shards)| Settings {
        ttl,
        max_sessions,
        max_session_bytes,
        shards,
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        6 => (0..6_usize).prop_map(Subject::Created),
        4 => (0..100_usize).prop_map(Subject::Created),
        1 => any::<u8>().prop_map(Subject::Unknown),
    ]
}

/// Few different keys, so that they meet.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 8 => "[abc]", 1 => "k{63,64}"]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[01]{0,2}", 1 => ".{0,6}", 1 => "v{120,130}"]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec((key(), value()), 0..4)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => Just(Operation::Create),
        4 => attributes().prop_map(Operation::CreateWith),
        7 => (subject(), key(), value()).prop_map(|(subject, key, value)| Operation::Set(subject, key, value)),
        4 => (subject(), key()).prop_map(|(subject, key)| Operation::Get(subject, key)),
        3 => subject().prop_map(Operation::Read),
        3 => subject().prop_map(Operation::Exists),
        3 => subject().prop_map(Operation::Delete),
        2 => Just(Operation::Count),
        1 => Just(Operation::EvictExpired),
        1 => Just(Operation::Flush),
        3 => (0..4_000_u64).prop_map(|span| Operation::Advance(Duration::from_micros(span))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_returns_what_the_model_says(settings in settings(), operations in vec(operation(), 0..250)) {
        subject::assert_agreement(settings, &operations);
    }
}
