//! Stores that break the contract, each in one respect. The contract has to find each of them.

use super::check;
use crate::contender::{Contender, Setup};
use crate::ids::{Id, Ids};
use crate::session::{Policy, Stamp};
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;

const HONEST: u8 = 0;
const GET_DOES_NOT_TOUCH: u8 = 1;
const EXISTS_TOUCHES: u8 = 2;
const GET_RETURNS_EXPIRED: u8 = 3;
const SET_CREATES: u8 = 4;
const SET_REVIVES: u8 = 5;
const SET_DOES_NOT_TOUCH: u8 = 6;
const SET_LOSES: u8 = 7;
const DELETE_SAYS_YES: u8 = 8;
const DELETE_KEEPS: u8 = 9;
const EVICT_TAKES_ALL: u8 = 10;
const EVICT_KEEPS: u8 = 11;
const USER_SPACE_IDS_REPEAT: u8 = 12;

struct Session {
    attributes: HashMap<String, String>,
    stamp: Stamp,
}

struct Cheat<const RULE: u8> {
    sessions: Mutex<HashMap<Id, Session>>,
    policy: Policy,
}

impl<const RULE: u8> Contender for Cheat<RULE> {
    const NAME: &'static str = "cheat";

    fn open(setup: Setup) -> Self {
        Self { sessions: Mutex::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let attributes = attributes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let id = match self.policy.ids {
            Ids::UserSpace if RULE == USER_SPACE_IDS_REPEAT => [0; 32],
            ids => ids.draw(),
        };
        let stamp = Stamp::new(self.policy.now());
        self.sessions.lock().unwrap().insert(id, Session { attributes, stamp });
        id
    }

    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let sessions = self.sessions.lock().unwrap();
        let session = sessions.get(id)?;
        let live = match RULE {
            GET_DOES_NOT_TOUCH => session.stamp.is_live(&self.policy, now),
            GET_RETURNS_EXPIRED => true,
            _ => session.stamp.renew(&self.policy, now),
        };
        if live { session.attributes.get(key).map(|value| f(value)) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let mut sessions = self.sessions.lock().unwrap();
        if RULE == SET_CREATES {
            let new = || Session { attributes: HashMap::new(), stamp: Stamp::new(now) };
            sessions.entry(*id).or_insert_with(new);
        }
        let Some(session) = sessions.get_mut(id) else { return false };
        let live = match RULE {
            SET_REVIVES => true,
            SET_DOES_NOT_TOUCH => session.stamp.is_live(&self.policy, now),
            _ => session.stamp.renew(&self.policy, now),
        };
        if !live {
            return false;
        }
        if RULE == SET_LOSES {
            let mut attributes = session.attributes.clone();
            drop(sessions);
            thread::yield_now();
            attributes.insert(key.to_owned(), value.to_owned());
            self.sessions.lock().unwrap().get_mut(id).unwrap().attributes = attributes;
        } else {
            session.attributes.insert(key.to_owned(), value.to_owned());
        }
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        let is_live = |session: &Session| match RULE {
            EXISTS_TOUCHES => session.stamp.renew(&self.policy, now),
            _ => session.stamp.is_live(&self.policy, now),
        };
        self.sessions.lock().unwrap().get(id).is_some_and(is_live)
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        let mut sessions = self.sessions.lock().unwrap();
        if RULE == DELETE_KEEPS {
            return sessions.contains_key(id);
        }
        let removed = sessions.remove(id);
        RULE == DELETE_SAYS_YES || removed.is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let mut sessions = self.sessions.lock().unwrap();
        let before = sessions.len();
        sessions.retain(|_, session| match RULE {
            EVICT_TAKES_ALL => false,
            EVICT_KEEPS => true,
            _ => session.stamp.is_live(&self.policy, now),
        });
        before - sessions.len()
    }
}

#[test]
fn an_honest_store_passes() {
    check::<Cheat<HONEST>>();
}

macro_rules! caught {
    ($($name:ident $rule:ident $claim:literal)+) => {$(
        #[test]
        #[should_panic(expected = $claim)]
        fn $name() {
            check::<Cheat<$rule>>();
        }
    )+};
}

caught! {
    a_get_that_does_not_touch_is_caught GET_DOES_NOT_TOUCH "a session in use does not expire"
    an_exists_that_touches_is_caught EXISTS_TOUCHES "exists does not touch"
    a_get_of_an_expired_session_is_caught GET_RETURNS_EXPIRED "an expired session is not returned"
    a_set_that_creates_is_caught SET_CREATES "a set creates no session"
    a_set_that_revives_is_caught SET_REVIVES "an expired session is not set"
    a_set_that_does_not_touch_is_caught SET_DOES_NOT_TOUCH "a set restarts the timeout"
    a_set_that_loses_another_is_caught SET_LOSES "concurrent sets of different keys are all kept"
    a_delete_that_always_returns_true_is_caught DELETE_SAYS_YES "a session is deleted once"
    a_delete_that_keeps_the_session_is_caught DELETE_KEEPS "a session is deleted once"
    an_eviction_of_a_live_session_is_caught EVICT_TAKES_ALL "no live session is evicted"
    an_eviction_of_nothing_is_caught EVICT_KEEPS "all expired sessions are evicted"
    a_user_space_generator_that_repeats_an_id_is_caught USER_SPACE_IDS_REPEAT "an id is drawn once"
}
