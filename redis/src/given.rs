//! Sessions whose ids, or whose whole content, others choose, and sessions that are known by their hash: for adapters
//! to other session layers, and for lists of devices.

use crate::Shared;
use crate::error::{EngineError, SharedError};
#[cfg(feature = "serde")]
use crate::inner::written;
#[cfg(feature = "serde")]
use crate::link::Request;
use crate::link::{self, Command};
use crate::principals::Device;
use crate::record::Record;
use crate::scripts::Script;
#[cfg(feature = "serde")]
use crate::scripts::Status;
use crate::store::{SharedStore, SharedTicket};
#[cfg(feature = "serde")]
use crate::{arguments, names};
use cloakroom::{SessionId, Snapshot, Timeouts};
use core::borrow::Borrow;

impl SharedStore {
    /// Replaces all attributes of a session, and its timeouts, in one step. Never creates a session.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such session, `Set` if the attributes exceed a limit, `Away`, `Unknown`.
    pub async fn replace_with<I, K, V>(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        attributes: I,
    ) -> Result<(), SharedError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let attributes = Snapshot::detached(attributes);
        // The limits apply to it as to any change.
        attributes.edited(self.config(), |_| ())?;
        self.inner.replace(id, None, timeouts, Some(&attributes)).await.map(drop)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Puts a session with this id into the engine. Returns false if there is a session with this id.
    ///
    /// The id has to be random: who knows it has the session.
    ///
    /// # Errors
    ///
    /// `Away`, `Unknown`.
    pub async fn insert_with(&self, id: &SessionId, timeouts: Timeouts, value: T) -> Result<bool, SharedError> {
        let inner = &self.inner;
        let [idle, absolute, cookie] = arguments::timeouts(inner.default_timeouts().cookie(None).and(timeouts));
        let [most, policy] = inner.limit();
        let (hash, audience, nobody) = (names::of_session(id).to_vec(), arguments::audience(None), Vec::new());
        let content = written::<T>(&value);
        let arguments = vec![hash, idle, absolute, cookie, audience, nobody.clone(), nobody, most, policy, content];
        let command = Command::Script(Script::Create, arguments);
        let values = inner.link.ask(|to| Request::Call { command, ends: None, reads: false, to }).await?;
        if crate::inner::status(&values) == Some(Status::Taken) {
            return Ok(false);
        }
        link::check(&values)?;
        Ok(true)
    }

    /// Replaces the value of a session, and its timeouts, in one step. Never creates a session.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such session, `Away`, `Unknown`.
    pub async fn replace_with(&self, id: &SessionId, timeouts: Timeouts, value: T) -> Result<(), SharedError> {
        self.inner.replace(id, None, timeouts, Some(&value)).await.map(drop)
    }
}

impl<T: Shared + ?Sized> SharedStore<T> {
    /// Shows the content of a session and its ticket to a closure, as they are at one instant. `touch`: the session is
    /// used. Asks the engine if the session is not near.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such session, `Away`.
    pub async fn show<R>(
        &self,
        id: &SessionId,
        touch: bool,
        f: impl FnOnce(&T, SharedTicket) -> R,
    ) -> Result<R, SharedError> {
        let now = self.inner.near.now();
        self.inner.show(id, touch, |held| f(held.content.borrow(), SharedTicket::of(held, now))).await
    }

    /// Shows the content of a session that [`sessions_of`](Self::sessions_of) has listed to a closure, without touching
    /// the session. Asks the engine.
    ///
    /// # Errors
    ///
    /// `Missing` if the session has ended, `Away`.
    pub async fn peek_device<R>(&self, device: &Device, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        let fetch = Command::Script(Script::Fetch, vec![device.hash.to_vec(), b"0".to_vec()]);
        let values = self.inner.query(fetch).await?;
        link::check(&values)?;
        let record = values.get(1).and_then(crate::resp::Value::bytes).and_then(Record::read);
        let content = record.and_then(|record| <T as cloakroom_codec::Stored>::read(record.content));
        content.map(|content| f(content.borrow())).ok_or(SharedError::Engine(EngineError::Record))
    }
}
