//! The settings of a store: [`SessionConfig`] and the types of its fields. Every value of them is valid.

use crate::attributes::Limits;
use crate::entry::LONGEST_TEXT;
use crate::error::CookieNameError;
use crate::principal::WhenPrincipalFull;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Beyond this number nothing gets faster, and every operation that looks at each shard gets slower: with 65,536
/// shards, `stats` took 3 milliseconds and an empty store took 139 MB.
const MOST_SHARDS: usize = 1 << 10;
const MOST_BYTES: usize = 256 << 20;
const _: () = assert!(MOST_BYTES <= LONGEST_TEXT as usize, "an entry can hold the largest session");

/// Holds the settings of a [`SessionStore`](crate::SessionStore).
///
/// Start from [`default`](Self::default) and change single settings with the methods of the same names, or assign to
/// the fields. Every value is valid, so no store is ever refused for its `SessionConfig`.
/// [`SessionStore::builder`](crate::SessionStore::builder) has the same setters, and also sets the clock and the
/// listener.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionConfig, SessionStore};
/// use std::time::Duration;
///
/// let config = SessionConfig::default().ttl(Duration::from_secs(15 * 60)).cookie_name("__Host-session_id".parse()?);
/// let store = SessionStore::new(config);
/// assert_eq!(store.config().ttl, Duration::from_secs(15 * 60));
/// assert_eq!(store.config().max_sessions, 0);
/// # Ok::<(), cloakroom::CookieNameError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The idle timeout: a session expires when more time than this has passed since its last use, and never earlier.
    /// 30 minutes by default.
    ///
    /// Every operation on the session counts as a use, unless its documentation says that it does not touch the
    /// session. The [OWASP Session Management Cheat Sheet][owasp] calls 15 to 30 minutes common for applications of low
    /// risk, and 2 to 5 minutes for those of high value. The store rounds the time up to whole milliseconds and adds
    /// one step of the clock ([`Clock::resolution`](crate::Clock::resolution)). With [`Duration::MAX`] sessions never
    /// expire.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration
    pub ttl: Duration,
    /// The absolute timeout: a session expires this long after its creation, used or not, unless it was created with an
    /// absolute timeout of its own. `None`, the default, means no absolute timeout.
    ///
    /// It bounds the time for which a stolen id is of use ([OWASP][owasp], ASVS 5 requirement 7.3.2). It is rounded up
    /// like [`ttl`](Self::ttl). With it each session takes 16 more bytes.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#absolute-timeout
    pub absolute_timeout: Option<Duration>,
    /// The name of the cookie that carries the id. `session_id` by default. The store itself neither sets nor reads
    /// cookies.
    pub cookie_name: CookieName,
    /// The most sessions that the store holds, including expired sessions that are not evicted yet. 0, the default,
    /// means no limit but the memory.
    ///
    /// A session takes one place throughout a rotation, even while its former id still forwards to it
    /// ([`Rotation::grace`](crate::Rotation::grace)).
    pub max_sessions: usize,
    /// The most bytes that all sessions together take, including expired sessions that are not evicted yet. 0, the
    /// default, means no limit but the memory.
    ///
    /// Like `max_sessions`, the limit is never exceeded, not for an instant. At the limit a creation, a change that
    /// makes a session larger, and a rotation or login that does, end other sessions or are refused, as
    /// [`when_full`](Self::when_full) says. A change that makes no session larger never fails for it, and neither does
    /// a change of timeouts. [`Stats::counted_bytes`](crate::Stats::counted_bytes) shows the bytes.
    ///
    /// **What counts**: for each session the block of memory of its present version. It holds 56 bytes, the attributes
    /// ([`max_session_bytes`](Self::max_session_bytes) says how they are counted) or the value, 16 bytes for timeouts
    /// (whether the session has its own or not), 20 if it is bound to a principal, and 40 if its id was given to
    /// `insert_with` or it was rotated with a grace. On 64-bit Linux, a block is a multiple of 16 bytes up to 1 KiB,
    /// and up to 50 % larger than its contents up to 16 KiB; otherwise it is a multiple of 8 bytes. A session that
    /// was rotated with a grace also counts 112 bytes, and the size of a value, for its former id, until it is rotated
    /// without a grace or ends. So a session without attributes takes 80 bytes there, and one with 80 bytes of
    /// attributes 160.
    ///
    /// **What does not count**, and how much it is at most:
    ///
    /// * The slots of the table: eight bytes each ([`Stats::slots`](crate::Stats::slots)). Usually 11 to 28 bytes for
    ///   each session, and 64 after many have ended; while a shard grows, its former array as well. An empty store has
    ///   two kilobytes for each [shard](Self::shards).
    /// * Memory that is not freed yet: [`Stats::retired_bytes`](crate::Stats::retired_bytes).
    /// * The new version that each operation in progress makes, one for each thread.
    /// * The index of principals: about 300 bytes for each principal, and 60 for each session bound to it.
    /// * Memory that a value of a [`SessionStore<T>`](crate::SessionStore::typed) owns on the heap. Only the bytes of
    ///   the value itself count.
    /// * What the allocator adds to a block that is not the crate's own ([`Memory`](crate::Memory)), and free blocks
    ///   between blocks in use.
    pub max_bytes: usize,
    /// The most sessions that may be bound to one principal. 0, the default, means no limit.
    ///
    /// The limit is never exceeded, not for an instant. A session that is being rotated counts once. The store checks
    /// this limit before [`max_sessions`](Self::max_sessions) and before it ends any session to make room, so a login
    /// that this limit refuses has ended no session. Without a limit the cost of a login does not depend on how many
    /// sessions the principal has. With a limit of more than 16, a refused login looks at all sessions of the
    /// principal.
    pub max_sessions_per_principal: usize,
    /// What happens to a login at [`max_sessions_per_principal`](Self::max_sessions_per_principal).
    /// [`WhenPrincipalFull::Refuse`] by default.
    pub when_principal_full: WhenPrincipalFull,
    /// What happens to a creation at [`max_sessions`](Self::max_sessions), and to what needs bytes at
    /// [`max_bytes`](Self::max_bytes), if no expired session is found. [`WhenFull::Refuse`] by default.
    pub when_full: WhenFull,
    /// The most bytes that the attributes of one session may take. 64 KiB by default.
    ///
    /// Counted are the keys and values in UTF-8, and two more bytes for each attribute (one more for each key or value
    /// of 64 bytes or more, and again from 4,096, 262,144, 16,777,216 and 1,073,741,824 bytes on). 0 allows only
    /// sessions without attributes. More than 256 MiB counts as 256 MiB.
    pub max_session_bytes: usize,
    /// The most attributes that one session may have. 1,024 by default. 0 means no limit but
    /// [`max_session_bytes`](Self::max_session_bytes): an attribute takes at least two bytes.
    ///
    /// Getting or setting an attribute takes time in proportion to the number of attributes. An application that lets
    /// visitors choose how many attributes a session has lets them choose the cost of its requests.
    pub max_attributes: usize,
    /// The number of shards: the parts, growing independently, into which the store divides its sessions. 64 by
    /// default.
    ///
    /// Rounded up to a power of two, at least 1; more than 1,024 count as 1,024. More of them spread growth and
    /// counting over more threads, but make no lookup faster. An empty shard takes two kilobytes. Operations that look
    /// at each shard take longer: [`stats`](crate::SessionStore::stats), sweeps, and `count` if there is no
    /// `max_sessions`. Beyond 1,024 nothing was measured to get faster.
    pub shards: usize,
    /// Whether the ids of new and rotated sessions are drawn in batches. `true` by default.
    ///
    /// Each call of the operating system's random source then makes eight ids for the calling thread instead of one.
    /// The thread keeps its unused ids in a page of memory that the kernel wipes in a forked child and leaves out of
    /// core dumps. The thread erases each id there when it uses the id, and unmaps the page when it ends. All stores of
    /// the process share the page. It exists only on Linux 4.14 or later; elsewhere each id is one call.
    ///
    /// **Turn it off in a virtual machine that is cloned or restored from a snapshot while the process runs**, unless
    /// the process calls [`SessionId::discard_batches`](crate::SessionId::discard_batches) before it creates a session
    /// there: both copies have the ids that were drawn ahead, and would give them to different sessions.
    pub batch_ids: bool,
}

