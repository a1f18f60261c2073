//! The settings of a store: [`SessionConfig`] holds valid ones, [`SessionStoreBuilder`] checks them.

use crate::attributes::Limits;
use crate::clock::{Clock, TimeSource};
use crate::content::Content;
use crate::entry::LONGEST_TEXT;
use crate::error::{ConfigError, CookieNameError};
use crate::events::{Listener, Removal};
use crate::principal::WhenPrincipalFull;
use crate::store::SessionStore;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Beyond that nothing gets faster, and what looks at every part gets slower: with 65,536, `stats` took 3 milliseconds,
/// and an empty store 139 MB.
const MOST_SHARDS: usize = 1 << 10;
const MOST_BYTES: usize = 256 << 20;
const _: () = assert!(MOST_BYTES <= LONGEST_TEXT as usize, "an entry holds what a session may");

/// Holds the settings of a [`SessionStore`]. Every value is a valid one.
///
/// # Examples
///
/// ```
/// use cloakroom::{CookieName, SessionConfig, SessionStore};
/// use std::time::Duration;
///
/// let store = SessionStore::new(SessionConfig {
///     ttl: Duration::from_secs(15 * 60),
///     cookie_name: CookieName::try_from("__Host-session_id")?,
///     ..SessionConfig::default()
/// });
/// assert_eq!(store.config().max_sessions, 0);
/// # Ok::<(), cloakroom::CookieNameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How long a session may lie untouched: it expires once more time than this has passed since the last `get`,
    /// `read` or `set`, and never earlier. 30 minutes by default.
    ///
    /// The [OWASP Session Management Cheat Sheet][owasp] has 15 to 30 minutes as common for applications of low risk,
    /// and 2 to 5 for those of high value. The time is rounded up to whole milliseconds, and one step of the clock is
    /// added ([`Clock::resolution`]). [`Duration::MAX`] is for ever.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration
    pub ttl: Duration,
    /// How long a session lives after its creation, used or not, unless it was created with an absolute timeout of its
    /// own. `None`, the default, is for ever.
    ///
    /// An upper bound even for a session that is in use, so that a stolen id does not serve for good ([OWASP][owasp],
    /// ASVS 5 requirement 7.3.2). Rounded up as the `ttl` is. It costs each session 16 bytes.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#absolute-timeout
    pub absolute_timeout: Option<Duration>,
    /// The name of the cookie that carries the id. `session_id` by default. The store itself sets and reads no cookie.
    pub cookie_name: CookieName,
    /// How many sessions the store holds at most, those included that have expired and are not evicted yet. 0, the
    /// default, is as many as memory holds.
    ///
    /// A session that changes its id takes one place all the time, also while its former id still leads to it
    /// ([`Rotation::grace`](crate::Rotation::grace)).
    pub max_sessions: usize,
    /// How many sessions may be bound to one principal at a time. 0, the default, is any number.
    ///
    /// Never exceeded, not for an instant. A session that changes its id counts once. The limit is decided on before
    /// [`max_sessions`](Self::max_sessions) is, and before any session ends for a newcomer: a login that is refused for
    /// this limit has ended nobody's session. Without a limit a login takes as long however many sessions its principal
    /// has; at a limit of more than 16, a login that is refused looks at all of the principal's sessions.
    pub max_sessions_per_principal: usize,
    /// What becomes of a login beyond that: it is refused by default.
    pub when_principal_full: WhenPrincipalFull,
    /// What becomes of a newcomer when there are `max_sessions`, none of which is found expired. [`WhenFull::Refuse`]
    /// by default.
    pub when_full: WhenFull,
    /// How many bytes the attributes of one session may take: the bytes of their keys and values in UTF-8, and two more
    /// for each attribute (one more for each key or value of 64 bytes, and again of 4,096, of 262,144, of
    /// 16,777,216 and of 1,073,741,824). 64 KiB by default.
    ///
    /// 0 allows sessions without attributes only. More than 256 MiB counts as 256 MiB.
    pub max_session_bytes: usize,
    /// How many attributes one session may have. 1,024 by default. 0 is as many as `max_session_bytes` allows: an
    /// attribute takes at least two bytes.
    ///
    /// Looking an attribute up, and setting one, takes time in proportion to how many there are, so whatever lets
    /// visitors choose how many a session has lets them choose what its requests cost.
    pub max_attributes: usize,
    /// Into how many parts, which grow independently of each other, the store divides its sessions. 64 by default.
    ///
    /// Rounded up to a power of two, at least 1; more than 1,024 count as 1,024. More of them spread the work of
    /// growing and the counting over more threads; they make no lookup faster, and each takes two kilobytes when it is
    /// empty. What looks at each of them takes longer: [`stats`](SessionStore::stats), sweeps, and `count` where there
    /// is no `max_sessions`. Beyond 1,024 nothing was measured to get faster.
    pub shards: usize,
}

