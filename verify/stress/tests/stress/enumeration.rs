//! `for_each` and `delete_where` while the shard grows and shrinks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::{SessionId, SessionStore};

use crate::support::{Board, Dice, THREADS, Wave, operations, store, together};

struct Crowd {
    store: SessionStore,
    /// Sessions that stay, however often they are changed and touched.
    residents: Vec<SessionId>,
    shown: AtomicUsize,
}

impl Crowd {
    const RESIDENTS: usize = 40;

    fn new() -> Arc<Self> {
        let store = store(|builder| builder);
        let resident = |_| store.create_with([("resident", "yes")]).expect("there is room");
        let residents = (0..Self::RESIDENTS).map(resident).collect();
        Arc::new(Self { store, residents, shown: AtomicUsize::new(0) })
    }

    /// Two threads count, the others make waves and change residents.
    fn count(&self, number: usize) {
        let (mut wave, mut dice) = (Wave::default(), Dice::new(number));
        for turn in 0..operations() {
            if number < 2 {
                if turn % 64 == 0 {
                    self.show();
                }
            } else if turn % 8 == 0 {
                let id = &self.residents[dice.below(Self::RESIDENTS)];
                self.store.set(id, "turn", &turn.to_string()).expect("residents stay");
            } else {
                wave.step(&self.store);
            }
        }
        wave.end(&self.store);
    }

    fn show(&self) {
        let mut shown = HashMap::new();
        self.store.for_each(|view| {
            let resident = view.content().get("resident").is_some();
            assert!(shown.insert(view.id(), resident).is_none(), "a session is shown twice");
        });
        assert!(self.residents.iter().all(|id| shown.get(id) == Some(&true)), "a resident is not shown");
        let residents = shown.values().filter(|&&resident| resident).count();
        assert_eq!(residents, Self::RESIDENTS);
        self.shown.fetch_add(shown.len() - residents, Ordering::Relaxed);
    }
}

#[test]
fn who_stays_is_shown_exactly_once_while_the_shard_grows_and_shrinks() {
    let crowd = Crowd::new();
    together(&crowd, Crowd::count);
    assert!(crowd.shown.load(Ordering::Relaxed) > 0, "nothing happened meanwhile");
    assert_eq!(crowd.store.count(), Crowd::RESIDENTS);
}

struct Purge {
    store: SessionStore,
    lobby: Board,
    purged: AtomicUsize,
    /// How many threads have done their work.
    done: AtomicUsize,
}

impl Purge {
    /// The first thread ends all sessions in state `bad`, as long as others work and once more; the others create
    /// sessions and change them, with an attribute that says so. Returns how many it has created and deleted.
    fn work(&self, number: usize) -> (usize, usize) {
        if number == 0 {
            self.purge();
            return (0, 0);
        }
        let (mut dice, mut created, mut deleted) = (Dice::new(number), 0, 0);
        for _ in 0..operations() / 4 {
            let place = dice.below(self.lobby.places());
            let id = self.lobby.at(place);
            match dice.below(4) {
                0 => {
                    self.lobby.post(place, &self.store.create().expect("there is room"));
                    created += 1;
                }
                1 => drop(self.store.set(&id, "state", "bad")),
                2 => drop(self.store.set(&id, "state", "good")),
                _ => deleted += usize::from(self.store.delete(&id)),
            }
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        (created, deleted)
    }

    fn purge(&self) {
        loop {
            let last = self.done.load(Ordering::Relaxed) == THREADS - 1;
            let bad = |state: Option<&str>| state == Some("bad");
            let ended = self.store.delete_where(|view| bad(view.content().get("state")));
            self.purged.fetch_add(ended, Ordering::Relaxed);
            if last {
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// Each session that ends is counted by exactly one: by who has deleted it or by the purge.
#[test]
fn conditional_deletes_are_counted_once() {
    let (store, lobby) = (store(|builder| builder), Board::unordered(64));
    let purge = Arc::new(Purge { store, lobby, purged: AtomicUsize::new(0), done: AtomicUsize::new(0) });
    let counts = together(&purge, Purge::work);
    let (created, deleted) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let purged = purge.purged.load(Ordering::Relaxed);
    assert!(purged > 0 && deleted > 0, "{THREADS} threads, {purged} purged, {deleted} deleted");
    assert_eq!(created - deleted - purged, purge.store.count());
    let left = purge.store.count();
    assert_eq!(purge.store.delete_where(|_| true), left);
}
