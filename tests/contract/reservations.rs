//! Reservations of ids for sessions that are fetched from elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{
    FulfilError, InsertError, ManualClock, MissingError, Principal, RemovalCause, ReserveError, SessionId,
    SessionStore, WhenFull,
};

use crate::support::{ADA, EVE, TICK, TTL, WAIT, assert_gone, id, session, store, store_with, user, usual};

#[test]
fn a_fulfilled_reservation_is_a_session_like_an_inserted_one() {
    let (store, clock) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    assert_eq!(reservation.id(), id(1));
    clock.advance(TICK);
    reservation.fulfil_with(usual(), ADA).expect("it has not ended");
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
    assert_eq!((store.count(), store.stats().created, store.stats().reservations), (1, 1, 0));
    assert!(store.serial(&id(1)) > Some(0));
    store.set(&id(1), "theme", "dark").expect("it is live");
    clock.advance(TTL + TICK);
    assert_eq!(store.evict_expired(), 1);
    assert_gone(&store, &id(1));
}

#[test]
fn the_session_has_the_timeouts_that_it_was_given() {
    let (store, clock) = store();
    let minute = Duration::from_secs(60);
    store.reserve(&id(1), WAIT).expect("free").fulfil_with(usual().absolute(minute), ADA).expect("reserved");
    assert_eq!(store.expires_in(&id(1)), Some(minute));
    clock.advance(minute + TICK);
    assert!(!store.exists(&id(1)));
}

#[test]
fn no_operation_treats_a_reservation_as_a_session() {
    let (store, _) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    assert!(!store.exists(&id(1)) && !store.touch(&id(1)));
    assert_eq!((user(&store, &id(1)), store.read(&id(1), |_| ())), (None, None));
    assert_eq!(store.set(&id(1), "user", "eve"), Err(MissingError::NotFound.into()));
    assert_eq!(store.replace_with(&id(1), usual(), EVE), Err(MissingError::NotFound.into()));
    assert_eq!(store.set_timeouts(&id(1), usual().idle(TTL)), Err(MissingError::NotFound));
    assert!(store.rotate_id(&id(1)).is_err() && store.bind(&id(1), &Principal::new("ada")).is_err());
    assert_eq!((store.serial(&id(1)), store.expires_in(&id(1))), (None, None));
    let mut shown = 0;
    store.for_each(|_| shown += 1);
    assert_eq!((shown, store.count(), store.evict_expired()), (0, 0, 0));
    reservation.fulfil_with(usual(), ADA).expect("none of these has ended it");
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
}

#[test]
fn an_id_is_reserved_once_and_not_if_it_has_a_session() {
    let (store, _) = store();
    let live = session(&store);
    assert_eq!(store.reserve(&live, WAIT).err(), Some(ReserveError::Occupied));
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    assert_eq!(store.reserve(&id(1), WAIT).err(), Some(ReserveError::Reserved));
    reservation.fulfil_with(usual(), ADA).expect("reserved");
    assert_eq!(store.reserve(&id(1), WAIT).err(), Some(ReserveError::Occupied));
    assert_eq!(store.stats().reservations, 0);
}

