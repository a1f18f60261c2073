//! What a session says about its id: which application accepts it, and how long the browser keeps its cookie.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{
    Audience, ManualClock, Principal, RemovalCause, SessionConfig, SessionId, SessionStore, SessionTicket, Timeouts,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn store() -> (SessionStore, ManualClock) {
    let clock = ManualClock::new();
    (SessionStore::builder().clock(clock.clone()).build().expect("a valid configuration"), clock)
}

/// Eight days without a use, and as long as given at most.
fn remembered(absolute: Duration) -> Timeouts {
    Timeouts::default().idle(8 * DAY).absolute(absolute).cookie(Some(8 * DAY))
}

fn remember(store: &SessionStore, absolute: Duration) -> SessionId {
    store.new_session().timeouts(remembered(absolute)).create().expect("room")
}

fn life(store: &SessionStore, id: &SessionId) -> (Option<Duration>, bool) {
    let SessionTicket { max_age, is_due, .. } = store.ticket(id).expect("a session");
    (max_age, is_due)
}

fn audience(store: &SessionStore, id: &SessionId) -> Option<Audience> {
    store.ticket(id).expect("a session").audience
}

#[test]
fn a_session_says_nothing_about_its_cookie_unless_told() {
    let (store, _) = store();
    let id = store.create().expect("room");
    assert_eq!(life(&store, &id), (None, false));
    assert_eq!(store.renew_cookie(&id), None);
    store.delete(&id);
    assert_eq!((store.ticket(&id), store.renew_cookie(&id)), (None, None));
}

#[test]
fn a_cookie_is_due_when_an_eighth_has_passed_and_the_session_was_used() {
    let (store, clock) = store();
    let id = remember(&store, Duration::MAX);
    clock.advance(DAY - Duration::from_millis(1));
    assert!(store.touch(&id));
    assert_eq!(life(&store, &id), (Some(8 * DAY), false));
    clock.advance(Duration::from_millis(1));
    assert!(!life(&store, &id).1, "it was not used since");
    assert_eq!(store.renew_cookie(&id), None);
    assert!(store.touch(&id));
    assert_eq!(life(&store, &id), (Some(8 * DAY), true));
    assert_eq!((store.renew_cookie(&id), store.renew_cookie(&id)), (Some(8 * DAY), None));
    assert_eq!(life(&store, &id), (Some(8 * DAY), false));
}

#[test]
fn a_renewal_does_not_touch_and_keeps_the_attributes() {
    let (store, clock) = store();
    let id = remember(&store, Duration::MAX);
    store.set(&id, "user", "ada").expect("a session");
    clock.advance(2 * DAY);
    assert!(store.touch(&id));
    clock.advance(DAY);
    // The cookie need not last longer than the session does without another use.
    assert_eq!(store.renew_cookie(&id), Some(7 * DAY));
    assert_eq!(store.expires_in(&id), Some(7 * DAY));
    assert_eq!(store.peek(&id, |session| session.get("user") == Some("ada")), Some(true));
}

#[test]
fn a_cookie_never_outlives_its_session() {
    let (store, clock) = store();
    let id = remember(&store, 10 * DAY);
    clock.advance(2 * DAY);
    assert!(store.touch(&id));
    assert_eq!(life(&store, &id), (Some(8 * DAY), true), "two days more is up to the end");
    assert_eq!(store.renew_cookie(&id), Some(8 * DAY));
    clock.advance(5 * DAY);
    assert!(store.touch(&id));
    assert_eq!(life(&store, &id), (Some(3 * DAY), false), "the browser keeps it up to the end already");
    // The last renewal brings it to the end, even if it brings less than an eighth.
    let id = remember(&store, 8 * DAY + DAY / 2);
    clock.advance(DAY);
    assert!(store.touch(&id));
    assert_eq!(store.renew_cookie(&id), Some(7 * DAY + DAY / 2));
    assert_eq!(store.renew_cookie(&id), None);
}

#[test]
fn a_lifetime_above_the_idle_timeout_counts_as_the_idle_timeout() {
    let (store, clock) = store();
    let short = Timeouts::default().idle(8 * DAY).cookie(Some(80 * DAY));
    let id = store.new_session().timeouts(short).create().expect("room");
    assert_eq!(life(&store, &id), (Some(8 * DAY), false));
    clock.advance(DAY + Duration::from_secs(1));
    assert!(store.touch(&id));
    assert_eq!(store.renew_cookie(&id), Some(8 * DAY));
    let endless = Timeouts::default().idle(Duration::MAX).cookie(Some(Duration::MAX));
    let id = store.new_session().timeouts(endless).create().expect("room");
    assert_eq!(life(&store, &id), (Some(400 * DAY), false));
    let none = Timeouts::default().cookie(Some(Duration::ZERO));
    let id = store.new_session().timeouts(none).create().expect("room");
    assert_eq!(life(&store, &id).0, Some(Duration::from_millis(1)));
}

