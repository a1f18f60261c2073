//! Any sequence of operations returns what it returns on a plain map.

#[path = "../verify/support/model/mod.rs"]
mod model;
#[path = "../verify/support/subject.rs"]
mod subject;

use std::time::Duration;

use model::{Attributes, NOTES, Operation, Settings, Step, Subject, Timeouts};
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
    let max_attributes = prop_oneof![2 => Just(0_usize), 2 => 1..=5_usize];
    // With several shards, a create that meets a full store leaves expired sessions in those that it did not have to
    // look at.
    let shards = prop_oneof![4 => Just(1_usize), 1 => Just(4_usize)];
    let absolute_timeout = prop_oneof![3 => Just(None), 2 => timeout().prop_map(Some)];
    let per_principal = prop_oneof![1 => Just(0_usize), 2 => 1..=3_usize];
    (ttl, absolute_timeout, max_sessions, (per_principal, any::<bool>()), (max_session_bytes, max_attributes), shards)
        .prop_map(
            |(
                ttl,
                absolute_timeout,
                max_sessions,
                (max_sessions_per_principal, idlest_makes_room),
                (max_session_bytes, max_attributes),
                shards,
            )| Settings {
                ttl,
                absolute_timeout,
                max_sessions,
                max_sessions_per_principal,
                idlest_makes_room,
                max_session_bytes,
                max_attributes,
                shards,
            },
        )
}

fn timeout() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..20_000_u64).prop_map(Duration::from_micros),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
    ]
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    (proptest::option::of(timeout()), proptest::option::of(timeout()))
        .prop_map(|(idle, absolute)| Timeouts { idle, absolute })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Step::Set(key, value)),
        6 => key().prop_map(Step::Remove),
        1 => Just(Step::Clear),
        1 => Just(Step::Abandon),
    ];
    vec(step, 0..4)
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

/// Numbers as well, some of them at the ends.
fn increment() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -3..=12_i64, 1 => select(vec![i64::MIN, i64::MAX])]
}

fn creation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Create),
        3 => attributes().prop_map(Operation::CreateWith),
        2 => (timeouts(), attributes()).prop_map(|(timeouts, given)| Operation::CreateFor(timeouts, given)),
        3 => (subject(), timeouts(), attributes())
            .prop_map(|(subject, timeouts, given)| Operation::Insert(subject, timeouts, given)),
    ]
}

fn change() -> impl Strategy<Value = Operation> {
    prop_oneof![
        7 => (subject(), key(), value()).prop_map(|(subject, key, value)| Operation::Set(subject, key, value)),
        2 => (subject(), attributes()).prop_map(|(subject, pairs)| Operation::SetEach(subject, pairs)),
        2 => (subject(), key()).prop_map(|(subject, key)| Operation::Remove(subject, key)),
        2 => (subject(), key()).prop_map(|(subject, key)| Operation::Take(subject, key)),
        1 => subject().prop_map(Operation::Clear),
        3 => (subject(), key(), increment()).prop_map(|(subject, key, by)| Operation::Increment(subject, key, by)),
        3 => (subject(), steps()).prop_map(|(subject, steps)| Operation::Update(subject, steps)),
        3 => (0..NOTES, subject(), key(), value())
            .prop_map(|(place, subject, key, value)| Operation::SetIf(place, subject, key, value)),
        2 => (0..NOTES, subject(), steps())
            .prop_map(|(place, subject, steps)| Operation::UpdateIf(place, subject, steps)),
        2 => (subject(), timeouts()).prop_map(|(subject, timeouts)| Operation::SetTimeouts(subject, timeouts)),
        2 => (subject(), timeouts(), attributes())
            .prop_map(|(subject, timeouts, given)| Operation::Replace(subject, timeouts, given)),
    ]
}

fn look() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (subject(), key()).prop_map(|(subject, key)| Operation::Get(subject, key)),
        1 => (subject(), key()).prop_map(|(subject, key)| Operation::Contains(subject, key)),
        2 => subject().prop_map(Operation::Read),
        2 => (0..NOTES, subject()).prop_map(|(place, subject)| Operation::Snapshot(place, subject)),
        2 => (0..NOTES, subject()).prop_map(|(place, subject)| Operation::Note(place, subject)),
        2 => subject().prop_map(Operation::Lookup),
        1 => subject().prop_map(Operation::Touch),
        2 => subject().prop_map(Operation::Exists),
        3 => subject().prop_map(Operation::ExpiresIn),
    ]
}

fn rotation() -> impl Strategy<Value = Operation> {
    let grace = prop_oneof![2 => Just(Duration::ZERO), 3 => timeout()];
    (subject(), grace).prop_map(|(subject, grace)| Operation::Rotate(subject, grace))
}

/// Of three principals.
fn principal() -> impl Strategy<Value = u8> {
    0..3_u8
}

fn bound() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (principal(), attributes()).prop_map(|(principal, given)| Operation::CreateBound(principal, given)),
        4 => (subject(), principal()).prop_map(|(subject, principal)| Operation::Bind(subject, principal)),
        3 => (subject(), principal()).prop_map(|(subject, principal)| Operation::Login(subject, principal)),
        2 => (subject(), key()).prop_map(|(subject, key)| Operation::Unbind(subject, key)),
        3 => principal().prop_map(Operation::SessionsOf),
        1 => principal().prop_map(Operation::EndSessionsOf),
        2 => (principal(), subject()).prop_map(|(principal, kept)| Operation::EndOthersOf(principal, kept)),
        1 => key().prop_map(Operation::DeleteWhere),
    ]
}

fn all_sessions() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => Just(Operation::Count),
        2 => Just(Operation::ForEach),
        1 => key().prop_map(Operation::DeleteWhere),
        1 => Just(Operation::EvictExpired),
        1 => Just(Operation::EvictInPieces),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => creation(),
        12 => change(),
        10 => look(),
        3 => rotation(),
        5 => bound(),
        3 => subject().prop_map(Operation::Delete),
        5 => all_sessions(),
        1 => Just(Operation::Flush),
        3 => (0..4_000_u64).prop_map(|span| Operation::Advance(Duration::from_micros(span))),
    ]
}

/// 512 cases, or as many as the environment says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_operation_returns_what_the_model_says(settings in settings(), operations in vec(operation(), 0..250)) {
        subject::assert_agreement(settings, &operations);
    }
}
