//! The check of a session's recorded history against the model.

use crate::model::{Model, Operation, Settings};
use crate::recorder::Event;
use crate::search;

/// Whether some order that respects real time explains the events, at most 64 of them, all on the first session that
/// the model creates.
///
/// An expired session may be removed at any time by a sweep that is not among the events.
pub(crate) fn explained(settings: Settings, events: &[Event]) -> bool {
    search::explained(events, Model::new(settings), |model, event| {
        let mut swept = model.clone();
        swept.apply(&Operation::EvictExpired);
        let explains = |mut after: Model| (after.apply(&event.operation) == event.outcome).then_some(after);
        [model.clone(), swept].into_iter().filter_map(explains)
    })
}

mod tests {
    use super::*;
    use crate::model::Outcome;
    use crate::model::Subject::Created;
    use crate::recorder::SETTINGS;
    use cloakroom::{MissingError, SetError};
    use std::time::Duration;

    /// A session's history: its creation, then these.
    fn history(events: &[(Operation, Outcome, usize, usize)]) -> bool {
        let created = (Operation::Create, Outcome::Created(Ok(0)), 0, 1);
        let event = |(operation, outcome, called, returned): &(Operation, Outcome, usize, usize)| Event {
            operation: operation.clone(),
            outcome: outcome.clone(),
            called: *called,
            returned: *returned,
        };
        explained(SETTINGS, &[&[created], events].concat().iter().map(event).collect::<Vec<_>>())
    }

    fn set(key: &str, called: usize, returned: usize) -> (Operation, Outcome, usize, usize) {
        (Operation::Set(Created(0), key.to_owned(), "1".to_owned()), Outcome::Set(Ok(())), called, returned)
    }

    fn get(key: &str, found: bool, called: usize, returned: usize) -> (Operation, Outcome, usize, usize) {
        let found = found.then(|| "1".to_owned());
        (Operation::Get(Created(0), key.to_owned()), Outcome::Got(found), called, returned)
    }

    fn exists(was: bool, called: usize, returned: usize) -> (Operation, Outcome, usize, usize) {
        (Operation::Exists(Created(0)), Outcome::Was(was), called, returned)
    }

    fn delete(was: bool, called: usize, returned: usize) -> (Operation, Outcome, usize, usize) {
        (Operation::Delete(Created(0)), Outcome::Was(was), called, returned)
    }

    fn advance(milliseconds: u64, called: usize, returned: usize) -> (Operation, Outcome, usize, usize) {
        (Operation::Advance(Duration::from_millis(milliseconds)), Outcome::Nothing, called, returned)
    }

    const LIMIT: u64 = SETTINGS.ttl.as_millis() as u64;

    #[test]
    fn an_order_is_found_where_there_is_one() {
        assert!(history(&[set("a", 2, 9), get("a", false, 3, 4), get("a", true, 5, 6), delete(true, 7, 8)]));
        assert!(history(&[delete(true, 2, 9), exists(true, 3, 4), exists(false, 5, 6)]));
    }

    #[test]
    fn a_stale_value_is_refused() {
        assert!(!history(&[set("a", 2, 3), get("a", false, 4, 5)]));
        assert!(!history(&[set("a", 2, 9), get("a", true, 3, 4), get("a", false, 5, 6)]));
    }

    #[test]
    fn a_lost_update_is_refused() {
        let both = |keys: &[&str]| {
            let pairs = keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect();
            (Operation::Read(Created(0)), Outcome::Read(Some(pairs)), 8, 9)
        };
        assert!(history(&[set("a", 2, 6), set("b", 3, 7), both(&["b", "a"])]));
        assert!(!history(&[set("a", 2, 6), set("b", 3, 7), both(&["b"])]));
    }

    #[test]
    fn a_session_that_comes_back_is_refused() {
        assert!(!history(&[delete(true, 2, 9), exists(false, 3, 4), exists(true, 5, 6)]));
        assert!(!history(&[delete(true, 2, 3), set("a", 4, 5)]));
    }

    #[test]
    fn a_session_that_is_deleted_twice_is_refused() {
        assert!(!history(&[delete(true, 2, 5), delete(true, 3, 6)]));
    }

    #[test]
    fn an_early_end_is_refused_and_a_timely_one_is_not() {
        assert!(!history(&[advance(LIMIT, 2, 3), exists(false, 4, 5)]));
        assert!(history(&[advance(LIMIT + 1, 2, 3), exists(false, 4, 5)]));
        let touched = [advance(LIMIT, 2, 3), get("a", false, 4, 5), advance(LIMIT, 6, 7)];
        assert!(history(&[&touched[..], &[exists(true, 8, 9)]].concat()));
        assert!(!history(&[&touched[..], &[exists(false, 8, 9)]].concat()));
    }

    #[test]
    fn a_late_end_is_refused() {
        assert!(!history(&[advance(LIMIT + 1, 2, 3), exists(true, 4, 5)]));
        assert!(history(&[advance(LIMIT + 1, 2, 5), exists(true, 3, 6)]));
    }

    #[test]
    fn an_end_is_reported_once_or_not_at_all() {
        let told = |error, called| {
            let set = Operation::Set(Created(0), "a".to_owned(), "1".to_owned());
            (set, Outcome::Set(Err(error)), called, called + 1)
        };
        let expired = advance(LIMIT + 1, 2, 3);
        assert!(history(&[
            expired.clone(),
            told(SetError::Missing(MissingError::Expired), 4),
            told(SetError::Missing(MissingError::NotFound), 6)
        ]));
        assert!(history(&[expired.clone(), told(SetError::Missing(MissingError::NotFound), 4)]));
        assert!(!history(&[
            expired.clone(),
            told(SetError::Missing(MissingError::Expired), 4),
            told(SetError::Missing(MissingError::Expired), 6)
        ]));
        assert!(!history(&[
            expired,
            told(SetError::Missing(MissingError::NotFound), 4),
            told(SetError::Missing(MissingError::Expired), 6)
        ]));
    }
}
