//! The contract that every contender is held to, so that none is compared while it does less than the others.

#[cfg(test)]
mod cheats;

use crate::attributes::ATTRIBUTES;
use crate::clock::Clock;
use crate::contender::{Contender, Extent, Setup, random_id};
use std::thread;
use std::time::Duration;

/// Panics where `C` does not do what a session store does, as far as its extent goes.
pub fn check<C: Contender>() {
    lookups::<C>();
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

/// A store with a short timeout, its clock, and half of the timeout.
///
/// Where time passes by waiting, it is made long enough for a busy machine.
fn store_with_expiry<C: Contender>() -> (C, Clock, Duration) {
    let clock = if C::OWN_CLOCK { Clock::precise() } else { Clock::shifted() };
    let ttl = Duration::from_millis(1_000);
    (C::open(Setup { ttl, clock, sessions: 1_000 }), clock, ttl / 2)
}

fn store<C: Contender>() -> C {
    C::open(Setup::new(Clock::Coarse, 1_000))
}

#[track_caller]
fn require<C: Contender>(holds: bool, claim: &str) {
    assert!(holds, "{}: {claim}", C::NAME);
}

fn lookups<C: Contender>() {
    let store = store::<C>();
    let ids: Vec<_> = (0..500).map(|_| store.create(&ATTRIBUTES)).collect();
    for id in &ids {
        for (key, value) in ATTRIBUTES {
            require::<C>(store.get(id, key).as_deref() == Some(value), "get returns what was created");
            require::<C>(store.read(id, key, |seen| seen == value) == Some(true), "read shows what was created");
        }
        require::<C>(store.get(id, "absent").is_none(), "an attribute that was never set is not there");
        require::<C>(store.exists(id), "a created session exists");
    }
    for _ in 0..500 {
        let id = random_id();
        require::<C>(store.get(&id, ATTRIBUTES[0].0).is_none(), "an id that was never given out has no attribute");
        require::<C>(!store.exists(&id), "an id that was never given out does not exist");
    }
}

fn writes<C: Contender>() {
    let store = store::<C>();
    let (id, other) = (store.create(&[]), store.create(&ATTRIBUTES));
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "a longer value"), ("c", "")] {
        require::<C>(store.set(&id, key, value), "a live session is set");
        require::<C>(store.get(&id, key).as_deref() == Some(value), "get returns what was set");
    }
    require::<C>(store.get(&id, "b").as_deref() == Some("2"), "a set leaves other attributes alone");
    require::<C>(store.delete(&id), "a live session is deleted");
    require::<C>(!store.delete(&id), "a session is deleted once");
    require::<C>(!store.exists(&id) && store.get(&id, "a").is_none(), "a deleted session is gone");
    require::<C>(!store.set(&id, "a", "4"), "a set creates no session");
    require::<C>(!store.exists(&id), "a refused set leaves nothing behind");
    require::<C>(store.get(&other, ATTRIBUTES[0].0).is_some(), "a delete leaves other sessions alone");
}

fn expiry_of_lookups<C: Contender>() {
    let (store, clock, half) = store_with_expiry::<C>();
    let (used, seen) = (store.create(&ATTRIBUTES), store.create(&ATTRIBUTES));
    for _ in 0..2 {
        clock.pass(half * 4 / 5);
        require::<C>(store.get(&used, ATTRIBUTES[0].0).is_some(), "a get begins the timeout anew");
        require::<C>(store.exists(&seen), "a session lives for as long as the timeout");
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
    require::<C>(!store.delete(&deleted), "an expired session was not there to be deleted");
    require::<C>(store.get(&set, "role").as_deref() == Some("author"), "a set begins the timeout anew");
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
                    require::<C>(found == Some(true), "a session created beside others is there");
                    require::<C>(index % 2 == 0 || store.delete(id), "a session created beside others is deleted");
                }
                for (index, id) in ids.iter().enumerate() {
                    require::<C>(store.exists(id) == (index % 2 == 0), "what is deleted, and only that, is gone");
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
            require::<C>(value == Some(turn.to_string()), "of two concurrent sets of different keys both survive");
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
    require::<C>(store.evict_expired() == 0, "none is evicted before its time");
    let (used, idle): (Vec<_>, Vec<_>) = ids.iter().enumerate().partition(|(index, _)| index % 3 == 0);
    for (_, id) in &used {
        require::<C>(store.get(id, "role").is_some(), "none has expired yet");
    }
    clock.pass(half * 6 / 5);
    require::<C>(store.evict_expired() == idle.len(), "all that have expired are evicted");
    require::<C>(store.evict_expired() == 0, "each is evicted once");
    require::<C>(idle.iter().all(|(_, id)| !store.exists(id)), "an evicted session is gone");
    require::<C>(used.iter().all(|(_, id)| store.exists(id)), "a session that was used is not evicted");
}
