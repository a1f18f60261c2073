//! Attributes from an iterator that panics, calls the store, or has a wrong size hint.

use std::cell::Cell;

use cloakroom::{CreateError, SessionStore};

use crate::support::{TICK, TTL, assert_nothing_lost, fail, panics, session, store};

const PLACES: usize = 8;

/// Text that panics on demand when it is read.
struct Text(&'static str, bool);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        if self.1 { fail() } else { self.0 }
    }
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fail();
        }
    }
}

/// An iterator with any size hint.
struct Liar(usize, (usize, Option<usize>));

impl Iterator for Liar {
    type Item = (String, &'static str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        Some((format!("key {}", self.0), "value"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1
    }
}

#[test]
fn an_iterator_that_panics_takes_no_place() {
    let (store, _) = store(PLACES);
    let ids = [session(&store), session(&store)];
    for turn in 0..200 {
        let bad = turn % 5;
        let next = || (0..5).map(|number| if number == bad { fail() } else { (number.to_string(), "value") });
        assert!(panics(|| _ = store.create_with(next())));
        let keys = || (0..5).map(|number| (Text("key", number == bad), "value"));
        assert!(panics(|| _ = store.create_with(keys())));
        let values = || (0..5).map(|number| ("key", Text("value", number == bad)));
        assert!(panics(|| _ = store.create_with(values())));
        let grenade = Grenade;
        let dropped = || [("key", "value")].into_iter().inspect(move |_| _ = &grenade);
        assert!(panics(|| _ = store.create_with(dropped())));
    }
    assert_eq!(store.count(), 2);
    assert_nothing_lost(&store, &ids);
}

#[test]
fn an_iterator_may_use_the_store() {
    let (store, clock) = store(PLACES);
    let expired = session(&store);
    clock.advance(TTL + TICK);
    let other = session(&store);
    let work: [&dyn Fn(); 7] = [
        &|| assert_eq!(store.evict_expired(), 1),
        &|| store.set(&other, "user", "bob").expect("the session is live"),
        &|| assert_eq!(store.get(&other, "user").as_deref(), Some("bob")),
        &|| assert_eq!(store.read(&other, |attributes| attributes.len()), Some(1)),
        &|| assert!(store.exists(&other) && !store.exists(&expired)),
        &|| assert!(store.delete(&session(&store))),
        &|| store.flush(),
    ];
    let attributes = work.iter().enumerate().map(|(number, call)| {
        call();
        (number.to_string(), "done")
    });
    let id = store.create_with(attributes).expect("there is room");
    assert_eq!(store.read(&id, |attributes| attributes.len()), Some(work.len()));
    assert_eq!(store.count(), 2);
    assert_nothing_lost(&store, &[other, id]);
}

#[test]
fn an_iterator_that_fills_the_store_leaves_no_place_for_its_own_session() {
    let (store, _) = store(PLACES);
    let ids = Cell::new(Vec::new());
    let fill = (0..PLACES).map(|number| {
        let mut made = ids.take();
        made.push(session(&store));
        ids.set(made);
        (number.to_string(), "value")
    });
    assert!(matches!(store.create_with(fill), Err(CreateError::Full)));
    assert_eq!(store.count(), PLACES);
    assert_nothing_lost(&store, &ids.into_inner());
}

#[test]
fn creates_can_be_nested_in_iterators() {
    fn nested(store: &SessionStore, depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let inner = Cell::new(0);
        let attributes = (0..1).map(|_| {
            inner.set(nested(store, depth - 1));
            ("depth", depth.to_string())
        });
        let id = store.create_with(attributes).expect("there is room");
        assert_eq!(store.get(&id, "depth"), Some(depth.to_string()));
        assert!(store.delete(&id));
        inner.get() + 1
    }
    // One place is enough, because a session takes it after its attributes were collected.
    let (store, _) = store(1);
    assert_eq!(nested(&store, 30), 30);
    assert_nothing_lost(&store, &[]);
}

#[test]
fn a_wrong_size_hint_of_an_iterator_does_no_harm() {
    let (store, _) = store(PLACES);
    for hint in [(0, Some(0)), (usize::MAX, Some(usize::MAX)), (usize::MAX, None), (5, Some(1))] {
        let id = store.create_with(Liar(3, hint)).expect("there is room");
        assert_eq!(store.read(&id, |attributes| attributes.len()), Some(3));
        assert!(store.delete(&id));
        let endless = store.create_with(Liar(usize::MAX, hint));
        let cut_off = matches!(endless, Err(CreateError::TooLarge { .. } | CreateError::TooManyAttributes { .. }));
        assert!(cut_off, "an endless iterator is cut off");
    }
    assert_nothing_lost(&store, &[]);
}

#[test]
fn text_that_grows_between_two_reads_does_not_exceed_the_limit() {
    /// One character, and many more when it is read again.
    struct Growing(Cell<bool>);

    impl AsRef<str> for Growing {
        fn as_ref(&self) -> &str {
            if self.0.replace(true) { "many characters" } else { "a" }
        }
    }

    const LIMIT: usize = 10;
    let store = SessionStore::builder().max_session_bytes(LIMIT).max_sessions(PLACES).build();
    let store = store.expect("the settings are valid");
    let growing = || Growing(Cell::new(false));
    let id = store.create_with([(growing(), growing())]).expect("at first it is small");
    let texts =
        store.read(&id, |attributes| attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>());
    assert!(texts.is_some_and(|length| length < LIMIT), "{texts:?} characters in a session of {LIMIT}");
    assert!(store.delete(&id));
}