/// Says what becomes of a newcomer when a store holds [`max_sessions`](SessionConfig::max_sessions).
///
/// Whatever it is, up to 512 sessions are looked at first, to find an expired one in place of which the newcomer may
/// come. And whatever it is, there are never more than `max_sessions`, not for an instant. A session that is ended ends
/// as if it was deleted, at one instant and for good, and with the cause
/// [`Capacity`](crate::RemovalCause::Capacity); one that is used between being chosen and being ended stays, and
/// another is chosen.
///
/// Nothing of this concerns a newcomer for which a session of its own principal has ended
/// ([`WhenPrincipalFull::EndIdlest`]): it has the place of that one.
///
/// Where no session can be ended because all places belong to newcomers that have not arrived yet, a newcomer is
/// refused.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionStore, WhenFull};
///
/// let store = SessionStore::builder().max_sessions(1_000).when_full(WhenFull::EndIdlest).build()?;
/// for _ in 0..2_000 {
///     store.create()?;
/// }
/// assert_eq!(store.count(), 1_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The newcomer is refused: [`CreateError::Full`](crate::CreateError::Full). Nobody is logged out; but who opens
    /// sessions faster than they expire keeps everybody else out.
    #[default]
    Refuse,
    /// The idlest session is ended: the one that was touched least recently, of a sample of at least 32 (of all, if
    /// there are fewer), which goes round the store from one newcomer to the next. Nobody is kept out; but who opens
    /// sessions without end logs everybody out who is not using theirs.
    EndIdlest,
    /// The idlest session is ended of those in a sample that are bound to no principal: visitors who have not logged
    /// in. **Opening anonymous sessions, however many, ends no session of a user who has logged in.**
    ///
    /// Up to 512 sessions, of a sample that goes round the store, are looked at for an unbound one, and the newcomer is
    /// refused if there is none among them. (To look at all of them would let anybody keep the server busy for
    /// milliseconds by one request.)
    ///
    /// A newcomer that is itself bound to a principal comes in all the same: up to 8,192 sessions are looked at then,
    /// and if none of them is unbound, the idlest of them ends. So where more than about one session in a thousand is
    /// unbound, nobody who has logged in is ended; and how many sessions one user can have is to be limited by other
    /// means.
    EndUnbound,
}

impl SessionConfig {
    pub(crate) fn shard_count(&self) -> usize {
        self.shards.clamp(1, MOST_SHARDS).next_power_of_two()
    }

    pub(crate) fn limits(&self) -> Limits {
        let count = if self.max_attributes == 0 { usize::MAX } else { self.max_attributes };
        Limits { count, bytes: self.max_session_bytes.min(MOST_BYTES) }
    }
}

impl Default for SessionConfig {
    /// Returns 30 minutes, `session_id`, any number of sessions, 64 KiB and 1,024 attributes each, 64 shards.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30 * 60),
            absolute_timeout: None,
            cookie_name: CookieName::default(),
            max_sessions: 0,
            max_sessions_per_principal: 0,
            when_principal_full: WhenPrincipalFull::default(),
            when_full: WhenFull::default(),
            max_session_bytes: 64 * 1024,
            max_attributes: 1_024,
            shards: 64,
        }
    }
}

