//! What every contender can do.

use cloakroom::{SessionId, SessionStore};

/// A session store with string attributes and an idle timeout of half an hour.
pub(crate) trait Contender: Sync {
    /// How reports call it.
    const NAME: &'static str;

    /// The id of a session, 32 random bytes.
    type Id: Copy + Send + Sync;

    fn open() -> Self;

    /// Creates a session that holds `attributes`.
    fn create(&self, attributes: &[(&str, &str)]) -> Self::Id;

    /// One attribute of a live session, which is touched.
    fn get(&self, id: &Self::Id, key: &str) -> Option<String>;

    /// Sets one attribute of a live session, which is touched; whether there was one.
    fn set(&self, id: &Self::Id, key: &str, value: &str) -> bool;

    /// Removes a session; whether there was one.
    fn delete(&self, id: &Self::Id) -> bool;
}

impl Contender for SessionStore {
    const NAME: &'static str = "cloakroom";

    type Id = SessionId;

    fn open() -> Self {
        Self::builder().build().expect("the defaults are valid")
    }

    fn create(&self, attributes: &[(&str, &str)]) -> SessionId {
        self.create_with(attributes.iter().copied()).expect("the store has no limit")
    }

    fn get(&self, id: &SessionId, key: &str) -> Option<String> {
        self.get(id, key)
    }

    fn set(&self, id: &SessionId, key: &str, value: &str) -> bool {
        self.set(id, key, value).is_ok()
    }

    fn delete(&self, id: &SessionId) -> bool {
        self.delete(id)
    }
}
