//! An id that is gone stays gone, whatever was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::{MissingError, SessionId, SessionStore, SetError};

use crate::support::{Board, Dice, Ticks, Wave, operations, store, together};

#[track_caller]
fn assert_gone(store: &SessionStore, id: &SessionId) {
    assert_eq!(store.set(id, "user", "eve"), Err(SetError::Missing(MissingError::NotFound)));
    assert_eq!(store.get(id, "user"), None);
    assert_eq!(store.read(id, |_| ()), None);
    assert!(!store.exists(id));
    assert!(!store.delete(id));
}

struct Graveyard {
    store: SessionStore,
    clock: Ticks,
    /// Ids of sessions that were live when they were posted.
    lobby: Board,
    /// Ids that some operation has ended, or has reported as gone.
    gone: Board,
}

impl Graveyard {
    fn remove(&self, id: &SessionId, dice: &mut Dice) {
        self.gone.post(dice.below(self.gone.places()), id);
    }

    /// Does something to a session that others may be ending. True if it was there.
    fn use_or_bury(&self, id: &SessionId, dice: &mut Dice) -> bool {
        let there = match dice.below(5) {
            0 => self.store.set(id, "user", "ada").is_ok(),
            1 => self.store.set(id, ["a", "b"][dice.below(2)], "x").is_ok(),
            2 => self.store.get(id, "user").is_some(),
            3 => self.store.read(id, |_| ()).is_some(),
            _ => self.store.exists(id),
        };
        if !there {
            self.remove(id, dice);
        }
        there
    }

    fn work(&self, number: usize) -> usize {
        let (mut dice, mut met) = (Dice::new(number), 0);
        for turn in 0..operations() {
            // Sessions expire while they are used, and hundreds are evicted at a time.
            match number {
                0 if turn % 64 == 0 => self.clock.advance(),
                1 if turn % 512 == 0 => drop(self.store.evict_expired()),
                _ => {}
            }
            let place = dice.below(self.lobby.places());
            match dice.below(10) {
                0 | 1 => {
                    let id = self.store.create_with([("user", "ada")]).expect("there is room");
                    self.lobby.post(place, &id);
                }
                2 => {
                    let id = self.lobby.at(place);
                    self.store.delete(&id);
                    assert_gone(&self.store, &id);
                    self.remove(&id, &mut dice);
                }
                3 => assert_gone(&self.store, &self.gone.at(dice.below(self.gone.places()))),
                _ => met += usize::from(self.use_or_bury(&self.lobby.at(place), &mut dice)),
            }
        }
        met
    }
}

/// Deleted, expired or evicted, by whomever: once any operation has said that an id is gone, no operation of any thread
/// finds it again.
#[test]
fn once_an_id_is_gone_no_operation_succeeds_again() {
    let clock = Ticks::default();
    let graveyard = Arc::new(Graveyard {
        store: store(|builder| builder.clock(clock.clone()).ttl(std::time::Duration::from_millis(10))),
        clock,
        lobby: Board::ordered(16),
        gone: Board::ordered(64),
    });
    let met: usize = together(&graveyard, Graveyard::work).into_iter().sum();
    assert!(met > operations() / 10, "the sessions were live {met} times");
}

struct Queue {
    store: SessionStore,
    ids: Vec<SessionId>,
    /// The first id that nobody has come to yet. Threads that lag behind jump there, to meet.
    front: AtomicUsize,
    wins: Vec<AtomicUsize>,
}

impl Queue {
    fn new() -> Arc<Self> {
        let store = store(|builder| builder);
        let ids: Vec<_> = (0..operations()).map(|_| store.create().expect("there is room")).collect();
        let wins = ids.iter().map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { store, ids, front: AtomicUsize::new(0), wins })
    }

    fn delete_at_the_front(&self, _: usize) {
        let mut wave = Wave::default();
        loop {
            let front = self.front.load(Ordering::Relaxed);
            let Some(id) = self.ids.get(front) else { break };
            if self.store.delete(id) {
                self.wins[front].fetch_add(1, Ordering::Relaxed);
            }
            self.front.fetch_max(front + 1, Ordering::Relaxed);
            wave.step(&self.store);
        }
        wave.end(&self.store);
    }

    /// The first threads delete every id, the others use those that are just being deleted.
    fn delete_or_use(&self, number: usize) -> usize {
        if number < 2 {
            self.delete_all();
            return 0;
        }
        let (key, mut wave, mut met) = (number.to_string(), Wave::default(), 0);
        loop {
            let front = self.front.load(Ordering::Relaxed);
            let Some(id) = self.ids.get(front) else { break };
            let value = front.to_string();
            match self.store.set(id, &key, &value) {
                Ok(()) => {
                    met += 1;
                    let got = self.store.get(id, &key);
                    assert!(got.is_none_or(|got| got == value), "this thread's own value, as long as there is one");
                }
                Err(error) => {
                    assert_eq!(error, SetError::Missing(MissingError::NotFound));
                    assert_gone(&self.store, id);
                    wave.step(&self.store);
                }
            }
        }
        wave.end(&self.store);
        met
    }

    fn delete_all(&self) {
        for (index, id) in self.ids.iter().enumerate() {
            self.front.fetch_max(index, Ordering::Relaxed);
            if self.store.delete(id) {
                self.wins[index].fetch_add(1, Ordering::Relaxed);
            }
            assert_gone(&self.store, id);
        }
        self.front.store(self.ids.len(), Ordering::Relaxed);
    }

    #[track_caller]
    fn assert_each_was_deleted_once(&self) {
        assert!(self.wins.iter().all(|wins| wins.load(Ordering::Relaxed) == 1));
        assert_eq!(self.store.count(), 0);
    }
}

#[test]
fn of_all_deletes_of_an_id_one_returns_true() {
    let queue = Queue::new();
    together(&queue, Queue::delete_at_the_front);
    queue.assert_each_was_deleted_once();
}

#[test]
fn a_delete_ends_what_others_get_and_set_at_that_moment() {
    let queue = Queue::new();
    let met: usize = together(&queue, Queue::delete_or_use).into_iter().sum();
    queue.assert_each_was_deleted_once();
    assert!(met > 0, "no session was met alive");
}
