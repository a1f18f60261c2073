//! The guide's design: one mutex around a `HashMap` of `HashMap`s, all of the standard library, with its default hash.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Policy, Stamp};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard};

struct Session {
    attributes: HashMap<String, String>,
    stamp: Stamp,
}

type Sessions = HashMap<Id, Session>;

pub struct OneMutex {
    sessions: Mutex<Sessions>,
    policy: Policy,
}

impl OneMutex {
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().expect("nothing panics under the lock")
    }

    /// Returns the session after touching it. An expired session is removed.
    fn touch<'a>(&self, sessions: &'a mut Sessions, id: &Id, now: u64) -> Option<&'a mut Session> {
        let Entry::Occupied(entry) = sessions.entry(*id) else { return None };
        if !entry.get().stamp.renew(&self.policy, now) {
            entry.remove();
            return None;
        }
        Some(entry.into_mut())
    }
}

impl Contender for OneMutex {
    const NAME: &'static str = "one std Mutex";

    fn open(setup: Setup) -> Self {
        Self { sessions: Mutex::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let attributes = attributes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let session = Session { attributes, stamp: Stamp::new(self.policy.now()) };
        self.lock().insert(id, session);
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        self.touch(&mut self.lock(), id, now)?.attributes.get(key).map(|value| f(value))
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let (key, value) = (key.to_owned(), value.to_owned());
        let mut sessions = self.lock();
        let Some(session) = self.touch(&mut sessions, id, now) else { return false };
        let replaced = session.attributes.insert(key, value);
        drop(sessions);
        drop(replaced);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.lock().get(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        let removed = self.lock().remove(id);
        removed.is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions.retain(|_, session| session.stamp.is_live(&self.policy, now));
        before - sessions.len()
    }
}
