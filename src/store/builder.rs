//! Building a store from single settings, a clock and a listener.

use super::SessionStore;
use crate::clock::{Clock, TimeSource};
use crate::config::{SessionConfig, WhenFull};
use crate::content::Content;
use crate::error::ConfigError;
use crate::events::{Listener, Removal};
use crate::principal::WhenPrincipalFull;
use core::time::Duration;

/// Builds a [`SessionStore`] from single settings. A setting that is not set is as in [`SessionConfig::default`].
///
/// Made by [`SessionStore::builder`]. The setters do not block, and check nothing. [`build`](Self::build) allocates and
/// reads the clock, so it **may block** if a custom clock does, or while another thread makes the first store of the
/// process.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use std::time::Duration;
///
/// let store = SessionStore::builder()
///     .ttl(Duration::from_secs(15 * 60))
///     .cookie_name("sid")
///     .max_sessions(100_000)
///     .build()?;
/// assert_eq!(store.cookie_name(), "sid");
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SessionStoreBuilder {
    config: SessionConfig,
    /// Replaces `config.cookie_name` when `build` has checked it.
    cookie_name: Option<String>,
    /// `None` for the coarse clock.
    time: Option<TimeSource>,
    listener: Option<Listener>,
}

impl SessionStoreBuilder {
    /// Sets the idle timeout: [`SessionConfig::ttl`](SessionConfig#structfield.ttl).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// Sets an absolute timeout: [`SessionConfig::absolute_timeout`](SessionConfig#structfield.absolute_timeout).
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.config.absolute_timeout = Some(timeout);
        self
    }

    /// Sets the name of the cookie: [`SessionConfig::cookie_name`](SessionConfig#structfield.cookie_name). Allocates.
    ///
    /// [`build`](Self::build) checks the name.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// Sets the most sessions that the store holds, 0 for no limit:
    /// [`SessionConfig::max_sessions`](SessionConfig#structfield.max_sessions).
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// Sets the most bytes that all sessions together take, 0 for no limit:
    /// [`SessionConfig::max_bytes`](SessionConfig#structfield.max_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{CreateError, SessionStore, SetError};
    ///
    /// let store = SessionStore::builder().max_bytes(10_000).build()?;
    /// let id = store.create_with([("essay", &"x".repeat(8_000))])?;
    /// assert_eq!(store.create_with([("essay", &"x".repeat(2_000))]), Err(CreateError::BytesFull));
    /// assert_eq!(store.set(&id, "essay", &"x".repeat(12_000)), Err(SetError::BytesFull));
    /// assert!(store.stats().counted_bytes <= 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// Sets the policy for creations at `max_sessions`, and for what needs room at `max_bytes`:
    /// [`SessionConfig::when_full`](SessionConfig#structfield.when_full).
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.config.when_full = policy;
        self
    }

    /// Sets the most sessions of one principal, 0 for no limit:
    /// [`SessionConfig::max_sessions_per_principal`](SessionConfig#structfield.max_sessions_per_principal).
    pub fn max_sessions_per_principal(mut self, sessions: usize) -> Self {
        self.config.max_sessions_per_principal = sessions;
        self
    }

    /// Sets the policy for logins at `max_sessions_per_principal`:
    /// [`SessionConfig::when_principal_full`](SessionConfig#structfield.when_principal_full).
    pub fn when_principal_full(mut self, policy: WhenPrincipalFull) -> Self {
        self.config.when_principal_full = policy;
        self
    }

    /// Sets the most bytes that the attributes of one session may take:
    /// [`SessionConfig::max_session_bytes`](SessionConfig#structfield.max_session_bytes).
    pub fn max_session_bytes(mut self, bytes: usize) -> Self {
        self.config.max_session_bytes = bytes;
        self
    }

    /// Sets the most attributes of one session, 0 for no limit:
    /// [`SessionConfig::max_attributes`](SessionConfig#structfield.max_attributes).
    pub fn max_attributes(mut self, attributes: usize) -> Self {
        self.config.max_attributes = attributes;
        self
    }

    /// Sets the number of shards: [`SessionConfig::shards`](SessionConfig#structfield.shards).
    pub fn shards(mut self, shards: usize) -> Self {
        self.config.shards = shards;
        self
    }

    /// Sets whether ids are drawn in batches: [`SessionConfig::batch_ids`](SessionConfig#structfield.batch_ids).
    pub fn batch_ids(mut self, batched: bool) -> Self {
        self.config.batch_ids = batched;
        self
    }

    /// Sets the clock. The default is a [`CoarseClock`](crate::CoarseClock). Allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().clock(clock.clone()).build()?;
    /// let id = store.create()?;
    /// clock.advance(Duration::from_secs(31 * 60));
    /// assert!(!store.exists(&id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.time = Some(TimeSource::custom(clock));
        self
    }

    /// Sets the listener, which receives each end of a session with its cause. A second call replaces the listener.
    /// Allocates.
    ///
    /// The thread that has ended the session calls the listener, once for each end. That thread holds nothing of the
    /// store at that point, so the listener may call the store. A slow listener delays that thread and no other. A
    /// panic of the listener is caught after the panic hook has reported it, and has no other effect. Dropping the
    /// store does not report the sessions that are left.
    ///
    /// # Order of events
    ///
    /// * The store calls the listener **after the end**, and before the operation that has ended the session returns.
    ///   So when [`delete`](SessionStore::delete) has returned true, the listener has returned too.
    /// * If one thread ends sessions by several operations, the calls are in the order of the operations.
    /// * There is **no order between threads**. Threads may call the listener at the same time, and a thread may be
    ///   suspended right before its call. Another thread may find the session gone long before the listener receives
    ///   the end. The listener may receive the end of a rotated session before the
    ///   [`Rotated`](crate::RemovalCause::Rotated) of its former id.
    /// * If the id was given to [`insert_with`](SessionStore#method.insert_with), **a new session may have it** at the
    ///   time of the call. [`Removal::serial`] tells the two sessions apart: an application that keeps notes about
    ///   sessions should file them by id and serial.
    /// * [`end_sessions_of`](SessionStore::end_sessions_of) ends all sessions at one instant and reports them one by
    ///   one afterwards. An operation of another thread that meets such a session first, for example an eviction,
    ///   reports it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{RemovalCause, SessionStore};
    /// use std::sync::mpsc::channel;
    ///
    /// let (causes, received) = channel();
    /// let store = SessionStore::builder().on_removal(move |removal| _ = causes.send(removal.cause)).build()?;
    /// let id = store.create()?;
    /// let id = store.rotate_id(&id)?;
    /// store.delete(&id);
    /// assert_eq!(received.try_iter().collect::<Vec<_>>(), [RemovalCause::Rotated, RemovalCause::Deleted]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_removal(mut self, listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Sets a listener that also receives what the ended session held: for an audit, or to clean up files that belong
    /// to a session. It replaces the listener of [`on_removal`](Self::on_removal), and vice versa. Allocates.
    ///
    /// `capture` takes from the session's last content what the listener needs, and the listener receives that. It is
    /// **called once for each session that ends**, whatever ends it, by the thread that has ended it, and sees the
    /// content that was valid at the end. For an id that was rotated, the listener receives `None`, because the
    /// session lives on with its content; also if `capture` panics.
    ///
    /// The **listener** is called as [`on_removal`](Self::on_removal) says: after the end, and with nothing of the
    /// store held. `capture` runs a little earlier, while the content cannot be freed. The rules of a closure for
    /// [`read`](SessionStore::read) hold for it: keep it short, because until it returns the process frees no ended
    /// session. It may call the store. Its panics are contained too. The content is personal data and the id a secret:
    /// log neither.
    ///
    /// A store without such a listener copies nothing. With one, an end costs the call of `capture` and an allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Attributes, SessionStore};
    /// use std::sync::mpsc::channel;
    ///
    /// let (files, to_be_deleted) = channel();
    /// let store = SessionStore::builder()
    ///     .on_removal_with(
    ///         |session: &Attributes| session.get("upload").map(str::to_owned),
    ///         move |_removal, upload| upload.flatten().into_iter().for_each(|file| _ = files.send(file)),
    ///     )
    ///     .build()?;
    /// let id = store.create_with([("upload", "/tmp/7.png")])?;
    /// store.delete(&id);
    /// assert_eq!(to_be_deleted.try_iter().collect::<Vec<_>>(), ["/tmp/7.png"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A store of values takes a `capture` of its type:
    ///
    /// ```
    /// # use cloakroom::{Attributes, ConfigError, SessionStore};
    /// let builder = SessionStore::builder();
    /// let builder = builder.on_removal_with(|clicks: &u32| *clicks, |_, clicks| println!("{clicks:?}"));
    /// assert!(builder.clone().build_typed::<u32>().is_ok());
    /// assert_eq!(builder.build().err(), Some(ConfigError::Listener));
    /// ```
    pub fn on_removal_with<T: Content + ?Sized, C: 'static>(
        mut self,
        capture: impl Fn(&T) -> C + Send + Sync + 'static,
        listener: impl Fn(&Removal, Option<C>) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Listener::with_content(capture, listener));
        self
    }

    /// Makes the store.
    ///
    /// Allocates; may block as [said above](Self).
    ///
    /// # Errors
    ///
    /// [`ConfigError::CookieName`] if the name that was set is not a [`CookieName`](crate::CookieName).
    /// [`ConfigError::Listener`] if the listener is for sessions with another content.
    ///
    /// # Panics
    ///
    /// If a custom clock panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ConfigError, SessionStore};
    ///
    /// assert!(SessionStore::builder().cookie_name("sid").build().is_ok());
    /// let refused = SessionStore::builder().cookie_name("sid; Domain=example.com").build();
    /// assert!(matches!(refused, Err(ConfigError::CookieName(_))));
    /// ```
    pub fn build(self) -> Result<SessionStore, ConfigError> {
        self.build_any()
    }

    /// Makes a store of sessions that each hold a value of type `T` in place of attributes: see
    /// [`SessionStore::typed`].
    ///
    /// Allocates; may block as [said above](Self).
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// If a custom clock panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    ///
    /// let store = SessionStore::builder().max_sessions(1_000).build_typed::<Vec<u32>>()?;
    /// let id = store.create_with(vec![7])?;
    /// assert_eq!(store.read(&id, Vec::len), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_typed<T: Send + Sync + 'static>(self) -> Result<SessionStore<T>, ConfigError> {
        self.build_any()
    }

    fn build_any<T: Content + ?Sized>(self) -> Result<SessionStore<T>, ConfigError> {
        let Self { mut config, cookie_name, time, listener } = self;
        if let Some(name) = cookie_name {
            config.cookie_name = name.try_into()?;
        }
        if listener.as_ref().is_some_and(|listener| !listener.is_for::<T>()) {
            return Err(ConfigError::Listener);
        }
        Ok(SessionStore::assemble(config, time.unwrap_or_default(), listener))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::error::CookieNameError;

    #[test]
    fn an_untouched_builder_builds_the_default_configuration() {
        let (built, default) = (SessionStoreBuilder::default().build().unwrap(), SessionConfig::default());
        assert_eq!(format!("{:?}", built.config()), format!("{default:?}"));
        assert_eq!(default.ttl, Duration::from_secs(1_800));
        assert_eq!((default.max_sessions, default.max_session_bytes, default.shards), (0, 65_536, 64));
        assert_eq!(default.max_bytes, 0);
        assert_eq!(default.max_attributes, 1_024);
    }

    #[test]
    fn every_setting_reaches_the_store() {
        let builder = SessionStoreBuilder::default().ttl(Duration::from_secs(1)).cookie_name("sid").max_sessions(2);
        let store = builder.max_session_bytes(3).max_attributes(5).shards(4).max_bytes(6).build().unwrap();
        let config = store.config();
        assert_eq!((config.ttl, config.cookie_name.as_str()), (Duration::from_secs(1), "sid"));
        assert_eq!((config.max_sessions, config.max_session_bytes, config.shards), (2, 3, 4));
        assert_eq!((config.max_attributes, config.max_bytes), (5, 6));
    }

    #[test]
    fn the_store_reads_the_clock_that_was_set() {
        let clock = ManualClock::new();
        let builder = SessionStoreBuilder::default().ttl(Duration::from_secs(1)).clock(clock.clone());
        let store = builder.build().unwrap();
        let id = store.create().unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(store.exists(&id));
        clock.advance(Duration::from_millis(1));
        assert!(!store.exists(&id));
    }

    #[test]
    fn build_refuses_an_invalid_cookie_name_and_the_last_name_counts() {
        let builder = SessionStoreBuilder::default().cookie_name("a b");
        assert_eq!(builder.clone().build().err(), Some(ConfigError::CookieName(CookieNameError)));
        assert_eq!(builder.cookie_name("ab").build().unwrap().cookie_name(), "ab");
    }
}
