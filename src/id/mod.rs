//! Session ids: 32 random bytes inside, 64 hex digits outside.
//!
//! A session id is the only credential of its session, so the crate treats it as a secret. The bytes come from the
//! operating system's random source. Two ids are compared in constant time. No debug output and no error shows a digit.
//! The digits are written only by [`Display`](core::fmt::Display), [`SessionId::hex`] and serde.
//!
//! | file | what it has |
//! |---|---|
//! | `mod.rs` | [`SessionId`], and its digits, [`HexId`] |
//! | `batch.rs` | ids drawn ahead, and why no id is drawn twice |
//! | `page.rs` | the memory for unused ids: the only unsafe code here |
//! | `none.rs` | replaces `batch` and `page` on systems without such memory |
//! | `serde_as_hex.rs` | the traits of serde |

#[cfg_attr(not(all(target_os = "linux", not(any(miri, loom, shuttle)))), path = "none.rs")]
mod batch;
#[cfg(all(target_os = "linux", not(any(miri, loom, shuttle))))]
#[allow(unsafe_code, reason = "it maps memory, and reads and writes it by its address")]
mod page;
#[cfg(feature = "serde")]
mod serde_as_hex;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::error::{ParseIdError, RandomError};
use constant_time_eq::constant_time_eq_32;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::str::FromStr;

/// The length of a session id in bytes.
pub const SESSION_ID_LEN: usize = 32;

/// The length of a session id in hex digits.
pub const SESSION_ID_HEX_LEN: usize = 2 * SESSION_ID_LEN;

/// Names a session: 256 bits that nobody can guess.
///
/// The [OWASP Session Management Cheat Sheet][owasp] asks for an id that has at least 64 bits of entropy from a
/// cryptographically secure generator, and that has no meaning. This one has 256 bits, and no meaning.
///
/// As text, an id is exactly 64 hex digits. They are written in lower case and read in either case; no other character
/// is accepted before, between or after them. A comparison of two ids takes the same time wherever the ids differ.
/// `Debug` shows no digit.
///
/// Every operation is wait-free and allocates nothing, except that [`random`](Self::random) calls the operating system.
///
/// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
///
/// # Examples
///
/// ```
/// use cloakroom::SessionId;
///
/// let id = SessionId::random()?;
/// let cookie = format!("session_id={id}; Path=/; HttpOnly; Secure; SameSite=Lax");
/// assert_eq!(cookie[11..75].parse(), Ok(id));
/// assert_eq!(format!("{id:?}"), "SessionId(..)");
/// # Ok::<(), cloakroom::RandomError>(())
/// ```
#[derive(Clone, Copy)]
pub struct SessionId([u8; SESSION_ID_LEN]);

impl SessionId {
    /// Makes a new id from 32 bytes of the operating system's random source.
    ///
    /// Each call of this function calls the random source, and nothing is kept for later. The store draws its own ids
    /// in batches, unless [`batch_ids`](crate::SessionConfig::batch_ids) says otherwise.
    ///
    /// The call may block early in the life of the machine, until the system has gathered entropy. It allocates
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the operating system gives no random bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionId;
    ///
    /// assert_ne!(SessionId::random()?, SessionId::random()?);
    /// # Ok::<(), cloakroom::RandomError>(())
    /// ```
    pub fn random() -> Result<Self, RandomError> {
        Self::random_from(getrandom::fill)
    }

