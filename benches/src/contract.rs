//! The contract of all contenders. A contender that breaks it does less work than the others, and must not be compared.

#[cfg(test)]
mod cheats;

use crate::attributes::ATTRIBUTES;
use crate::clock::Clock;
use crate::contender::{Contender, Extent, Setup};
use crate::ids::Ids;
use std::collections::HashSet;
use std::thread;
use std::time::Duration;

/// Panics if `C` breaks the contract, as far as its extent goes.
pub fn check<C: Contender>() {
    Ids::ALL.into_iter().for_each(lookups::<C>);
    expiry_of_lookups::<C>();
    if C::EXTENT != Extent::Lookups {
        writes::<C>();
        concurrent_creates::<C>();
        expiry_of_writes::<C>();
    }
    if C::EXTENT == Extent::Store {
        concurrent_sets::<C>();
        reads_beside_sets::<C>();
        eviction::<C>();
    }
}

/// Returns a store with a short timeout, its clock, and half of the timeout.
///
/// The timeout is long enough for a busy machine, because a contender with a clock of its own has to wait.
fn store_with_expiry<C: Contender>() -> (C, Clock, Duration) {
    let clock = if C::OWN_CLOCK { Clock::precise() } else { Clock::shifted() };
    let ttl = Duration::from_millis(1_000);
    (C::open(Setup { ttl, ..Setup::new(clock, 1_000) }), clock, ttl / 2)
}

fn store<C: Contender>() -> C {
    C::open(Setup::new(Clock::Coarse, 1_000))
}

#[track_caller]
fn require<C: Contender>(holds: bool, claim: &str) {
    assert!(holds, "{}: {claim}", C::NAME);
}

fn lookups<C: Contender>(source: Ids) {
    let store = C::open(Setup { ids: source, ..Setup::new(Clock::Coarse, 1_000) });
    let ids: Vec<_> = (0..500).map(|_| store.create(&ATTRIBUTES)).collect();
    require::<C>(ids.iter().collect::<HashSet<_>>().len() == ids.len(), "an id is drawn once");
    for id in &ids {
        for (key, value) in ATTRIBUTES {
            require::<C>(store.get(id, key).as_deref() == Some(value), "get returns a value of a new session");
            require::<C>(
                store.read(id, key, |seen| seen == value) == Some(true),
                "read passes a value of a new session",
            );
        }
        require::<C>(store.get(id, "absent").is_none(), "an attribute that was never set does not exist");
        require::<C>(store.exists(id), "a created session exists");
    }
    for _ in 0..500 {
        let id = source.draw();
        require::<C>(store.get(&id, ATTRIBUTES[0].0).is_none(), "an unknown id has no attribute");
        require::<C>(!store.exists(&id), "an unknown id has no session");
    }
}

fn writes<C: Contender>() {
    let store = store::<C>();
    let (id, other) = (store.create(&[]), store.create(&ATTRIBUTES));
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "a longer value"), ("c", "")] {
        require::<C>(store.set(&id, key, value), "a live session is set");
        require::<C>(store.get(&id, key).as_deref() == Some(value), "get returns the value of the last set");
    }
    require::<C>(store.get(&id, "b").as_deref() == Some("2"), "a set leaves other attributes alone");
    require::<C>(store.delete(&id), "a live session is deleted");
    require::<C>(!store.delete(&id), "a session is deleted once");
    require::<C>(!store.exists(&id) && store.get(&id, "a").is_none(), "a deleted session does not exist");
    require::<C>(!store.set(&id, "a", "4"), "a set creates no session");
    require::<C>(!store.exists(&id), "a refused set creates no session");
    require::<C>(store.get(&other, ATTRIBUTES[0].0).is_some(), "a delete leaves other sessions alone");
}

