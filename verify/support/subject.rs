//! A store driven by the model's operations, and the comparison of the two.

use std::time::Duration;

use cloakroom::{
    CreateError, Draft, ManualClock, Principal, SessionId, SessionStore, Snapshot, Version, WhenPrincipalFull,
};

use crate::model::{Attributes, Model, NOTES, Operation, Outcome, Settings, Shown, Step, Subject, Timeouts};

/// Does the operations on a new store and on the model.
///
/// # Panics
///
/// Panics at the first operation on which the two do not agree.
pub(crate) fn assert_agreement(settings: Settings, operations: &[Operation]) {
    let (mut model, mut store) = (Model::new(settings), Driven::new(settings));
    for (index, operation) in operations.iter().enumerate() {
        let create = matches!(
            operation,
            Operation::Create
                | Operation::CreateWith(_)
                | Operation::CreateFor(..)
                | Operation::CreateBound(..)
                | Operation::Insert(..)
        );
        let may_leave_expired = create && model.has_no_room();
        let (expected, returned) = (model.apply(operation), store.apply(operation));
        assert_eq!(returned, expected, "operation {index}, {operation:?}");
        let came_by = match returned {
            Outcome::Created(result) => matches!(result, Ok(_) | Err(CreateError::PrincipalFull)),
            Outcome::Inserted(result) => result.is_ok(),
            _ => false,
        };
        if may_leave_expired && came_by {
            store.evict_what_create_left(&model);
        }
    }
    assert_same_sessions(&mut store, &mut model);
}

/// Reads each session once more, because some were not read by any operation.
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
    noted: Noted,
}

impl Driven {
    fn new(settings: Settings) -> Self {
        let clock = ManualClock::new();
        let mut builder = SessionStore::builder();
        if let Some(timeout) = settings.absolute_timeout {
            builder = builder.absolute_timeout(timeout);
        }
        if settings.idlest_makes_room {
            builder = builder.when_principal_full(WhenPrincipalFull::EndIdlest);
        }
        let store = builder
            .ttl(settings.ttl)
            .max_sessions(settings.max_sessions)
            .max_sessions_per_principal(settings.max_sessions_per_principal)
            .max_session_bytes(settings.max_session_bytes)
            .max_attributes(settings.max_attributes)
            .shards(settings.shards)
            .clock(clock.clone())
            .build()
            .expect("the settings are valid");
        Self { store, clock, ids: Vec::new(), noted: Noted::default() }
    }

    fn id(&self, subject: Subject) -> SessionId {
        match (subject, subject.number(self.ids.len())) {
            (_, Some(number)) => self.ids[number],
            (Subject::Unknown(byte), None) => SessionId::from_bytes([byte; 32]),
            (Subject::Created(_) | Subject::Numbered(_), None) => SessionId::from_bytes([0; 32]),
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
                let created = store.create_with(borrowed(attributes));
                Outcome::Created(created.map(|id| self.keep(id)))
            }
            Operation::CreateFor(timeouts, attributes) => {
                let mut new = store.new_session();
                new = timeouts.idle.into_iter().fold(new, |new, timeout| new.idle_timeout(timeout));
                new = timeouts.absolute.into_iter().fold(new, |new, timeout| new.absolute_timeout(timeout));
                let created = new.create_with(borrowed(attributes));
                Outcome::Created(created.map(|id| self.keep(id)))
            }
            Operation::Insert(subject, timeouts, attributes) => {
                let known = subject.number(self.ids.len());
                let id = known.map_or_else(|| SessionId::random().expect("randomness"), |number| self.ids[number]);
                let inserted = store.insert_with(&id, built(*timeouts), borrowed(attributes));
                Outcome::Inserted(inserted.map(|()| known.unwrap_or_else(|| self.keep(id))))
            }
            Operation::CreateBound(principal, attributes) => {
                let created = store.new_session().principal(named(*principal)).create_with(borrowed(attributes));
                Outcome::Created(created.map(|id| self.keep(id)))
            }
            Operation::Bind(subject, principal) => {
                let bound = store.bind(&self.id(*subject), &named(*principal));
                Outcome::Bound(bound.map(|id| self.keep(id)))
            }
            Operation::Login(subject, principal) => {
                let bound = store.login(&self.id(*subject), &named(*principal));
                Outcome::Bound(bound.map(|id| self.keep(id)))
            }
            Operation::Unbind(subject, kept) => {
                let unbound = store.unbind(&self.id(*subject), |key| key == kept);
                Outcome::Rotated(unbound.map(|id| self.keep(id)))
            }
            Operation::SessionsOf(principal) => {
                let ids = store.sessions_of(&named(*principal));
                Outcome::Numbers(ids.iter().map(|id| self.number(id)).collect())
            }
            Operation::EndSessionsOf(principal) => Outcome::Number(store.end_sessions_of(&named(*principal))),
            Operation::EndOthersOf(principal, kept) => {
                Outcome::Number(store.end_other_sessions_of(&named(*principal), &self.id(*kept)))
            }
            Operation::DeleteWhere(key) => Outcome::Number(store.delete_where(|view| view.content().contains(key))),
            Operation::ForEach => Outcome::Shown(self.shown()),
            Operation::Rotate(subject, grace) => {
                let id = self.id(*subject);
                let plain = grace.is_zero();
                let rotated = if plain { store.rotate_id(&id) } else { store.rotation(&id).grace(*grace).rotate() };
                Outcome::Rotated(rotated.map(|id| self.keep(id)))
            }
            Operation::Count => Outcome::Number(store.count()),
            Operation::EvictExpired => Outcome::Number(store.evict_expired()),
            Operation::EvictInPieces => Outcome::Number(evict_in_pieces(store)),
            Operation::Flush => {
                store.flush();
                Outcome::Nothing
            }
            Operation::Advance(span) => {
                self.clock.advance(*span);
                Outcome::Nothing
            }
            other => {
                let subject = other.subject().expect("it is about a session");
                let id = self.id(subject);
                ask(&self.store, &id, &mut self.noted, other)
            }
        }
    }

    fn number(&self, id: &SessionId) -> usize {
        self.ids.iter().position(|known| known == id).expect("it was given out")
    }

    fn shown(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        self.store.for_each(|view| {
            shown.push(Shown {
                session: self.number(&view.id()),
                attributes: owned(view.content()),
                idle_for: view.idle_for(),
                expires_in: view.expires_in(),
            });
        });
        shown.sort_by_key(|shown| shown.session);
        shown
    }

    /// The number of a session that was created just now.
    fn keep(&mut self, id: SessionId) -> usize {
        self.ids.push(id);
        self.ids.len() - 1
    }

    /// Ends the expired sessions that a create has left when it found the store full, as the model does. The create has
    /// ended at least one, and the count includes the rest.
    fn evict_what_create_left(&self, model: &Model) {
        let max_sessions = self.store.config().max_sessions;
        let count = self.store.count();
        assert!((model.count()..=max_sessions).contains(&count), "{count} of {max_sessions}");
        assert_eq!(count - self.store.evict_expired(), model.count());
        assert_eq!(self.store.count(), model.count());
    }
}

