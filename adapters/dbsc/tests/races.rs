//! Threads that use one challenge at the same time.

#[path = "../examples/dbsc/app.rs"]
#[allow(dead_code, reason = "the server, which these tests do without")]
mod app;
#[allow(dead_code, reason = "as above")]
mod support;

use cloakroom::SessionStore;
use cloakroom_dbsc::{ATTRIBUTE, CHALLENGE, Dbsc, RESPONSE, SESSION_ID};
use http::HeaderMap;
use std::sync::Barrier;
use std::thread;
use support::Key;

const THREADS: usize = 4;
const ROUNDS: usize = 30;

/// How many of the threads are answered with 200.
fn successes(of: impl Fn(usize) -> u16 + Sync) -> usize {
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        let (of, together) = (&of, &together);
        let start = |number| {
            scope.spawn(move || {
                together.wait();
                of(number)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).filter(|status| *status == 200).count()
    })
}

fn text(value: &http::HeaderValue) -> &str {
    value.to_str().expect("ASCII")
}

#[test]
fn of_many_registrations_for_one_offer_one_succeeds() {
    let (store, dbsc) = (SessionStore::default(), Dbsc::builder().build().expect("valid settings"));
    let keys: Vec<Key> = (1..=THREADS as u8).map(Key::new).collect();
    for _ in 0..ROUNDS {
        let id = store.create().expect("room");
        let (_, offer) = dbsc.offer(&store, &id).expect("a session");
        let challenge = text(&offer).rsplit('"').nth(1).expect("a challenge").to_owned();
        let requests: Vec<HeaderMap> = keys
            .iter()
            .map(|key| HeaderMap::from_iter([(RESPONSE, key.registration(&challenge).parse().expect("ASCII"))]))
            .collect();
        let registered = successes(|number| dbsc.register(&store, Some(&id), &requests[number]).status().as_u16());
        assert_eq!(registered, 1);
        assert!(store.get(&id, ATTRIBUTE).is_some_and(|held| held.starts_with("bound ")));
    }
}

#[test]
fn of_many_proofs_over_one_challenge_one_succeeds() {
    let (store, dbsc, key) = (SessionStore::default(), Dbsc::builder().build().expect("valid settings"), Key::new(1));
    let id = store.create().expect("room");
    let (_, offer) = dbsc.offer(&store, &id).expect("a session");
    let challenge = text(&offer).rsplit('"').nth(1).expect("a challenge").to_owned();
    let registration = HeaderMap::from_iter([(RESPONSE, key.registration(&challenge).parse().expect("ASCII"))]);
    assert_eq!(dbsc.register(&store, Some(&id), &registration).status(), 200);
    let device = store.get(&id, ATTRIBUTE).expect("bound").split(' ').nth(1).expect("a name").to_owned();
    let mut request = HeaderMap::from_iter([(SESSION_ID, device.parse().expect("ASCII"))]);
    for _ in 0..ROUNDS {
        request.remove(RESPONSE);
        let challenged = dbsc.refresh(&store, Some(&id), &request);
        let challenge = text(&challenged.headers()[CHALLENGE]).split('"').nth(1).expect("a string").to_owned();
        request.insert(RESPONSE, key.proof(&challenge).parse().expect("ASCII"));
        assert_eq!(successes(|_| dbsc.refresh(&store, Some(&id), &request).status().as_u16()), 1);
    }
}