#[test]
fn a_late_fill_does_not_restore_a_deleted_session() {
    let (store, _) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    assert!(!store.delete(&id(1)), "there was no session");
    // Another caller asks anew; the first answer does not count for it.
    let second = store.reserve(&id(1), WAIT).expect("the reservation has ended");
    assert_eq!(reservation.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    assert!(!store.exists(&id(1)));
    second.fulfil_with(usual(), ADA).expect("the loser has not ended it");
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
}

#[test]
fn an_insert_ends_a_reservation() {
    let (store, _) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    store.insert_with(&id(1), usual(), ADA).expect("a reservation is in no insert's way");
    assert_eq!(reservation.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
    assert_eq!((store.count(), store.stats().reservations), (1, 0));
}

#[test]
fn delete_where_ends_the_reservations_that_it_meets() {
    let (store, _) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("the id is free");
    assert_eq!(store.delete_where(|_| false), 0);
    assert_eq!(reservation.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
}

#[test]
fn a_reservation_expires() {
    let (store, clock) = store();
    let (first, second) = (store.reserve(&id(1), WAIT).unwrap(), store.reserve(&id(2), WAIT).unwrap());
    clock.advance(WAIT);
    first.fulfil_with(usual(), ADA).expect("the last tick of its time");
    clock.advance(TICK);
    assert!(store.reservation(&id(2)).is_none());
    let third = store.reserve(&id(2), WAIT).expect("the second one has expired");
    assert_eq!(second.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    third.fulfil_with(usual(), ADA).expect("reserved");
    assert_eq!(store.stats().removed(RemovalCause::AbsoluteTimeout), 0, "a reservation is not reported");
}

#[test]
fn a_dropped_reservation_leaves_nothing_behind() {
    let (store, _) = store();
    let slots = store.stats().slots_taken;
    drop(store.reserve(&id(1), WAIT).expect("the id is free"));
    assert_eq!((store.stats().reservations, store.stats().slots_taken), (0, slots));
    assert!(store.reserve(&id(1), WAIT).expect("free again").abandon());
    let reservation = store.reserve(&id(1), WAIT).expect("free again");
    store.delete(&id(1));
    assert!(!reservation.abandon(), "it had ended");
}

/// As if its task were suspended for good.
#[test]
fn an_abandoned_reservation_holds_nobody_up() {
    let (store, clock) = store();
    std::mem::forget(store.reserve(&id(1), WAIT).expect("the id is free"));
    store.insert_with(&id(1), usual(), ADA).expect("an insert takes its place");
    std::mem::forget(store.reserve(&id(2), WAIT).expect("the id is free"));
    clock.advance(WAIT + TICK);
    assert_eq!(store.evict_expired(), 0, "it is not a session");
    assert_eq!((store.stats().reservations, store.count()), (0, 1));
}

#[test]
fn a_detached_reservation_is_found_again() {
    let (store, _) = store();
    store.reserve(&id(1), WAIT).expect("the id is free").detach();
    let (one, other) = (store.reservation(&id(1)).expect("there"), store.reservation(&id(1)).expect("there"));
    one.fulfil_with(usual(), ADA).expect("reserved");
    assert_eq!(other.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
    assert!(store.reservation(&id(1)).is_none());
}

#[test]
fn reservations_end_no_sessions_and_are_no_more_than_max_sessions() {
    let store = store_with(|builder| builder.max_sessions(2).when_full(WhenFull::EndIdlest)).0;
    let (one, two) = (session(&store), session(&store));
    let reservations = [store.reserve(&id(1), WAIT).expect("one"), store.reserve(&id(2), WAIT).expect("two")];
    assert_eq!(store.reserve(&id(3), WAIT).err(), Some(ReserveError::Full));
    assert!(store.exists(&one) && store.exists(&two));
    for reservation in reservations {
        reservation.fulfil_with(usual(), ADA).expect("the idlest session makes room");
    }
    assert_eq!((store.count(), store.stats().removed(RemovalCause::Capacity)), (2, 2));
    assert!(store.reserve(&id(3), WAIT).is_ok());
}

#[test]
fn expired_reservations_make_room_for_others() {
    let (store, clock) = store_with(|builder| builder.max_sessions(2));
    store.reserve(&id(1), WAIT).expect("one").detach();
    store.reserve(&id(2), WAIT).expect("two").detach();
    clock.advance(WAIT + TICK);
    assert!(store.reserve(&id(3), WAIT).is_ok());
}

#[test]
fn a_full_store_refuses_a_fulfilment() {
    let store = store_with(|builder| builder.max_sessions(1)).0;
    let reservation = store.reserve(&id(1), WAIT).expect("reserved");
    session(&store);
    assert_eq!(reservation.fulfil_with(usual(), ADA), Err(FulfilError::Full));
    assert_eq!((store.stats().reservations, store.stats().rejected_full), (0, 1));
}

#[test]
fn an_answer_beyond_the_limits_is_refused() {
    let store = store_with(|builder| builder.max_session_bytes(16).max_attributes(1)).0;
    let reserve = || store.reserve(&id(1), WAIT).expect("free");
    let long = [("biography", "a long story")];
    assert_eq!(reserve().fulfil_with(usual(), long), Err(FulfilError::TooLarge { size: 23, limit: 16 }));
    let two = [("a", "1"), ("b", "2")];
    assert_eq!(reserve().fulfil_with(usual(), two), Err(FulfilError::TooManyAttributes { count: 2, limit: 1 }));
    assert_eq!(store.stats().reservations, 0);
}

#[test]
fn a_bar_refuses_reservations_until_it_expires() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual(), ADA).expect("free");
    assert!(store.delete_and_bar(&id(1), WAIT));
    assert_gone(&store, &id(1));
    store.delete(&id(1));
    store.delete_where(|_| true);
    assert_eq!(store.reserve(&id(1), WAIT).err(), Some(ReserveError::Barred));
    assert!(store.reservation(&id(1)).is_none() && store.stats().reservations == 0);
    clock.advance(WAIT);
    assert_eq!(store.reserve(&id(1), WAIT).err(), Some(ReserveError::Barred));
    clock.advance(TICK);
    assert!(store.reserve(&id(1), WAIT).is_ok());
}

#[test]
fn a_bar_ends_a_reservation_and_gives_way_to_an_insert_and_to_a_later_bar() {
    let (store, clock) = store();
    let reservation = store.reserve(&id(1), WAIT).expect("free");
    assert!(!store.delete_and_bar(&id(1), WAIT));
    assert_eq!(reservation.fulfil_with(usual(), EVE), Err(FulfilError::Ended));
    clock.advance(WAIT);
    assert!(!store.delete_and_bar(&id(1), WAIT));
    clock.advance(WAIT);
    assert_eq!(store.reserve(&id(1), WAIT).err(), Some(ReserveError::Barred));
    store.insert_with(&id(1), usual(), ADA).expect("a bar is in no insert's way");
    assert_eq!(store.insert_with(&id(1), usual(), EVE), Err(InsertError::Occupied));
}

#[test]
fn a_bar_of_a_former_id_ends_the_session() {
    let (store, _) = store();
    let old = session(&store);
    let new = store.rotation(&old).grace(WAIT).rotate().expect("live");
    assert!(store.delete_and_bar(&old, WAIT));
    assert!(!store.exists(&new) && !store.exists(&old));
}

/// The contents of a reservation are never shown, not even to a typed store whose reservation has none.
#[test]
fn a_typed_store_reserves_too() {
    let store = SessionStore::<Vec<u32>>::typed(cloakroom::SessionConfig::default());
    let reservation = store.reserve(&id(1), WAIT).expect("free");
    assert_eq!(store.read(&id(1), Vec::len), None);
    assert_eq!(store.delete_where(|session| session.content().is_empty()), 0);
    assert_eq!(reservation.fulfil_with(usual(), vec![7]), Err(FulfilError::Ended));
    store.reserve(&id(1), WAIT).expect("free").fulfil_with(usual(), vec![7, 8]).expect("reserved");
    assert_eq!(store.read(&id(1), Vec::len), Some(2));
}

#[test]
fn debug_output_has_no_id() {
    let (store, _) = store();
    let reservation = store.reserve(&id(0xab), WAIT).expect("free");
    assert_eq!(format!("{reservation:?}"), "Reservation { .. }");
}

/// Threads fill the store as caches do, while others delete and end all. What is deleted stays so until the next fill
/// that began afterwards.
#[test]
fn late_fills_lose_against_deletions_of_other_threads() {
    let store = SessionStore::builder().clock(ManualClock::new()).build().expect("valid");
    let over = AtomicBool::new(false);
    let deleted = Mutex::new(0_u64);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let Ok(reservation) = store.reserve(&id(1), WAIT) else { continue };
                    // The store behind: what has been deleted so far.
                    let seen = *deleted.lock().unwrap();
                    thread::yield_now();
                    let _ = reservation.fulfil_with(usual(), [("seen", seen.to_string())]);
                }
            });
        }
        scope.spawn(|| {
            for round in 1..=2_000 {
                *deleted.lock().unwrap() = round;
                if round % 5 == 0 {
                    store.end_all()
                } else {
                    _ = store.delete(&id(1))
                }
                if let Some(seen) = store.get(&id(1), "seen") {
                    assert_eq!(seen.parse(), Ok(round), "a fill from before the deletion");
                }
            }
            over.store(true, Ordering::Release);
        });
    });
    drop(store.reserve(&id(1), WAIT));
    store.delete(&id(1));
    store.evict_expired();
    assert_eq!((store.count(), store.stats().reservations), (0, 0));
}

/// Requests with forged ids, whose fetches never come back.
#[test]
fn reservations_are_bounded_in_a_store_without_a_limit_and_freed_when_they_have_expired() {
    const MOST: u64 = 262_144;
    let (store, clock) = store();
    let forged = |number: u64| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        SessionId::from_bytes(bytes)
    };
    let live = session(&store);
    let (slots, bytes) = (store.stats().slots, store.stats().bytes);
    for number in 0..MOST {
        store.reserve(&forged(number), WAIT).expect("within the limit").detach();
    }
    assert_eq!(store.reserve(&forged(MOST), WAIT).err(), Some(ReserveError::Full));
    assert!(store.stats().bytes - bytes < 300 * MOST && store.exists(&live));
    assert!(store.create().is_ok(), "reservations take no place of a session");

    clock.advance(WAIT + TICK);
    assert!(store.reserve(&forged(MOST), WAIT).is_ok(), "an expired one makes room");
    assert_eq!(store.evict_expired(), 0, "a reservation is no session");
    while store.stats().slots > slots {
        store.evict_expired();
    }
    assert_eq!((store.count(), store.stats().reservations), (2, 0));
    assert!(store.stats().bytes <= bytes + 300 && store.exists(&live));
}