/// Says what happens to a creation when a store holds [`max_sessions`](SessionConfig::max_sessions), and to an
/// operation that needs bytes when its sessions take [`max_bytes`](SessionConfig::max_bytes): a creation, a change that
/// makes a session larger, a rotation or a login that does.
///
/// Under every policy:
///
/// * Up to 512 sessions are looked at first, in search of an expired session to replace. For bytes, this is repeated as
///   long as it finds some, 64 times at most.
/// * There are never more than `max_sessions`, and they never take more than `max_bytes`, not for an instant.
/// * For bytes, several sessions may end, one after the other, until there is room: at most one for each 72 bytes that
///   the operation needs. A session never ends for its own growth, and none ends for a session that is larger than
///   `max_bytes`. An operation that finds no more sessions to end is refused, although it may have ended some.
/// * A session that is ended to make room ends like a deleted session: at one instant, for good, and with the cause
///   [`Capacity`](crate::RemovalCause::Capacity). A session that is used after it was chosen stays, and another session
///   is chosen.
/// * A creation for which a session of its own principal has ended ([`WhenPrincipalFull::EndIdlest`]) takes the place
///   of that session, and this policy does not apply.
/// * A creation is refused if no session can be ended because all places are reserved by other creations in progress.
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
    /// Refuses the creation: [`CreateError::Full`](crate::CreateError::Full). No user is logged out, but a client that
    /// opens sessions faster than they expire keeps all new users out. At `max_bytes`, refuses what needs more:
    /// `BytesFull` in [`CreateError`](crate::CreateError::BytesFull), [`SetError`](crate::SetError::BytesFull) and
    /// others.
    #[default]
    Refuse,
    /// Ends the idlest session of a sample: the session with the oldest last use, of a sample of at least 32 sessions
    /// (or of all, if there are fewer). Successive samples move through the store. No new user is kept out, but a
    /// client that opens sessions without end logs out every user that is idle.
    EndIdlest,
    /// Ends the idlest session that is bound to no principal, which is a visitor that has not logged in. **Opening
    /// anonymous sessions, however many, ends no session of a user that has logged in.**
    ///
    /// Up to 512 sessions, of a sample that moves through the store, are looked at in search of an unbound session. If
    /// the sample has none, the creation is refused. (A search through all sessions would let one request keep the
    /// server busy for milliseconds.) The same holds for the bytes that an unbound session needs.
    ///
    /// The creation of a session that is itself bound to a principal is not refused: up to 8,192 sessions are looked at
    /// then, and if none of them is unbound, the idlest of them ends. So if more than about one session in a thousand
    /// is unbound, no logged-in user is affected. (The first session that ends for its bytes is searched for like this,
    /// and further ones among 512.) Limit the number of sessions of one user with
    /// [`max_sessions_per_principal`](SessionConfig::max_sessions_per_principal).
    EndUnbound,
}