#[test]
fn a_new_id_is_sent_at_once_and_keeps_the_lifetime() {
    let (store, clock) = store();
    let first = remember(&store, Duration::MAX);
    clock.advance(7 * DAY);
    let id = store.rotate_id(&first).expect("a session");
    assert_eq!(life(&store, &id), (Some(8 * DAY), false));
    let id = store.bind(&id, &Principal::new("ada")).expect("a session");
    assert_eq!(life(&store, &id), (Some(8 * DAY), false));
}

#[test]
fn a_lifetime_that_is_set_later_is_due_at_once_and_can_be_taken_back() {
    let (store, _) = store();
    let id = store.create().expect("room");
    store.set_timeouts(&id, remembered(Duration::MAX)).expect("a session");
    assert_eq!((store.renew_cookie(&id), store.renew_cookie(&id)), (Some(8 * DAY), None));
    store.set_timeouts(&id, Timeouts::default().cookie(None)).expect("a session");
    assert_eq!(life(&store, &id), (None, false));
    store.insert_with(&SessionId::from_bytes([7; 32]), remembered(DAY), [("a", "b")]).expect("room");
    assert_eq!(life(&store, &SessionId::from_bytes([7; 32])), (Some(DAY), false));
}

#[test]
fn another_principal_keeps_the_audience_and_not_the_lifetime() {
    let (store, _) = store();
    let admin = Audience::new("admin");
    let ada = Principal::new("ada");
    let new = store.new_session().audience(admin).principal(ada).timeouts(remembered(Duration::MAX));
    let id = new.create_with([("user", "ada")]).expect("room");
    let id = store.login(&id, &ada).expect("a session");
    assert_eq!((audience(&store, &id), life(&store, &id).0), (Some(admin), Some(8 * DAY)));
    let id = store.login(&id, &Principal::new("eve")).expect("a session");
    assert_eq!((audience(&store, &id), life(&store, &id).0), (Some(admin), None));
    assert_eq!(store.get(&id, "user"), None);
}

#[test]
fn an_audience_stays_with_every_change() {
    let (store, _) = store();
    let admin = Audience::new("the application of the administrators");
    let id = store.new_session().audience(admin).create_with([("a", "b")]).expect("room");
    store.set(&id, "a", "c").expect("a session");
    store.set_timeouts(&id, remembered(DAY)).expect("a session");
    store.set_timeouts(&id, Timeouts::default().cookie(None)).expect("a session");
    let id = store.rotation(&id).grace(DAY).rotate().expect("a session");
    assert_eq!(audience(&store, &id), Some(admin));
    assert_eq!(format!("{admin:?}"), "Audience(..)");
}

#[test]
fn one_of_many_threads_renews_a_cookie() {
    let (store, clock) = store();
    let id = remember(&store, Duration::MAX);
    for _ in 0..20 {
        clock.advance(2 * DAY);
        assert!(store.touch(&id));
        let renewals = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| renewals.fetch_add(store.renew_cookie(&id).is_some().into(), Ordering::Relaxed));
            }
        });
        assert_eq!(renewals.into_inner(), 1);
    }
}

#[test]
fn the_cookie_of_a_session_with_a_value_stays_due() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build_typed::<u32>().expect("a valid configuration");
    let id = store.new_session().timeouts(remembered(Duration::MAX)).create_with(7).expect("room");
    clock.advance(DAY);
    assert!(store.touch(&id));
    assert_eq!((store.renew_cookie(&id), store.renew_cookie(&id)), (Some(8 * DAY), Some(8 * DAY)));
    let id = store.rotate_id(&id).expect("a session");
    assert_eq!(store.renew_cookie(&id), None);
}

#[test]
fn timeouts_that_are_the_stores_take_no_room() {
    let store = SessionStore::new(SessionConfig::default());
    let id = store.create().expect("room");
    let bytes = store.stats().bytes;
    let same = Timeouts::default().idle(store.ttl()).absolute(Duration::MAX).cookie(None);
    store.set_timeouts(&id, same).expect("a session");
    assert_eq!(store.stats().bytes, bytes);
    store.new_session().timeouts(same).create().expect("room");
    assert_eq!(store.stats().bytes, 2 * bytes);
    store.set_timeouts(&id, Timeouts::default().cookie(Some(DAY))).expect("a session");
    assert_eq!(store.stats().bytes, 2 * bytes + 32);
    assert_eq!(store.stats().removed(RemovalCause::Deleted), 0);
}