/// Evicts until a whole round has ended none, because a round in which the table shrinks may leave some out. Returns
/// how many sessions have ended in all.
fn evict_in_pieces(store: &SessionStore) -> usize {
    let (mut all, mut before) = (0, 0);
    loop {
        let eviction = store.evict_expired_within(Duration::ZERO);
        all += eviction.ended;
        if eviction.complete && all == before {
            return all;
        }
        if eviction.complete {
            before = all;
        }
    }
}

/// Asks a store for one operation on one session.
pub(crate) fn ask(store: &SessionStore, id: &SessionId, noted: &mut Noted, operation: &Operation) -> Outcome {
    match operation {
        Operation::Set(_, key, value) => Outcome::Set(store.set(id, key, value)),
        Operation::SetEach(_, pairs) => Outcome::Set(store.set_each(id, borrowed(pairs))),
        Operation::Remove(_, key) => Outcome::Removed(store.remove(id, key)),
        Operation::Take(_, key) => Outcome::Got(store.take(id, key)),
        Operation::Clear(_) => Outcome::Changed(store.clear(id)),
        Operation::Increment(_, key, by) => Outcome::Incremented(store.increment(id, key, *by)),
        Operation::Update(_, steps) => Outcome::Updated(store.try_update(id, |draft| take_steps(draft, steps))),
        Operation::SetTimeouts(_, given) => Outcome::Changed(store.set_timeouts(id, built(*given))),
        Operation::Replace(_, given, pairs) => Outcome::Set(store.replace_with(id, built(*given), borrowed(pairs))),
        Operation::Note(place, _) => {
            noted[*place] = store.version(id);
            Outcome::Was(noted[*place].is_some())
        }
        Operation::SetIf(place, _, key, value) => {
            let Some(version) = noted[*place] else { return Outcome::Nothing };
            let set = store.set_if(id, version, key, value);
            Outcome::SetIf(set.map(|version| noted[*place] = Some(version)))
        }
        Operation::UpdateIf(place, _, steps) => {
            let Some(version) = noted[*place] else { return Outcome::Nothing };
            let updated = store.update_if(id, version, |draft| {
                let _ = take_steps(draft, steps); // Abandoned or not.
                draft.len()
            });
            Outcome::UpdatedIf(updated.map(|(left, version)| {
                noted[*place] = Some(version);
                left
            }))
        }
        Operation::Snapshot(place, _) => {
            let snapshot = store.snapshot(id);
            noted[*place] = snapshot.as_ref().map(Snapshot::version);
            Outcome::Read(snapshot.as_deref().map(owned))
        }
        Operation::Get(_, key) => Outcome::Got(store.get(id, key)),
        Operation::Contains(_, key) => Outcome::Was(store.contains(id, key)),
        Operation::Read(_) => Outcome::Read(store.read(id, owned)),
        Operation::Lookup(_) => Outcome::LookedUp(store.lookup(id, owned)),
        Operation::Touch(_) => Outcome::Was(store.touch(id)),
        Operation::Exists(_) => Outcome::Was(store.exists(id)),
        Operation::ExpiresIn(_) => Outcome::Left(store.expires_in(id)),
        Operation::Delete(_) => Outcome::Was(store.delete(id)),
        other => unreachable!("{other:?} is no operation on a session"),
    }
}

fn built(given: Timeouts) -> cloakroom::Timeouts {
    let timeouts = given.idle.into_iter().fold(cloakroom::Timeouts::default(), cloakroom::Timeouts::idle);
    given.absolute.into_iter().fold(timeouts, cloakroom::Timeouts::absolute)
}

/// The versions that were noted.
pub(crate) type Noted = [Option<Version>; NOTES];

fn take_steps(draft: &mut Draft<'_>, steps: &[Step]) -> Result<usize, ()> {
    for step in steps {
        match step {
            Step::Set(key, value) => draft.set(key, value),
            Step::Remove(key) => _ = draft.remove(key),
            Step::Clear => draft.clear(),
            Step::Abandon => return Err(()),
        }
    }
    Ok(draft.len())
}

/// The principal of this number.
fn named(number: u8) -> Principal {
    Principal::new([number])
}

fn borrowed(attributes: &Attributes) -> impl Iterator<Item = (&String, &String)> {
    attributes.iter().map(|(key, value)| (key, value))
}

fn owned(attributes: &cloakroom::Attributes) -> Attributes {
    attributes.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