/// Names a cookie: a token of 1 to 256 bytes.
///
/// What a token is, [RFC 6265, section 4.1.1] says: ASCII letters, digits and ``!#$%&'*+-.^_`|~``, and so nothing that
/// could end the name and begin something else in a header. Browsers drop a cookie whose name and value together are
/// over 4,096 bytes (RFC 6265bis); 256 leave the id its room there, and are more than any name needs.
///
/// Names that begin with `__Host-` or `__Secure-` are tokens too; RFC 6265bis has browsers refuse such a cookie where
/// it was not set securely, which makes `__Host-session_id` a good choice for a site on one host.
///
/// [RFC 6265, section 4.1.1]: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
///
/// # Examples
///
/// ```
/// use cloakroom::CookieName;
///
/// let name: CookieName = "sid".parse()?;
/// assert_eq!(name.as_str(), "sid");
/// assert!("sid; Domain=example.com".parse::<CookieName>().is_err());
/// assert_eq!(CookieName::default().as_str(), "session_id");
/// # Ok::<(), cloakroom::CookieNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(String);

impl CookieName {
    const MAX_LEN: usize = 256;

    /// Returns the name as text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(name: &str) -> Result<(), CookieNameError> {
        let valid = (1..=Self::MAX_LEN).contains(&name.len()) && name.bytes().all(is_token_byte);
        if valid { Ok(()) } else { Err(CookieNameError) }
    }
}

/// `token` of RFC 2616, section 2.2, to which RFC 6265 refers: any ASCII character but controls and separators.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte)
}

impl Default for CookieName {
    /// Returns `session_id`.
    fn default() -> Self {
        Self("session_id".to_owned())
    }
}

impl FromStr for CookieName {
    type Err = CookieNameError;

    fn from_str(name: &str) -> Result<Self, CookieNameError> {
        Self::check(name)?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<&str> for CookieName {
    type Error = CookieNameError;

    fn try_from(name: &str) -> Result<Self, CookieNameError> {
        name.parse()
    }
}

impl TryFrom<String> for CookieName {
    type Error = CookieNameError;

    fn try_from(name: String) -> Result<Self, CookieNameError> {
        Self::check(&name)?;
        Ok(Self(name))
    }
}

impl AsRef<str> for CookieName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Builds a [`SessionStore`] from single settings; what is not set is as in [`SessionConfig::default`].
///
/// Made by [`SessionStore::builder`]. Building allocates and reads the clock, which may block if it is the caller's
/// own; and a thread that makes the first store of the process may wait for another one that does so at the same time.
/// Nothing else here blocks.
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
    /// Taken for `config.cookie_name` once it has been checked.
    cookie_name: Option<String>,
    /// `None` for the coarse clock.
    time: Option<TimeSource>,
    listener: Option<Listener>,
}

impl SessionStoreBuilder {
    /// Sets how long a session may lie untouched: [`SessionConfig::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// Sets how long a session lives at most: [`SessionConfig::absolute_timeout`].
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.config.absolute_timeout = Some(timeout);
        self
    }

