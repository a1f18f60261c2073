//! A store driven by the model's operations, and the comparison of the two.

use cloakroom::{ManualClock, SessionId, SessionStore};

use crate::model::{Attributes, Model, Operation, Outcome, Settings, Subject};

/// Does the operations on a new store and on the model.
///
/// # Panics
///
/// At the first operation that the two do not agree on.
pub(crate) fn assert_agreement(settings: Settings, operations: &[Operation]) {
    let (mut model, mut store) = (Model::new(settings), Driven::new(settings));
    for (index, operation) in operations.iter().enumerate() {
        let create = matches!(operation, Operation::Create | Operation::CreateWith(_));
        let may_leave_expired = create && model.has_no_room();
        let (expected, returned) = (model.apply(operation), store.apply(operation));
        assert_eq!(returned, expected, "operation {index}, {operation:?}");
        if may_leave_expired && matches!(returned, Outcome::Created(Ok(_))) {
            store.evict_what_create_left(&model);
        }
    }
    assert_same_sessions(&mut store, &mut model);
}

/// Also meets each session once more that no operation asked about.
fn assert_same_sessions(store: &mut Driven, model: &mut Model) {
    assert_eq!(store.store.count(), model.count());
    for back in 0..model.created() {
        let read = Operation::Read(Subject::Created(back));
        assert_eq!(store.apply(&read), model.apply(&read), "at the end, {read:?}");
    }
    assert_eq!(store.store.count(), model.count());
}

/// A store, its clock, and the ids it has given out.
struct Driven {
    store: SessionStore,
    clock: ManualClock,
    ids: Vec<SessionId>,
}

impl Driven {
    fn new(settings: Settings) -> Self {
        let clock = ManualClock::new();
        let store = SessionStore::builder()
            .ttl(settings.ttl)
            .max_sessions(settings.max_sessions)
            .max_session_bytes(settings.max_session_bytes)
            .shards(settings.shards)
            .clock(clock.clone())
            .build()
            .expect("the settings are valid");
        Self { store, clock, ids: Vec::new() }
    }

    fn id(&self, subject: Subject) -> SessionId {
        match (subject, subject.number(self.ids.len())) {
            (_, Some(number)) => self.ids[number],
            (Subject::Unknown(byte), None) => SessionId::from_bytes([byte; 32]),
            (Subject::Created(_), None) => SessionId::from_bytes([0; 32]),
        }
    }

    fn apply(&mut self, operation: &Operation) -> Outcome {
        let store = &self.store;
        match operation {
            Operation::Create => {
                let created = store.create();
                Outcome::Created(created.map(|id| self.keep(id)))
            }
            Operation::CreateWith(attributes) => {
                let created = store.create_with(attributes.iter().map(|(key, value)| (key, value)));
                Outcome::Created(created.map(|id| self.keep(id)))
            }
            Operation::Set(subject, key, value) => Outcome::Set(store.set(&self.id(*subject), key, value)),
            Operation::Get(subject, key) => Outcome::Got(store.get(&self.id(*subject), key)),
            Operation::Read(subject) => Outcome::Read(store.read(&self.id(*subject), owned)),
            Operation::Exists(subject) => Outcome::Was(store.exists(&self.id(*subject))),
            Operation::Delete(subject) => Outcome::Was(store.delete(&self.id(*subject))),
            Operation::Count => Outcome::Number(store.count()),
            Operation::EvictExpired => Outcome::Number(store.evict_expired()),
            Operation::Flush => {
                store.flush();
                Outcome::Nothing
            }
            Operation::Advance(span) => {
                self.clock.advance(*span);
                Outcome::Nothing
            }
        }
    }

    /// The number of a session that was created just now.
    fn keep(&mut self, id: SessionId) -> usize {
        self.ids.push(id);
        self.ids.len() - 1
    }

    /// After a create that found the store full: ends the expired sessions that it has left, as the model has. It ended one at least,
    /// and those that are left are what the count says.
    fn evict_what_create_left(&self, model: &Model) {
        let max_sessions = self.store.config().max_sessions;
        let count = self.store.count();
        assert!((model.count()..=max_sessions).contains(&count), "{count} of {max_sessions}");
        assert_eq!(count - self.store.evict_expired(), model.count());
        assert_eq!(self.store.count(), model.count());
    }
}

fn owned(attributes: &cloakroom::Attributes) -> Attributes {
    attributes.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
