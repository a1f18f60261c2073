//! The store of this repository with its default settings, except the timeout and the clock.

use crate::clock::Clock;
use crate::contender::{Contender, Setup};
use crate::ids::{Id, Ids};
use cloakroom::{SessionId, SessionStore};

impl Contender for SessionStore {
    const NAME: &'static str = "cloakroom";

    fn open(setup: Setup) -> Self {
        // A batch of ids takes the place of a generator in user space. Otherwise each id is a call, as it is for the peers.
        let builder = Self::builder().ttl(setup.ttl).batch_ids(setup.ids == Ids::UserSpace);
        let builder = match setup.clock {
            Clock::Coarse => builder,
            clock => builder.clock(clock),
        };
        builder.build().expect("the settings are valid")
    }

    #[inline]
    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = if attributes.is_empty() { Self::create(self) } else { self.create_with(attributes.iter().copied()) };
        *id.expect("the store has no limit").as_bytes()
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        Self::read(self, &SessionId::from_bytes(*id), |attributes| attributes.get(key).map(f)).flatten()
    }

    #[inline]
    fn get(&self, id: &Id, key: &str) -> Option<String> {
        Self::get(self, &SessionId::from_bytes(*id), key)
    }

    #[inline]
    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        Self::set(self, &SessionId::from_bytes(*id), key, value).is_ok()
    }

    #[inline]
    fn exists(&self, id: &Id) -> bool {
        Self::exists(self, &SessionId::from_bytes(*id))
    }

    #[inline]
    fn delete(&self, id: &Id) -> bool {
        Self::delete(self, &SessionId::from_bytes(*id))
    }

    fn evict_expired(&self) -> usize {
        Self::evict_expired(self)
    }

    fn flush(&self) {
        Self::flush(self);
    }
}
