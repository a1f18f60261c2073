//! A million sessions, from the first to the last.

use std::time::{Duration, Instant};

use cloakroom::{ManualClock, SessionId, SessionStore};

use crate::heap::Heap;
use crate::support::{SLACK, alone, scaled, session};

const SESSIONS: usize = scaled(1_000_000);
const TTL: Duration = Duration::from_secs(60);

fn timed<R>(what: &str, sessions: usize, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    println!("{what:>8}: {:5} ns a session", start.elapsed().as_nanos() / sessions as u128);
    result
}

/// Creates the sessions, and returns how long each took, the longest first.
fn grow(store: &SessionStore, ids: &mut Vec<SessionId>) -> Vec<Duration> {
    let mut times = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        let start = Instant::now();
        ids.push(session(store));
        times.push(start.elapsed());
    }
    times.sort_unstable_by(|a, b| b.cmp(a));
    times
}

fn print_longest(times: &[Duration]) {
    println!(
        "longest creates: {:?}, p99.9 {:?}, median {:?}",
        &times[..10],
        times[SESSIONS / 1_000],
        times[SESSIONS / 2]
    );
}

fn shuffle(ids: &mut [SessionId]) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for index in (1..ids.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ids.swap(index, (random >> 33) as usize % (index + 1));
    }
}

#[test]
fn the_memory_of_a_million_sessions_comes_back() {
    let _alone = alone();
    let mut ids = Vec::with_capacity(SESSIONS);
    let before_the_store = Heap::now();
    let clock = ManualClock::new();
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone()).build().expect("the settings are valid");
    let empty = Heap::now();
    println!("an empty store: {}", Heap::since(before_the_store));

    let times = timed("create", SESSIONS, || grow(&store, &mut ids));
    print_longest(&times);
    drop(times);
    println!("at the peak: {} bytes a session", Heap::since(empty).bytes / SESSIONS as isize);

    shuffle(&mut ids);
    let read = |ids: &[SessionId]| {
        let role = |id| store.read(id, |attributes| attributes.get("role") == Some("editor"));
        ids.iter().filter(|id| role(id) == Some(true)).count()
    };
    assert_eq!(timed("read", SESSIONS, || read(&ids)), SESSIONS);

    let (idle, used) = ids.split_at(SESSIONS / 2);
    clock.advance(TTL);
    assert_eq!(read(used), used.len());
    clock.advance(TTL);
    assert_eq!(timed("evict", idle.len(), || store.evict_expired()), idle.len());
    println!("half of them left: {} bytes a session", Heap::since(empty).bytes / used.len() as isize);
    assert_eq!(timed("delete", used.len(), || used.iter().filter(|id| store.delete(id)).count()), used.len());
    assert_eq!(store.count(), 0);

    println!("all deleted: {}", Heap::since(empty));
    timed("flush", used.len(), || store.flush());
    println!("flushed: {}", Heap::since(empty));
    // Every shard has shrunk to what it began with.
    Heap::since(empty).assert_at_most(SLACK);
    drop((store, clock));
    println!("dropped: {}", Heap::since(before_the_store));
    Heap::since(before_the_store).assert_at_most(SLACK);
}

/// All in one shard: its arrays are the largest that growth, a purge or a sweep ever meets.
#[test]
fn the_memory_of_one_large_shard_comes_back() {
    let _alone = alone();
    let mut ids = Vec::with_capacity(SESSIONS);
    let before_the_store = Heap::now();
    let store = SessionStore::builder().shards(1).build().expect("the settings are valid");
    let empty = Heap::now();
    print_longest(&timed("create", SESSIONS, || grow(&store, &mut ids)));
    println!("at the peak: {} bytes a session", Heap::since(empty).bytes / SESSIONS as isize);
    assert_eq!(timed("delete", SESSIONS, || ids.iter().filter(|id| store.delete(id)).count()), SESSIONS);
    store.flush();
    println!("flushed: {}", Heap::since(empty));
    Heap::since(empty).assert_at_most(SLACK);
    drop(store);
    Heap::since(before_the_store).assert_at_most(SLACK);
}

#[test]
fn dropping_a_store_gives_back_all_that_its_sessions_hold() {
    let _alone = alone();
    let before = Heap::now();
    for _ in 0..3 {
        let store = SessionStore::default();
        for number in 0..SESSIONS / 10 {
            let id = session(&store);
            if number % 2 == 0 {
                store.set(&id, "role", "none").expect("the session is live");
            }
        }
        // What has been replaced is retired already, and no store's to drop.
        store.flush();
        let held = Heap::since(before);
        drop(store);
        println!("{held}, dropped: {}", Heap::since(before));
        Heap::since(before).assert_at_most(SLACK);
    }
}
