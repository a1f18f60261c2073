//! Rotation with grace, concurrent with other operations.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cloakroom::{ManualClock, MissingError, RotateError, SessionId, SessionStore};

use crate::support::{TICK, TTL, session, store};

const GRACE: Duration = Duration::from_secs(600);

#[test]
fn a_forwarding_id_is_not_rotated_and_the_attempt_touches_nothing() {
    let (store, clock) = store();
    for grace in [Duration::ZERO, GRACE] {
        let old = session(&store);
        let new = store.rotation(&old).grace(GRACE).rotate().expect("it is live");
        clock.advance(TTL);
        assert_eq!(store.rotation(&old).grace(grace).rotate(), Err(RotateError::Missing(MissingError::NotFound)));
        clock.advance(TICK);
        assert!(!store.exists(&new), "the refused rotation has touched the session");
    }
}

#[test]
fn rotating_a_forwarding_id_does_not_report_the_expiry_of_its_session() {
    let (store, clock) = store();
    let old = session(&store);
    let new = store.rotation(&old).grace(GRACE).rotate().expect("it is live");
    clock.advance(TTL + TICK);
    assert_eq!(store.rotation(&old).grace(GRACE).rotate(), Err(RotateError::Missing(MissingError::NotFound)));
    assert_eq!(store.rotate_id(&new), Err(RotateError::Missing(MissingError::Expired)));
}

type Between = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

/// Calls a closure when it is cloned, which happens during a rotation.
struct Meddler(Between);

impl Clone for Meddler {
    fn clone(&self) -> Self {
        if let Some(between) = self.0.get() {
            between();
        }
        Self(Arc::clone(&self.0))
    }
}

/// Rotates a session, and calls `meddle` during the rotation.
fn rotated_while(meddle: impl Fn(&SessionStore<Meddler>, &ManualClock, &SessionId) + Send + Sync + 'static) -> bool {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().ttl(TTL).clock(clock.clone());
    let store = Arc::new(builder.build_typed::<Meddler>().expect("the settings are valid"));
    let between = Between::default();
    let old = store.create_with(Meddler(Arc::clone(&between))).expect("there is room");
    let (inner, inner_clock) = (Arc::downgrade(&store), clock.clone());
    let set = between.set(Box::new(move || meddle(&inner.upgrade().expect("it is in use"), &inner_clock, &old)));
    assert!(set.is_ok());
    let new = store.rotation(&old).grace(GRACE).rotate().expect("it is live");
    clock.advance(TTL);
    store.exists(&new)
}

#[test]
fn a_touch_during_a_rotation_counts_under_the_new_id() {
    let touched = rotated_while(|store, clock, old| {
        clock.advance(TTL);
        assert!(store.touch(old));
    });
    assert!(touched, "it was touched within its timeout, and has expired");
}
