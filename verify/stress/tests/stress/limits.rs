//! `max_sessions` and `count`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::{CreateError, SessionId, SessionStore};

use crate::support::{Board, Dice, THREADS, Ticks, operations, store, together};

struct Limited {
    store: SessionStore,
    clock: Ticks,
    /// Sessions that are there beyond doubt: counted after they came and until before they go.
    alive: AtomicUsize,
}

impl Limited {
    const MAX: usize = 200;

    fn new() -> Arc<Self> {
        let clock = Ticks::default();
        let ttl = Duration::from_millis(3);
        let store = store(|builder| builder.max_sessions(Self::MAX).ttl(ttl).clock(clock.clone()));
        Arc::new(Self { store, clock, alive: AtomicUsize::new(0) })
    }

    /// The first thread looks at the count, the others want more sessions than there may be, and delete them.
    fn create_and_delete(&self, number: usize) -> usize {
        let (mut dice, mut own, mut refused) = (Dice::new(number), Vec::new(), 0);
        for _ in 0..operations() {
            if number == 0 {
                assert!(self.store.count() <= Self::MAX);
            } else if dice.below(Self::MAX / 2) >= own.len() {
                match self.store.create() {
                    Ok(id) => {
                        own.push(id);
                        assert!(self.alive.fetch_add(1, Ordering::Relaxed) < Self::MAX);
                    }
                    Err(error) => {
                        assert_eq!(error, CreateError::Full);
                        refused += 1;
                    }
                }
            } else if let Some(id) = own.pop() {
                self.delete(&id);
            }
        }
        own.iter().for_each(|id| self.delete(id));
        refused
    }

    fn delete(&self, id: &SessionId) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
        assert!(self.store.delete(id));
    }

    /// The first thread moves the clock, and nobody deletes anything.
    fn create_only(&self, number: usize) -> usize {
        let mut created = 0;
        // A create that is refused has looked at hundreds of sessions.
        for turn in 0..operations() / 8 {
            if number == 0 && turn % 16 == 0 {
                self.clock.advance();
            } else {
                created += usize::from(self.store.create().is_ok());
            }
            assert!(self.store.count() <= Self::MAX);
        }
        created
    }

    #[track_caller]
    fn assert_there_is_room_for_all(&self) {
        assert_eq!(self.store.count(), 0);
        for _ in 0..Self::MAX {
            self.store.create().expect("there is room");
        }
        assert_eq!(self.store.create(), Err(CreateError::Full));
    }
}

#[test]
fn there_are_never_more_sessions_than_allowed() {
    let limited = Limited::new();
    let refused: usize = together(&limited, Limited::create_and_delete).into_iter().sum();
    limited.assert_there_is_room_for_all();
    assert!(refused > 0, "the store was never full");
}

#[test]
fn a_full_store_makes_room_of_expired_sessions() {
    let limited = Limited::new();
    let created: usize = together(&limited, Limited::create_only).into_iter().sum();
    assert!(created > Limited::MAX * 4, "{created} sessions have found room");
    (0..9).for_each(|_| limited.clock.advance());
    limited.store.evict_expired();
    limited.assert_there_is_room_for_all();
}

/// As many sessions as threads: each finds the place that it has just left.
#[test]
fn a_place_can_be_taken_as_soon_as_the_delete_that_freed_it_has_returned() {
    fn come_and_go(store: &SessionStore, _: usize) {
        for turn in 0..operations() / 2 {
            let id = store.create().expect("the others have one place each");
            if turn % 2 == 0 {
                store.set(&id, "key", "value").expect("the session is live");
            }
            assert!(store.delete(&id));
        }
    }
    let store = Arc::new(store(|builder| builder.max_sessions(THREADS)));
    together(&store, come_and_go);
    assert_eq!(store.count(), 0);
}

struct Mixed {
    store: SessionStore,
    clock: Ticks,
    lobby: Board,
}

impl Mixed {
    const ROUNDS: usize = 8;

    /// Returns the ids of all sessions that this thread has created and not deleted itself.
    fn work(&self, number: usize) -> Vec<SessionId> {
        let (mut dice, mut created) = (Dice::new(number), Vec::new());
        for turn in 0..operations() / Self::ROUNDS {
            if number == 0 && turn % 64 == 0 {
                self.clock.advance();
                self.store.evict_expired();
            }
            let place = dice.below(self.lobby.places());
            let id = self.lobby.at(place);
            // What has become of a session that all can end is found out at rest.
            match dice.below(8) {
                0..3 => {
                    if let Ok(id) = self.store.create() {
                        self.lobby.post(place, &id);
                        created.push(id);
                    }
                }
                3 => drop(self.store.delete(&id)),
                4 => drop(self.store.exists(&id)),
                5 => drop(self.store.set(&id, "key", "value")),
                6 => drop(self.store.get(&id, "key")),
                _ => drop(self.store.read(&id, |_| ())),
            }
        }
        created
    }
}

/// Sessions that were deleted by several at once, that expired under an operation, that were evicted: each was counted
/// once.
#[track_caller]
fn assert_count_is_exact_at_rest(max_sessions: usize) {
    let clock = Ticks::default();
    let configured = |ttl| store(|builder| builder.max_sessions(max_sessions).ttl(ttl).clock(clock.clone()));
    let store = configured(Duration::from_millis(4));
    let mixed = Arc::new(Mixed { store, clock, lobby: Board::unordered(32) });
    let mut known: Vec<SessionId> = Vec::new();
    for _ in 0..Mixed::ROUNDS {
        known.extend(together(&mixed, Mixed::work).into_iter().flatten());
        let (count, evicted) = (mixed.store.count(), mixed.store.evict_expired());
        known.retain(|id| mixed.store.exists(id));
        assert_eq!(count - evicted, known.len());
        assert_eq!(mixed.store.count(), known.len());
    }
    assert!(known.iter().all(|id| mixed.store.delete(id)));
    assert_eq!(mixed.store.count(), 0);
}

#[test]
fn the_count_is_exact_at_rest() {
    assert_count_is_exact_at_rest(0);
}

#[test]
fn the_count_is_exact_at_rest_with_a_limit() {
    assert_count_is_exact_at_rest(600);
}
