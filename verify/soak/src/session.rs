//! A session that one worker alone uses, so that it knows what every operation must return.

use cloakroom::{SessionId, SessionStore};

use crate::hall::Dice;
use crate::tally::{Invariant, Kind, Tally};
use crate::time::{FastClock, TTL};

/// What one worker knows of its session.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub(crate) id: SessionId,
    /// The value of its attribute `hits`.
    hits: u64,
    /// The last touch lies between these times.
    touched: (u64, u64),
}

/// With what a worker goes about its sessions.
pub(crate) struct Tools<'a> {
    pub(crate) store: &'a SessionStore,
    pub(crate) clock: &'a FastClock,
    pub(crate) dice: Dice,
    pub(crate) tally: Tally,
}

impl Tools<'_> {
    /// A new session, unless there is no room.
    pub(crate) fn create(&mut self) -> Option<Own> {
        // Of all kinds of lengths.
        let name = &"a name somewhat longer than others, as there are some in practice"[..self.dice.below(60)];
        let before = self.clock.milliseconds();
        let store = self.store;
        let created = self.tally.time(Kind::Create, || store.create_with([("hits", "0"), ("name", name)]));
        let touched = (before, self.clock.milliseconds());
        Some(Own { id: self.created(created)?, hits: 0, touched })
    }

    /// Counts what came of a create.
    pub(crate) fn created(&mut self, created: Result<SessionId, cloakroom::CreateError>) -> Option<SessionId> {
        match created {
            Ok(id) => {
                self.tally.created += 1;
                Some(id)
            }
            Err(cloakroom::CreateError::Full) => {
                self.tally.full += 1;
                None
            }
            Err(error) => panic!("a create failed: {error}"),
        }
    }

    /// What a web server does to a session. False if it has expired.
    pub(crate) fn use_own(&mut self, own: &mut Own) -> bool {
        match self.dice.below(100) {
            0..40 => self.read(own),
            40..75 => self.get(own),
            75..92 => self.set(own),
            _ => self.exists(own),
        }
    }

    pub(crate) fn get(&mut self, own: &mut Own) -> bool {
        let (before, store) = (self.clock.milliseconds(), self.store);
        let hits = self.tally.time(Kind::Get, || store.get(&own.id, "hits"));
        self.judge(own, before, hits.is_some(), true);
        if let Some(hits) = &hits {
            self.check_hits(own, Some(hits));
        }
        hits.is_some()
    }

    fn read(&mut self, own: &mut Own) -> bool {
        let (before, store) = (self.clock.milliseconds(), self.store);
        let mut hits = String::new();
        let seen = self.tally.time(Kind::Read, || {
            store.read(&own.id, |attributes| {
                hits.push_str(attributes.get("hits").unwrap_or("nothing"));
                (attributes.len(), attributes.contains("name"))
            })
        });
        self.judge(own, before, seen.is_some(), true);
        let Some(seen) = seen else { return false };
        self.check_hits(own, Some(&hits));
        self.tally
            .check(Invariant::Versions, seen == (2, true), || format!("a session of two attributes shows {seen:?}"));
        true
    }

    fn set(&mut self, own: &mut Own) -> bool {
        let (before, store) = (self.clock.milliseconds(), self.store);
        let hits = (own.hits + 1).to_string();
        let set = self.tally.time(Kind::Set, || store.set(&own.id, "hits", &hits));
        self.judge(own, before, set.is_ok(), true);
        own.hits += u64::from(set.is_ok());
        set.is_ok()
    }

    pub(crate) fn exists(&mut self, own: &mut Own) -> bool {
        let (before, store) = (self.clock.milliseconds(), self.store);
        let exists = self.tally.time(Kind::Exists, || store.exists(&own.id));
        self.judge(own, before, exists, false);
        exists
    }

    pub(crate) fn delete(&mut self, own: &mut Own) {
        let before = self.clock.milliseconds();
        let deleted = self.delete_any(&own.id);
        self.judge(own, before, deleted, false);
    }

    /// Ends a session that others may be ending as well. True if this was it.
    pub(crate) fn delete_any(&mut self, id: &SessionId) -> bool {
        let store = self.store;
        let deleted = self.tally.time(Kind::Delete, || store.delete(id));
        self.tally.deleted += u64::from(deleted);
        deleted
    }

    /// Whether an operation that began at `before` was right to find the session, or not to find it.
    fn judge(&mut self, own: &mut Own, before: u64, found: bool, touches: bool) {
        let after = self.clock.milliseconds();
        let (earliest, latest) = own.touched;
        let (shortest, longest) = (before.saturating_sub(latest), after - earliest);
        let right = if found { shortest <= TTL } else { longest > TTL };
        self.tally.check(Invariant::Expiry, right, || {
            let was = if found { "found" } else { "not found" };
            format!("a session that had been idle for {shortest} to {longest} ms was {was}; the TTL is {TTL} ms")
        });
        if found && touches {
            own.touched = (before, after);
        }
    }

    fn check_hits(&mut self, own: &Own, hits: Option<&str>) {
        let right = hits.and_then(|hits| hits.parse().ok()) == Some(own.hits);
        self.tally.check(Invariant::Updates, right, || format!("a counter set to {} is {hits:?}", own.hits));
    }

    /// An id that is gone: nothing may find it.
    pub(crate) fn check_gone(&mut self, id: &SessionId) {
        let store = self.store;
        let answers = [
            ("get", self.tally.time(Kind::Get, || store.get(id, "hits").is_some())),
            ("read", self.tally.time(Kind::Read, || store.read(id, |_| ()).is_some())),
            (
                "set",
                self.tally
                    .time(Kind::Set, || store.set(id, "hits", "1") != Err(cloakroom::MissingError::NotFound.into())),
            ),
            ("exists", self.tally.time(Kind::Exists, || store.exists(id))),
            ("delete", self.tally.time(Kind::Delete, || store.delete(id))),
        ];
        for (operation, answered) in answers {
            self.tally.check(Invariant::Revoked, !answered, || format!("{operation} found a session that was gone"));
        }
    }
}

impl Own {
    /// Whether it has certainly expired at this time, if nobody has used it since.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.touched.1) > TTL
    }
}
