//! The table by itself, on one thread: sizes, and that nothing is freed twice or never.

use super::array::MIN_CAPACITY;
use super::*;
use std::sync::Arc;

/// A payload that tells when it is dropped, by the count of its tokens.
struct Token(#[expect(dead_code, reason = "held for its count")] Arc<()>);

impl Payload for Token {
    fn tail_len(&self) -> usize {
        0
    }
}

struct Fixture {
    table: Table<Token>,
    tokens: Arc<()>,
    now: u64,
}

const IDLE: u64 = 10;

fn key(number: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

impl Fixture {
    fn new(shards: usize, limit: usize) -> Self {
        Self { table: Table::new(shards, limit), tokens: Arc::new(()), now: 0 }
    }

    fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        let now = || Tick::new(self.now);
        f(Moment::new(now(), IDLE, &now))
    }

    fn version(&self, number: usize) -> Owned<Token> {
        Owned::new(key(number), Tick::new(self.now), Token(self.tokens.clone()), |_| {})
    }

    fn insert(&self, number: usize) -> bool {
        let Some(place) = self.table.enter(&key(number)) else { return false };
        self.timed(|moment| self.table.insert(place, self.version(number), moment)).is_ok()
    }

    fn remove(&self, number: usize) -> bool {
        self.timed(|moment| self.table.remove(&key(number), moment))
    }

    fn update(&self, number: usize) -> Result<(), Refusal<()>> {
        let number = &number;
        self.timed(|moment| self.table.update(&key(*number), moment, |_, _| Ok(Some(self.version(*number)))))
    }

    fn has(&self, number: usize) -> bool {
        self.timed(|moment| self.table.read(&key(number), false, moment, |_| ())).is_some()
    }
}

#[test]
fn a_steady_population_leaves_the_table_as_large_as_it_was() {
    let fixture = Fixture::new(1, 0);
    (0..1_000).for_each(|number| assert!(fixture.insert(number)));
    let rounds = if cfg!(debug_assertions) { 100_000 } else { 10_000_000 };
    let capacity = fixture.table.capacity();
    for number in 0..rounds {
        assert!(fixture.remove(number));
        assert!(fixture.insert(number + 1_000));
    }
    assert_eq!(fixture.table.capacity(), capacity);
    assert_eq!(fixture.table.len(), 1_000);
}

#[test]
fn a_table_grows_with_its_sessions_and_shrinks_after_them() {
    let fixture = Fixture::new(1, 0);
    (0..10_000).for_each(|number| assert!(fixture.insert(number)));
    let grown = fixture.table.capacity();
    assert!((10_000 * 4 / 3..=10_000 * 8 / 3).contains(&grown), "{grown} slots");
    (0..10_000).for_each(|number| assert!(fixture.has(number)));
    (0..10_000).for_each(|number| assert!(fixture.remove(number)));
    assert!(fixture.table.capacity() <= 8 * MIN_CAPACITY, "{} slots", fixture.table.capacity());
    fixture.timed(|moment| fixture.table.sweep(moment));
    assert_eq!(fixture.table.capacity(), MIN_CAPACITY);
}

#[test]
fn a_key_can_be_inserted_once_and_again_after_it_was_removed() {
    let fixture = Fixture::new(1, 0);
    assert!(fixture.insert(1));
    assert!(!fixture.insert(1));
    assert_eq!(fixture.table.len(), 1);
    assert!(fixture.remove(1));
    assert!(fixture.insert(1));
    assert_eq!(fixture.table.len(), 1);
}

#[test]
fn a_refused_insert_takes_no_place() {
    let fixture = Fixture::new(1, 2);
    assert!(fixture.insert(1));
    (0..100).for_each(|_| assert!(!fixture.insert(1)));
    assert!(fixture.insert(2));
    assert!(!fixture.insert(3));
}

#[test]
fn every_version_is_dropped_once_wherever_the_table_is_dropped() {
    // Every number of sessions up to several growths: some leave the table between two arrays.
    for sessions in 0..200 {
        let fixture = Fixture::new(1, 0);
        (0..sessions).for_each(|number| assert!(fixture.insert(number)));
        (0..sessions).step_by(3).for_each(|number| assert_eq!(fixture.update(number), Ok(())));
        (0..sessions).step_by(2).for_each(|number| assert!(fixture.remove(number)));
        let Fixture { table, tokens, .. } = fixture;
        drop(table);
        // Other tests' threads may hold back the collector for a moment.
        while Arc::strong_count(&tokens) > 1 {
            reclaim::collect(1_000);
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_full_table_finds_its_one_expired_session() {
    for shards in [1, 4, 64] {
        let mut fixture = Fixture::new(shards, 1);
        for number in 0..100 {
            assert!(fixture.insert(number));
            assert_eq!(fixture.timed(|moment| fixture.table.sweep_some(512, moment)), 0);
            fixture.now += IDLE + 1;
            assert_eq!(fixture.timed(|moment| fixture.table.sweep_some(512, moment)), 1, "{shards} shards");
        }
    }
}

#[test]
fn a_sweep_ends_what_has_expired_and_nothing_else() {
    let mut fixture = Fixture::new(2, 0);
    (0..500).for_each(|number| assert!(fixture.insert(number)));
    fixture.now += IDLE;
    (500..600).for_each(|number| assert!(fixture.insert(number)));
    assert_eq!(fixture.timed(|moment| fixture.table.sweep(moment)), 0);
    fixture.now += 1;
    assert_eq!(fixture.timed(|moment| fixture.table.sweep(moment)), 500);
    assert_eq!(fixture.table.len(), 100);
    assert!((500..600).all(|number| fixture.has(number)));
}
