//! What is set is there, all of it, until it is replaced.

use std::sync::Arc;
use std::thread;

use cloakroom::{Attributes, SessionId, SessionStore};

use crate::support::{Board, Dice, THREADS, Wave, operations, store, together};

struct Shared {
    store: SessionStore,
    sessions: Vec<SessionId>,
}

impl Shared {
    /// Sets this thread's own attribute of each session again and again, and returns its last values.
    fn set_own_attribute(&self, number: usize) -> Vec<Option<String>> {
        let (key, mut last, mut wave) = (number.to_string(), vec![None; self.sessions.len()], Wave::default());
        for turn in 0..operations() {
            let chosen = turn % self.sessions.len();
            let (id, value) = (&self.sessions[chosen], turn.to_string());
            self.store.set(id, &key, &value).expect("nobody deletes the session");
            last[chosen] = Some(value);
            match turn % 4 {
                0 => assert_eq!(self.store.get(id, &key), last[chosen], "nobody else sets this attribute"),
                1 | 2 => wave.step(&self.store),
                _ if number == 0 && turn % 999 == 0 => self.store.flush(),
                _ => {}
            }
        }
        wave.end(&self.store);
        last
    }
}

#[test]
fn no_update_is_lost() {
    let store = store(|builder| builder);
    let sessions = (0..3).map(|_| store.create().expect("there is room")).collect();
    let shared = Arc::new(Shared { store, sessions });
    for (thread, last) in together(&shared, Shared::set_own_attribute).into_iter().enumerate() {
        for (id, value) in shared.sessions.iter().zip(last) {
            assert_eq!(shared.store.get(id, &thread.to_string()), value);
        }
    }
    assert_eq!(shared.store.count(), shared.sessions.len());
}

/// Sessions with two attributes: created with the same value, then set one after the other, by one thread each.
struct Twins {
    store: SessionStore,
    ids: Board,
}

impl Twins {
    const WRITERS: usize = THREADS / 2;
    const PER_WRITER: usize = 4;

    fn new() -> Arc<Self> {
        let twins = Self { store: store(|builder| builder), ids: Board::unordered(Self::WRITERS * Self::PER_WRITER) };
        (0..twins.ids.places()).for_each(|place| twins.ids.post(place, &twins.create(0)));
        Arc::new(twins)
    }

    fn create(&self, version: usize) -> SessionId {
        let value = text(version);
        self.store.create_with([("first", &value), ("second", &value)]).expect("there is room")
    }

    fn work(&self, number: usize) -> usize {
        if number < Self::WRITERS { self.write(number) } else { self.read(number) }
    }

    fn write(&self, number: usize) -> usize {
        let (mut dice, mut wave) = (Dice::new(number), Wave::default());
        let places = number * Self::PER_WRITER..(number + 1) * Self::PER_WRITER;
        let mut own: Vec<_> = places.clone().map(|place| self.ids.at(place)).collect();
        for version in 1..=operations() / 2 {
            let chosen = dice.below(own.len());
            if dice.below(4) == 0 {
                assert!(self.store.delete(&own[chosen]));
                own[chosen] = self.create(version);
                self.ids.post(places.start + chosen, &own[chosen]);
            } else {
                let (value, id) = (text(version), &own[chosen]);
                self.store.set(id, "first", &value).expect("nobody else deletes the session");
                self.store.set(id, "second", &value).expect("nobody else deletes the session");
            }
            wave.step(&self.store);
            if version % 16 == 0 {
                thread::yield_now();
            }
        }
        wave.end(&self.store);
        0
    }

    /// Returns how often it found a session.
    fn read(&self, number: usize) -> usize {
        let (mut dice, mut met) = (Dice::new(number), 0);
        for turn in 0..operations() {
            let id = self.ids.at(dice.below(self.ids.places()));
            let pause = turn % 16 == 0;
            met += usize::from(self.store.read(&id, |attributes| assert_consistent(attributes, pause)).is_some());
        }
        met
    }
}

/// A value that shows when it is not whole, of all kinds of lengths.
fn text(version: usize) -> String {
    format!("{version} {:x<width$} {version}", "", width = version % 90)
}

fn version(text: &str) -> usize {
    let numbers = text.split_once(' ').zip(text.rsplit_once(' '));
    let ((first, _), (_, last)) = numbers.expect("a value has three parts");
    assert_eq!(first, last);
    let version = first.parse().expect("a value begins with its version");
    assert_eq!(text, self::text(version));
    version
}

fn assert_consistent(attributes: &Attributes, pause: bool) {
    let versions = || ["first", "second"].map(|key| version(attributes.get(key).expect("both are always there")));
    let [first, second] = versions();
    // The first is set first; the second follows before the first is set again.
    assert!(first >= second, "{first} and {second}");
    assert_eq!(attributes.len(), 2);
    if pause {
        // Others replace and delete what is shown here.
        thread::yield_now();
        assert_eq!(versions(), [first, second]);
    }
}

#[test]
fn a_reader_sees_one_version_as_a_whole() {
    let twins = Twins::new();
    let met: usize = together(&twins, Twins::work).into_iter().sum();
    assert!(met > operations() / 10, "sessions were met {met} times");
    assert_eq!(twins.store.count(), twins.ids.places());
}