/// The setters take the setting and return the configuration. Wait-free; none allocates.
impl SessionConfig {
    /// Sets the idle timeout, [`ttl`](#structfield.ttl).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets an [`absolute_timeout`](#structfield.absolute_timeout).
    #[must_use]
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = Some(timeout);
        self
    }

    /// Sets the [`cookie_name`](#structfield.cookie_name).
    #[must_use]
    pub fn cookie_name(mut self, name: CookieName) -> Self {
        self.cookie_name = name;
        self
    }

    /// Sets [`max_sessions`](#structfield.max_sessions), 0 for no limit.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets [`max_bytes`](#structfield.max_bytes), the bytes of all sessions together, 0 for no limit.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`max_sessions_per_principal`](#structfield.max_sessions_per_principal), 0 for no limit.
    #[must_use]
    pub fn max_sessions_per_principal(mut self, sessions: usize) -> Self {
        self.max_sessions_per_principal = sessions;
        self
    }

    /// Sets the policy [`when_principal_full`](#structfield.when_principal_full).
    #[must_use]
    pub fn when_principal_full(mut self, policy: WhenPrincipalFull) -> Self {
        self.when_principal_full = policy;
        self
    }

    /// Sets the policy [`when_full`](#structfield.when_full).
    #[must_use]
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }

    /// Sets [`max_session_bytes`](#structfield.max_session_bytes).
    #[must_use]
    pub fn max_session_bytes(mut self, bytes: usize) -> Self {
        self.max_session_bytes = bytes;
        self
    }

    /// Sets [`max_attributes`](#structfield.max_attributes), 0 for no limit.
    #[must_use]
    pub fn max_attributes(mut self, attributes: usize) -> Self {
        self.max_attributes = attributes;
        self
    }

    /// Sets the number of [`shards`](#structfield.shards).
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Sets whether ids are drawn in batches, [`batch_ids`](#structfield.batch_ids).
    #[must_use]
    pub fn batch_ids(mut self, batched: bool) -> Self {
        self.batch_ids = batched;
        self
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.clamp(1, MOST_SHARDS).next_power_of_two()
    }

    pub(crate) fn limits(&self) -> Limits {
        let count = if self.max_attributes == 0 { usize::MAX } else { self.max_attributes };
        Limits { count, bytes: self.max_session_bytes.min(MOST_BYTES) }
    }
}