    /// Discards the ids that the stores of this process have drawn ahead and not used.
    ///
    /// For a virtual machine that is cloned, or restored from a snapshot, while this process runs: both copies have
    /// the ids that were drawn ahead, and would give them to different sessions. **Call this in each copy after it has
    /// resumed, and before it creates a session.** Where the program is not told of such an event in time, turn
    /// [`batch_ids`](crate::SessionConfig::batch_ids) off. The same holds for a process that is restored from a
    /// checkpoint more than once. A `fork` needs no call: the kernel wipes the batches of the child.
    ///
    /// An operation that begins after this call has returned uses no id that was drawn before the call. This concerns
    /// all threads, and the calling process only. An operation that is in progress meanwhile may use such an id.
    ///
    /// Wait-free: it raises one counter, which each draw reads. It allocates nothing. Where ids are not drawn in
    /// batches it has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionId, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let before = store.create()?;
    /// // ... the machine has been restored from a snapshot:
    /// SessionId::discard_batches();
    /// assert_ne!(store.create()?, before);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn discard_batches() {
        batch::discard();
    }

    /// Draws an id for a store: out of the thread's batch if `batched`, or else by a call of its own.
    pub(crate) fn draw(batched: bool) -> Result<Self, RandomError> {
        if batched { batch::draw() } else { Self::random() }
    }

    pub(crate) fn random_from(
        fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<Self, RandomError> {
        let mut bytes = [0; SESSION_ID_LEN];
        fill(&mut bytes).map_err(RandomError::new)?;
        Ok(Self(bytes))
    }

    /// Makes an id from 32 bytes of the caller's, which must be as hard to guess as those of [`random`](Self::random).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionId;
    ///
    /// assert!(SessionId::from_bytes([0xab; 32]).hex().starts_with("abab"));
    /// ```
    #[inline]
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SESSION_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes. They are the secret itself, and `==` does not compare them in constant time.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionId;
    ///
    /// let id = SessionId::random()?;
    /// assert_eq!(SessionId::from_bytes(*id.as_bytes()), id);
    /// # Ok::<(), cloakroom::RandomError>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SESSION_ID_LEN] {
        &self.0
    }

    /// Returns the id as 64 lower-case hex digits, without an allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SESSION_ID_HEX_LEN, SessionId};
    ///
    /// let hex = SessionId::from_bytes([0xab; 32]).hex();
    /// assert_eq!(hex.as_str(), "ab".repeat(32));
    /// assert_eq!(hex.len(), SESSION_ID_HEX_LEN);
    /// ```
    #[inline]
    #[must_use]
    pub fn hex(&self) -> HexId {
        let mut digits = const_hex::Buffer::new();
        digits.format(&self.0);
        HexId(digits)
    }
}

/// Compares in constant time.
impl PartialEq for SessionId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq_32(&self.0, &other.0)
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Shows no digit.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// Shows the 64 digits, lower case.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.hex())
    }
}

/// Reads exactly 64 hex digits of either case.
///
/// Wait-free; allocates nothing.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionId;
///
/// let id: SessionId = "AB".repeat(32).parse()?;
/// assert_eq!(id, SessionId::from_bytes([0xab; 32]));
/// assert!(format!("0x{}", "ab".repeat(31)).parse::<SessionId>().is_err());
/// # Ok::<(), cloakroom::ParseIdError>(())
/// ```
impl FromStr for SessionId {
    type Err = ParseIdError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // The length is checked first, because const-hex skips an `0x`. With 64 digits after it, the text is too long
        // here; with 62, it is too short for const-hex.
        let digits: &[u8; SESSION_ID_HEX_LEN] = text.as_bytes().try_into().map_err(|_| ParseIdError)?;
        const_hex::decode_to_array(digits).map(Self).map_err(|_| ParseIdError)
    }
}

/// Reads exactly 64 hex digits of either case, as `FromStr` does.
impl TryFrom<&str> for SessionId {
    type Error = ParseIdError;

    #[inline]
    fn try_from(text: &str) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

/// Holds the 64 lower-case hex digits of a [`SessionId`] without an allocation, and dereferences to a `str`.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionId;
///
/// let hex = SessionId::from_bytes([0x5a; 32]).hex();
/// let mut cookie = String::from("session_id=");
/// cookie.push_str(&hex);
/// assert!(cookie.ends_with("=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"));
/// assert_eq!(format!("{hex:?}"), "HexId(..)");
/// ```
#[derive(Clone)]
pub struct HexId(const_hex::Buffer<SESSION_ID_LEN>);

impl HexId {
    /// Returns the 64 digits.
    #[inline]
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for HexId {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for HexId {
    #[inline]
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Shows the 64 digits.
impl fmt::Display for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

/// Shows no digit.
impl fmt::Debug for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexId(..)")
    }
}
