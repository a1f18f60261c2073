//! The end of all sessions at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use cloakroom::{
    Clock, FulfilError, Hold, ManualClock, MissingError, Principal, RemovalCause, SessionId, SessionStore, Sweeper,
    Timeouts,
};

use crate::support::{ADA, EVE, TICK, TTL, WAIT, assert_gone, id, session, store, store_with, user, usual};

#[test]
fn all_sessions_and_reservations_end_at_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let (store, clock) =
        store_with(|builder| builder.on_removal(move |removal| listener.lock().unwrap().push(removal.cause)));
    let ada = Principal::new("ada");
    let mut ids = vec![session(&store), store.new_session().principal(ada).create().unwrap()];
    ids.push(store.new_session().idle_timeout(Duration::MAX).absolute_timeout(Duration::MAX).create().unwrap());
    let old = session(&store);
    ids.extend([store.rotation(&old).grace(TTL).rotate().unwrap(), old]);
    let reservation = store.reserve(&id(1), WAIT).expect("free");
    store.delete_and_bar(&id(2), WAIT);

    store.end_all();
    for id in &ids {
        assert_gone(&store, id);
        assert_eq!(store.lookup(id, |_| ()), Err(MissingError::NotFound));
        assert!(!store.delete(id));
    }
    assert_eq!(store.sessions_of(&ada), []);
    assert_eq!(reservation.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    assert!(store.reserve(&id(1), WAIT).is_ok() && store.reserve(&id(2), WAIT).is_ok());

    let after = session(&store);
    clock.advance(TICK);
    assert_eq!((store.count(), store.evict_expired()), (5, 4), "counted until they are removed");
    // One id was rotated before.
    let told = told.lock().unwrap().iter().filter(|cause| **cause == RemovalCause::EndAll).count();
    assert_eq!(told, 4);
    assert_eq!((store.count(), store.stats().removed(RemovalCause::EndAll)), (1, 4));
    assert!(store.exists(&after));
}

#[test]
fn a_session_from_after_the_end_of_all_lives_as_long_as_any() {
    let (store, clock) = store();
    for _ in 0..3 {
        store.end_all();
        let id = session(&store);
        clock.advance(TTL);
        assert!(store.touch(&id));
        assert_eq!(store.expires_in(&id), Some(TTL));
        clock.advance(TTL + TICK);
        assert!(!store.exists(&id));
    }
    let forever = store.new_session().idle_timeout(Duration::MAX).create().unwrap();
    assert_eq!(store.expires_in(&forever), Some(Duration::MAX));
}

#[test]
fn ended_sessions_make_room_in_a_full_store() {
    let store = store_with(|builder| builder.max_sessions(3).max_sessions_per_principal(1)).0;
    let ada = Principal::new("ada");
    let _ = (session(&store), session(&store), store.new_session().principal(ada).create().unwrap());
    assert!(store.create().is_err());
    store.end_all();
    let new = store.new_session().principal(ada).create().expect("a place, and a place of the principal's");
    assert_eq!(store.sessions_of(&ada), [new]);
    assert!(store.create().is_ok() && store.create().is_ok());
    assert_eq!(store.count(), 3);
}

#[test]
fn an_id_can_be_inserted_again_after_the_end_of_all() {
    let (store, _) = store();
    store.insert_with(&id(1), usual(), EVE).expect("free");
    store.end_all();
    store.insert_with(&id(1), usual(), ADA).expect("free again");
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
}

#[test]
fn a_sweeper_removes_what_has_ended() {
    let store = Arc::new(SessionStore::default());
    for _ in 0..100 {
        store.create().expect("unlimited");
    }
    store.end_all();
    let sweeper = Sweeper::start(Arc::clone(&store), Duration::from_millis(1)).expect("a thread");
    while store.count() > 0 {
        thread::yield_now();
    }
    drop(sweeper);
}

type Operation = fn(&SessionStore, &SessionId);

/// A clock that ends all sessions when it has been read so often.
struct Ending {
    time: ManualClock,
    store: Arc<OnceLock<Weak<SessionStore>>>,
    reads: Arc<AtomicU32>,
}

impl Clock for Ending {
    fn now(&self) -> Duration {
        let now = self.time.now();
        if self.reads.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.store.get().and_then(Weak::upgrade).expect("the store is there").end_all();
        }
        now
    }
}

/// Whichever reading of the clock the end of all comes after, in each operation that reads it several times.
#[test]
fn no_operation_takes_a_session_across_the_end_of_all() {
    let operations: [(&str, Operation); 7] = [
        ("a look-up", |store, id| _ = store.touch(id)),
        ("a set", |store, id| _ = store.set(id, "a", "1")),
        ("other timeouts", |store, id| _ = store.set_timeouts(id, Timeouts::default().absolute(TTL))),
        ("a hold", |store, id| drop(Hold::new(store, id))),
        ("a rotation", |store, id| _ = store.rotation(id).grace(TTL).rotate()),
        ("a login", |store, id| _ = store.login(id, &Principal::new("ada"))),
        ("a sweep", |store, _| _ = store.evict_expired()),
    ];
    for (name, operation) in operations {
        for held in [false, true] {
            for nth in 1..12 {
                let (time, reads, slot) = (ManualClock::new(), Arc::new(AtomicU32::new(0)), Arc::default());
                let clock = Ending { time: time.clone(), store: Arc::clone(&slot), reads: Arc::clone(&reads) };
                let store = Arc::new(SessionStore::builder().ttl(TTL).clock(clock).build().expect("valid"));
                slot.set(Arc::downgrade(&store)).expect("once");
                let id = session(&store);
                let hold = held.then(|| Hold::new(&*store, &id).expect("it is live"));
                // A session that is not held is not due.
                time.advance(if held { 2 * TTL } else { TICK });
                reads.store(nth, Ordering::Relaxed);
                operation(&store, &id);
                let over = reads.swap(0, Ordering::Relaxed) > nth;
                if !over {
                    store.end_all();
                }
                assert!(!store.exists(&id), "{name}, reading {nth}");
                store.for_each(|_| panic!("a session is left: {name}, reading {nth}"));
                drop(hold);
            }
        }
    }
}