fn expiry_of_lookups<C: Contender>() {
    let (store, clock, half) = store_with_expiry::<C>();
    let (used, seen) = (store.create(&ATTRIBUTES), store.create(&ATTRIBUTES));
    for _ in 0..2 {
        clock.pass(half * 4 / 5);
        require::<C>(store.get(&used, ATTRIBUTES[0].0).is_some(), "a get restarts the timeout");
        require::<C>(store.exists(&seen), "an idle session lives until the timeout");
    }
    clock.pass(half * 4 / 5);
    require::<C>(!store.exists(&seen), "exists does not touch, and an expired session does not exist");
    require::<C>(store.get(&seen, ATTRIBUTES[0].0).is_none(), "an expired session is not returned");
    require::<C>(store.get(&used, ATTRIBUTES[0].0).is_some(), "a session in use does not expire");
}

fn expiry_of_writes<C: Contender>() {
    let (store, clock, half) = store_with_expiry::<C>();
    let (idle, deleted, set) = (store.create(&ATTRIBUTES), store.create(&ATTRIBUTES), store.create(&ATTRIBUTES));
    clock.pass(half * 6 / 5);
    require::<C>(store.set(&set, "role", "author"), "a live session is set");
    clock.pass(half * 6 / 5);
    require::<C>(!store.set(&idle, "role", "author"), "an expired session is not set");
    require::<C>(!store.exists(&idle), "a refused set does not revive a session");
    require::<C>(!store.delete(&deleted), "a delete of an expired session is refused");
    require::<C>(store.get(&set, "role").as_deref() == Some("author"), "a set restarts the timeout");
}

fn concurrent_creates<C: Contender>() {
    let store = &store::<C>();
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let value = thread.to_string();
                let ids: Vec<_> = (0..2_000).map(|_| store.create(&[("thread", &value)])).collect();
                for (index, id) in ids.iter().enumerate() {
                    let found = store.read(id, "thread", |seen| seen == value);
                    require::<C>(found == Some(true), "a session created beside others exists");
                    require::<C>(index % 2 == 0 || store.delete(id), "a session created beside others is deleted");
                }
                for (index, id) in ids.iter().enumerate() {
                    require::<C>(
                        store.exists(id) == (index % 2 == 0),
                        "deleted sessions do not exist, and all others do",
                    );
                }
            });
        }
    });
}

fn concurrent_sets<C: Contender>() {
    let store = &store::<C>();
    let id = store.create(&ATTRIBUTES);
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..200 {
                    let set = store.set(&id, &format!("key {thread} {}", turn % 4), &turn.to_string());
                    require::<C>(set, "a live session is set beside others");
                }
            });
        }
    });
    for thread in 0..4 {
        for turn in 196..200 {
            let value = store.get(&id, &format!("key {thread} {}", turn % 4));
            require::<C>(value == Some(turn.to_string()), "concurrent sets of different keys are all kept");
        }
    }
}

fn reads_beside_sets<C: Contender>() {
    let store = &store::<C>();
    let id = store.create(&ATTRIBUTES);
    thread::scope(|scope| {
        let setter = scope.spawn(move || {
            for turn in 0..20_000 {
                require::<C>(store.set(&id, "role", ["author", "editor"][turn % 2]), "a live session is set");
            }
        });
        while !setter.is_finished() {
            require::<C>(store.get(&id, "user_id").is_some(), "a get beside sets finds the session");
            require::<C>(store.exists(&id), "a session exists while it is set");
        }
    });
}

fn eviction<C: Contender>() {
    let (store, clock, half) = store_with_expiry::<C>();
    let ids: Vec<_> = (0..900).map(|_| store.create(&ATTRIBUTES)).collect();
    clock.pass(half * 6 / 5);
    require::<C>(store.evict_expired() == 0, "no live session is evicted");
    let (used, idle): (Vec<_>, Vec<_>) = ids.iter().enumerate().partition(|(index, _)| index % 3 == 0);
    for (_, id) in &used {
        require::<C>(store.get(id, "role").is_some(), "no session has expired yet");
    }
    clock.pass(half * 6 / 5);
    require::<C>(store.evict_expired() == idle.len(), "all expired sessions are evicted");
    require::<C>(store.evict_expired() == 0, "a session is evicted once");
    require::<C>(idle.iter().all(|(_, id)| !store.exists(id)), "an evicted session does not exist");
    require::<C>(used.iter().all(|(_, id)| store.exists(id)), "a session that was used is not evicted");
}