    /// Sets the name of the cookie, which [`build`](Self::build) checks: [`SessionConfig::cookie_name`].
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// Sets how many sessions there may be, 0 for any number: [`SessionConfig::max_sessions`].
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// Sets what becomes of a newcomer when there are as many: [`SessionConfig::when_full`].
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.config.when_full = policy;
        self
    }

    /// Sets how many bytes the attributes of one session may take: [`SessionConfig::max_session_bytes`].
    pub fn max_session_bytes(mut self, bytes: usize) -> Self {
        self.config.max_session_bytes = bytes;
        self
    }

    /// Sets how many attributes one session may have, 0 for any number: [`SessionConfig::max_attributes`].
    pub fn max_attributes(mut self, attributes: usize) -> Self {
        self.config.max_attributes = attributes;
        self
    }

    /// Sets into how many parts the store divides its sessions: [`SessionConfig::shards`].
    pub fn shards(mut self, shards: usize) -> Self {
        self.config.shards = shards;
        self
    }

    /// Sets the clock; a [`CoarseClock`](crate::CoarseClock) if this is not called.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.time = Some(TimeSource::custom(clock));
        self
    }

    /// Sets the listener, which is told of each session that ends, and why; of several, the last one.
    ///
    /// It is called once for each end, by the thread that has ended the session, which holds nothing of the store then:
    /// the listener may call the store. It delays that thread, not others. Where it panics, the panic is caught (after
    /// its hook has reported it), and nothing else comes of it. The sessions that are left when the store is dropped
    /// are not reported.
    ///
    /// # Order of events
    ///
    /// * The listener is called **after the end**, and before the operation returns that has ended the session. So when
    ///   [`delete`](SessionStore::delete) has returned true, the listener has returned too.
    /// * The ends that one thread brings about by several operations are told in the order of the operations.
    /// * There is **no order between threads**. Each calls the listener when it gets to it, also at the same time as
    ///   others, and may be suspended right before. Another thread may have found the session gone long before the
    ///   listener is told of that, and the end of a rotated session may be told before the
    ///   [`Rotated`](crate::RemovalCause::Rotated) of its former id.
    /// * An id that was given to [`insert_with`](SessionStore#method.insert_with) **may live again** by then, for
    ///   another session. [`Removal::serial`] tells the two apart: what the application has noted for a session is
    ///   found by id and serial.
    /// * [`end_sessions_of`](SessionStore::end_sessions_of) ends all sessions at one instant, and tells of them one by
    ///   one afterwards. An operation of another thread that comes upon one of them first, such as an eviction, tells
    ///   of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{RemovalCause, SessionStore};
    /// use std::sync::mpsc::channel;
    ///
    /// let (causes, seen) = channel();
    /// let store = SessionStore::builder().on_removal(move |removal| _ = causes.send(removal.cause)).build()?;
    /// let id = store.create()?;
    /// let id = store.rotate_id(&id)?;
    /// store.delete(&id);
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [RemovalCause::Rotated, RemovalCause::Deleted]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_removal(mut self, listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Sets how many sessions a principal may have: [`SessionConfig::max_sessions_per_principal`].
    pub fn max_sessions_per_principal(mut self, sessions: usize) -> Self {
        self.config.max_sessions_per_principal = sessions;
        self
    }

    /// Sets what becomes of a login beyond that: [`SessionConfig::when_principal_full`].
    pub fn when_principal_full(mut self, policy: WhenPrincipalFull) -> Self {
        self.config.when_principal_full = policy;
        self
    }

    /// Makes the store.
    ///
    /// # Errors
    ///
    /// [`ConfigError::CookieName`] if the name that was set is not a [`CookieName`].
    ///
    /// # Panics
    ///
    /// If the clock that was set panics.
    pub fn build(self) -> Result<SessionStore, ConfigError> {
        self.build_any()
    }

    /// Makes a store of sessions that each hold a value rather than attributes: see [`SessionStore::typed`].
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// If the clock that was set panics.
    pub fn build_typed<T: Send + Sync + 'static>(self) -> Result<SessionStore<T>, ConfigError> {
        self.build_any()
    }

    fn build_any<T: Content + ?Sized>(self) -> Result<SessionStore<T>, ConfigError> {
        let Self { mut config, cookie_name, time, listener } = self;
        if let Some(name) = cookie_name {
            config.cookie_name = name.try_into()?;
        }
        Ok(SessionStore::assemble(config, time.unwrap_or_default(), listener))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use proptest::prelude::*;

    /// The characters of a token as RFC 9110, section 5.6.2, lists them.
    fn is_token_character(c: char) -> bool {
        c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
    }

    #[test]
    fn a_name_of_one_character_is_valid_if_that_is_a_token_character() {
        for c in '\0'..='\u{2ff}' {
            assert_eq!(CookieName::try_from(c.to_string()).is_ok(), is_token_character(c), "{c:?}");
        }
    }

    #[test]
    fn a_name_has_1_to_256_bytes() {
        for (bytes, valid) in [(0, false), (1, true), (256, true), (257, false), (4_096, false)] {
            assert_eq!("n".repeat(bytes).parse::<CookieName>().is_ok(), valid, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_valid_if_all_its_characters_are(name in "[!-~]{1,4}|.{1,4}|[a-z]{1,4}[^a-z][a-z]{0,4}") {
            let valid = name.chars().all(is_token_character);
            prop_assert_eq!(name.parse::<CookieName>().is_ok(), valid);
            prop_assert_eq!(CookieName::try_from(&*name).is_ok(), valid);
            prop_assert_eq!(CookieName::try_from(name).is_ok(), valid);
        }
    }

    #[test]
    fn a_name_is_kept_as_it_was_given() {
        let name = CookieName::try_from("__Host-Sid").unwrap();
        assert_eq!((name.as_str(), name.as_ref(), &*name.to_string()), ("__Host-Sid", "__Host-Sid", "__Host-Sid"));
        assert_eq!(Ok(name), CookieName::try_from("__Host-Sid".to_owned()));
    }

    #[test]
    fn the_default_name_is_valid() {
        assert_eq!("session_id".parse(), Ok(CookieName::default()));
    }

    #[test]
    fn shards_are_rounded_up_to_a_power_of_two_within_bounds() {
        let expected = [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 4),
            (64, 64),
            (65, 128),
            (1_023, 1_024),
            (1_025, 1_024),
            (65_536, 1_024),
            (usize::MAX, 1_024),
        ];
        for (shards, count) in expected {
            assert_eq!(SessionConfig { shards, ..SessionConfig::default() }.shard_count(), count, "{shards}");
        }
    }

    #[test]
    fn a_size_limit_above_the_most_counts_as_the_most() {
        for (bytes, limit) in [(0, 0), (65_536, 65_536), (268_435_457, 268_435_456), (usize::MAX, 268_435_456)] {
            let config = SessionConfig { max_session_bytes: bytes, ..SessionConfig::default() };
            assert_eq!(config.limits().bytes, limit);
        }
    }

    #[test]
    fn a_limit_of_no_attributes_counts_as_none() {
        for (attributes, limit) in [(0, usize::MAX), (1, 1), (1_024, 1_024), (usize::MAX, usize::MAX)] {
            let config = SessionConfig { max_attributes: attributes, ..SessionConfig::default() };
            assert_eq!(config.limits().count, limit);
        }
    }

    #[test]
    fn an_untouched_builder_builds_the_default_configuration() {
        let (built, default) = (SessionStoreBuilder::default().build().unwrap(), SessionConfig::default());
        assert_eq!(format!("{:?}", built.config()), format!("{default:?}"));
        assert_eq!(default.ttl, Duration::from_secs(1_800));
        assert_eq!((default.max_sessions, default.max_session_bytes, default.shards), (0, 65_536, 64));
        assert_eq!(default.max_attributes, 1_024);
    }

    #[test]
    fn every_setting_reaches_the_store() {
        let builder = SessionStoreBuilder::default().ttl(Duration::from_secs(1)).cookie_name("sid").max_sessions(2);
        let store = builder.max_session_bytes(3).max_attributes(5).shards(4).build().unwrap();
        let config = store.config();
        assert_eq!((config.ttl, config.cookie_name.as_str()), (Duration::from_secs(1), "sid"));
        assert_eq!((config.max_sessions, config.max_session_bytes, config.shards), (2, 3, 4));
        assert_eq!(config.max_attributes, 5);
    }

    #[test]
    fn the_clock_that_is_set_is_the_one_that_is_read() {
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
    fn an_invalid_cookie_name_is_refused_by_build_and_the_last_one_counts() {
        let builder = SessionStoreBuilder::default().cookie_name("a b");
        assert_eq!(builder.clone().build().err(), Some(ConfigError::CookieName(CookieNameError)));
        assert_eq!(builder.cookie_name("ab").build().unwrap().cookie_name(), "ab");
    }
}