impl Default for SessionConfig {
    /// Returns 30 minutes, `session_id`, no limit on sessions and their bytes, 64 KiB and 1,024 attributes for each, 64
    /// shards, and ids drawn in batches.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30 * 60),
            absolute_timeout: None,
            cookie_name: CookieName::default(),
            max_sessions: 0,
            max_bytes: 0,
            max_sessions_per_principal: 0,
            when_principal_full: WhenPrincipalFull::default(),
            when_full: WhenFull::default(),
            max_session_bytes: 64 * 1024,
            max_attributes: 1_024,
            shards: 64,
            batch_ids: true,
        }
    }
}

/// Names a cookie: a token of 1 to 256 bytes.
///
/// [RFC 6265, section 4.1.1] defines a token: ASCII letters, digits and ``!#$%&'*+-.^_`|~``. So a name contains nothing
/// that could end it in a header. Browsers drop a cookie if its name and value together exceed 4,096 bytes (RFC
/// 6265bis); a limit of 256 bytes leaves room for the id.
///
/// Names that begin with `__Host-` or `__Secure-` are tokens too. RFC 6265bis has browsers refuse such a cookie if it
/// was not set securely, so `__Host-session_id` is a good choice for a site on one host.
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

/// Whether RFC 2616, section 2.2, to which RFC 6265 refers, allows the byte in a `token`: any ASCII character except
/// controls and separators.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The characters of a token as RFC 9110, section 5.6.2, lists them.
    fn is_token_character(c: char) -> bool {
        c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
    }

    #[test]
    fn one_character_is_a_name_if_it_is_a_token_character() {
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
        fn a_name_of_token_characters_is_valid(name in "[!-~]{1,4}|.{1,4}|[a-z]{1,4}[^a-z][a-z]{0,4}") {
            let valid = name.chars().all(is_token_character);
            prop_assert_eq!(name.parse::<CookieName>().is_ok(), valid);
            prop_assert_eq!(CookieName::try_from(&*name).is_ok(), valid);
            prop_assert_eq!(CookieName::try_from(name).is_ok(), valid);
        }
    }

    #[test]
    fn a_name_keeps_its_case() {
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
            assert_eq!(SessionConfig::default().shards(shards).shard_count(), count, "{shards}");
        }
    }

    #[test]
    fn a_size_limit_above_the_maximum_counts_as_the_maximum() {
        for (bytes, limit) in [(0, 0), (65_536, 65_536), (268_435_457, 268_435_456), (usize::MAX, 268_435_456)] {
            let config = SessionConfig::default().max_session_bytes(bytes);
            assert_eq!(config.limits().bytes, limit);
        }
    }

    #[test]
    fn a_limit_of_zero_attributes_means_no_limit() {
        for (attributes, limit) in [(0, usize::MAX), (1, 1), (1_024, 1_024), (usize::MAX, usize::MAX)] {
            let config = SessionConfig::default().max_attributes(attributes);
            assert_eq!(config.limits().count, limit);
        }
    }
}
