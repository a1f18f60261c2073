//! Changes of sessions, in the model.

use cloakroom::{IncrementError, MissingError, SetError, SetIfError, TryUpdateError};

use super::attributes::{Limits, assigned, collected, value_of, within, without};
use super::{Attributes, Model, Step, Subject, Timeouts, ticks};

impl Model {
    /// Several at once are refused where those given are too much by themselves.
    pub(super) fn assign(
        &mut self,
        subject: Subject,
        pairs: &[(String, String)],
        given: Limits,
    ) -> Result<(), SetError> {
        let limits = Limits::of(&self.settings);
        let (session, now) = self.unchanged(subject)?;
        collected(pairs, given)?;
        let attributes = assigned(&session.attributes, pairs);
        within(limits, &attributes)?;
        session.touched = now;
        session.change(attributes);
        Ok(())
    }

    /// The value that is removed.
    pub(super) fn removed(&mut self, subject: Subject, key: &str) -> Result<Option<String>, MissingError> {
        let (session, _) = self.changed(subject)?;
        let value = value_of(&session.attributes, key);
        session.change(without(&session.attributes, key));
        Ok(value)
    }

    pub(super) fn increment(&mut self, subject: Subject, key: &str, by: i64) -> Result<i64, IncrementError> {
        let limits = Limits::of(&self.settings);
        let (session, now) = self.unchanged(subject)?;
        let number = value_of(&session.attributes, key).map_or(Ok(0), |value| value.parse::<i64>());
        let sum = number.map_err(|_| IncrementError::NotANumber)?.checked_add(by).ok_or(IncrementError::Overflow)?;
        let attributes = assigned(&session.attributes, &[(key.to_owned(), sum.to_string())]);
        within(limits, &attributes)?;
        session.touched = now;
        session.change(attributes);
        Ok(sum)
    }

    pub(super) fn update(&mut self, subject: Subject, steps: &[Step]) -> Result<usize, TryUpdateError<()>> {
        let limits = Limits::of(&self.settings);
        let (session, now) = self.unchanged(subject)?;
        let (attributes, abandoned) = taken(&session.attributes, steps);
        if abandoned {
            return Err(TryUpdateError::Abandoned(()));
        }
        within(limits, &attributes)?;
        session.touched = now;
        let left = attributes.len();
        session.change(attributes);
        Ok(left)
    }

    pub(super) fn set_if(
        &mut self,
        place: usize,
        version: u32,
        subject: Subject,
        key: &str,
        value: &str,
    ) -> Result<(), SetIfError> {
        self.update_if(place, version, subject, &[Step::Set(key.to_owned(), value.to_owned())]).map(|_| ())
    }

    /// Who abandons it half-way leaves it at that.
    pub(super) fn update_if(
        &mut self,
        place: usize,
        version: u32,
        subject: Subject,
        steps: &[Step],
    ) -> Result<usize, SetIfError> {
        let limits = Limits::of(&self.settings);
        let (session, now) = self.unchanged(subject)?;
        if session.version != version {
            return Err(SetIfError::Changed);
        }
        let (attributes, _) = taken(&session.attributes, steps);
        within(limits, &attributes)?;
        session.touched = now;
        let left = attributes.len();
        session.change(attributes);
        let version = session.version;
        self.noted[place] = Some(version);
        Ok(left)
    }

    pub(super) fn set_timeouts(&mut self, subject: Subject, timeouts: Timeouts) -> Result<(), MissingError> {
        let (session, now) = self.changed(subject)?;
        if let Some(idle) = timeouts.idle {
            session.idle = ticks(idle);
        }
        if let Some(absolute) = timeouts.absolute {
            session.end = ticks(absolute).map(|ticks| now + ticks);
        }
        session.version += 1;
        Ok(())
    }
}

/// What the steps make of the attributes, up to where they are abandoned, and whether they are.
fn taken(attributes: &Attributes, steps: &[Step]) -> (Attributes, bool) {
    let mut attributes = attributes.clone();
    for step in steps {
        match step {
            Step::Set(key, value) => attributes = assigned(&attributes, &[(key.clone(), value.clone())]),
            Step::Remove(key) => attributes = without(&attributes, key),
            Step::Clear => attributes.clear(),
            Step::Abandon => return (attributes, true),
        }
    }
    (attributes, false)
}
