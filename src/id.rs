//! Session ids: 32 random bytes inside, 64 hex digits outside.
//!
//! Whoever knows the id of a session has the session, so an id is treated as a secret: it comes from the operating
//! system's randomness, is compared in constant time, and shows in no debug output and no error. The digits come out
//! only where they are asked for, through [`Display`](core::fmt::Display), [`SessionId::hex`] or serde.

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
/// The [OWASP Session Management Cheat Sheet][owasp] asks for at least 64 bits of entropy from a cryptographically
/// secure generator and for an id that means nothing; this one has 256 and means nothing.
///
/// As text an id is exactly 64 hex digits: written in lower case, read in either, with nothing before, between or after
/// them. Comparing two ids takes the same time wherever they differ. `Debug` shows no digit.
///
/// Every operation is wait-free and allocates nothing, but for [`random`](Self::random), which asks the operating
/// system.
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
    /// Makes a new id from 32 bytes of the operating system's randomness.
    ///
    /// Each id is a call of its own: bytes kept for later would be handed out twice once the process forks.
    ///
    /// May block, but only early in the life of the machine, until the system has gathered entropy. Allocates nothing.
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

    pub(crate) fn random_from(
        fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<Self, RandomError> {
        let mut bytes = [0; SESSION_ID_LEN];
        fill(&mut bytes).map_err(RandomError::new)?;
        Ok(Self(bytes))
    }

    /// Takes 32 bytes for an id. They are as hard to guess as the caller has made them.
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

    /// Returns the 32 bytes. They are the secret itself: comparing them with `==` is not done in constant time.
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

    /// Writes the id as 64 lower-case hex digits, without allocating.
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

/// In constant time.
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
        // The length first: const-hex would skip an `0x`, which with 64 digits after it is too long here, and with 62
        // too short there.
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

/// Holds the 64 lower-case hex digits of a [`SessionId`] without an allocation; it is a `str` to whoever reads it.
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

#[cfg(feature = "serde")]
mod serde_as_hex {
    use super::{ParseIdError, SessionId};
    use core::fmt;
    use serde::de::{Deserialize, Deserializer, Error, Visitor};
    use serde::ser::{Serialize, Serializer};

    /// Writes the 64 hex digits as a string, in every format.
    impl Serialize for SessionId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&self.hex())
        }
    }

    /// Reads 64 hex digits of either case from a string. The error of a string that is no id does not contain the
    /// string.
    impl<'de> Deserialize<'de> for SessionId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(HexVisitor)
        }
    }

    struct HexVisitor;

    impl Visitor<'_> for HexVisitor {
        type Value = SessionId;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a session id of 64 hex digits")
        }

        // Not `invalid_value`, which quotes the string.
        fn visit_str<E: Error>(self, text: &str) -> Result<SessionId, E> {
            text.parse().map_err(|error: ParseIdError| E::custom(error))
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, RandomState};

    const ODD: [&str; 4] = ["", "0x", "g", " "];

    fn refused(text: &str) -> bool {
        text.parse::<SessionId>() == Err(ParseIdError) && SessionId::try_from(text) == Err(ParseIdError)
    }

    #[test]
    fn a_source_that_fails_makes_no_id() {
        let failing = |_: &mut [u8]| Err(getrandom::Error::UNEXPECTED);
        assert_eq!(SessionId::random_from(failing), Err(RandomError::new(getrandom::Error::UNEXPECTED)));
    }

    #[test]
    fn all_bytes_of_an_id_come_from_the_source() {
        let counting = |bytes: &mut [u8]| {
            assert_eq!(bytes.len(), SESSION_ID_LEN);
            bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
            Ok(())
        };
        let id = SessionId::random_from(counting).unwrap();
        assert!(id.as_bytes().iter().copied().eq(1..=32));
    }

    #[test]
    fn random_ids_differ() {
        let ids: HashSet<_> = (0..1_000).map(|_| SessionId::random().unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn a_prefix_is_refused() {
        for digits in [60, 61, 62, 63, 64] {
            assert!(refused(&format!("0x{}", "a".repeat(digits))), "{digits}");
            assert!(refused(&format!("0X{}", "a".repeat(digits))), "{digits}");
        }
    }

    #[test]
    fn a_digit_too_few_or_too_many_is_refused() {
        assert!(!refused(&"a".repeat(64)));
        for digits in [0, 1, 32, 62, 63, 65, 66, 128] {
            assert!(refused(&"a".repeat(digits)), "{digits}");
        }
    }

    #[test]
    fn anything_around_or_between_the_digits_is_refused() {
        for odd in ["\n", " ", "\0", "\"", "+", "-", "ä", "\u{ff11}"] {
            for digits in [64, 64 - odd.len()] {
                for at in 0..=digits {
                    let mut text = "a".repeat(digits);
                    text.insert_str(at, odd);
                    assert!(refused(&text), "{odd:?} at {at} of {digits}");
                }
            }
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let id = SessionId::from_bytes([0x11; 32]);
        assert_eq!(format!("{id:?} {:?}", id.hex()), "SessionId(..) HexId(..)");
        assert_eq!(format!("{id:#?} {:#?}", id.hex()), "SessionId(..) HexId(..)");
    }

    #[test]
    fn digits_can_be_padded() {
        let id = SessionId::from_bytes([0x11; 32]);
        assert_eq!(format!("{id:>66}|{:<66}", id.hex()), format!("  {0}|{0}  ", "1".repeat(64)));
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_oracle(bytes: [u8; 32]) {
            let id = SessionId::from_bytes(bytes);
            let oracle = hex::encode(bytes);
            let digits = id.hex();
            prop_assert_eq!([digits.as_str(), &*digits, digits.as_ref()], [&*oracle; 3]);
            prop_assert_eq!([id.to_string(), digits.to_string()], [oracle.clone(), oracle]);
        }

        #[test]
        fn digits_of_either_case_are_read_back(bytes: [u8; 32], upper: u64) {
            let mixed: String = hex::encode(bytes)
                .char_indices()
                .map(|(at, digit)| if upper >> at & 1 == 1 { digit.to_ascii_uppercase() } else { digit })
                .collect();
            prop_assert_eq!(mixed.parse(), Ok(SessionId::from_bytes(bytes)));
            prop_assert_eq!(SessionId::try_from(&*mixed), Ok(SessionId::from_bytes(bytes)));
        }

        #[test]
        fn arbitrary_text_is_read_as_the_oracle_reads_it(
            text: String,
            odd in prop::sample::select(&ODD[..]),
            digits in "[0-9a-fA-F]{62,66}",
        ) {
            for text in [text, format!("{odd}{digits}"), format!("{digits}{odd}"), digits] {
                let oracle = <[u8; 32]>::try_from(hex::decode(&text).unwrap_or_default()).ok();
                prop_assert_eq!(text.parse::<SessionId>().ok(), oracle.map(SessionId::from_bytes));
            }
        }

        #[test]
        fn one_wrong_byte_among_64_is_refused(bytes: [u8; 32], at in 0..64_usize, wrong in 0..128_u8) {
            prop_assume!(!wrong.is_ascii_hexdigit());
            let mut digits = hex::encode(bytes).into_bytes();
            digits[at] = wrong;
            prop_assert!(refused(core::str::from_utf8(&digits).unwrap()));
        }

        #[test]
        fn ids_are_equal_only_if_all_bits_are(bytes: [u8; 32], bit in 0..256_usize) {
            let id = SessionId::from_bytes(bytes);
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(id == SessionId::from_bytes(bytes));
            prop_assert!(id != SessionId::from_bytes(flipped));
            let state = RandomState::new();
            prop_assert_eq!(state.hash_one(id), state.hash_one(SessionId::from_bytes(bytes)));
            prop_assert_ne!(state.hash_one(id), state.hash_one(SessionId::from_bytes(flipped)));
        }
    }

    #[cfg(feature = "serde")]
    mod serde_as_hex {
        use super::*;
        use serde::de::value::{BorrowedStrDeserializer, Error, StrDeserializer, StringDeserializer};
        use serde::de::{Deserialize, IntoDeserializer};

        #[test]
        fn json_is_the_digits_in_quotes() {
            let id = SessionId::from_bytes([0xab; 32]);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, format!("\"{}\"", "ab".repeat(32)));
            assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
        }

        #[test]
        fn borrowed_passing_and_owned_strings_are_read() {
            let (id, digits) = (SessionId::from_bytes([0xab; 32]), "AB".repeat(32));
            let borrowed: BorrowedStrDeserializer<'_, Error> = BorrowedStrDeserializer::new(&digits);
            let passing: StrDeserializer<'_, Error> = digits.as_str().into_deserializer();
            let owned: StringDeserializer<Error> = digits.clone().into_deserializer();
            assert_eq!(SessionId::deserialize(borrowed), Ok(id));
            assert_eq!(SessionId::deserialize(passing), Ok(id));
            assert_eq!(SessionId::deserialize(owned), Ok(id));
        }

        #[test]
        fn what_is_no_string_is_told_what_is_expected() {
            let error = serde_json::from_str::<SessionId>("7").unwrap_err().to_string();
            assert!(error.contains("expected a session id of 64 hex digits"), "{error}");
        }

        #[test]
        fn errors_do_not_contain_the_string() {
            for text in [format!("x{}", "7".repeat(63)), "7".repeat(63), "secret".to_owned(), String::new()] {
                let error = serde_json::from_str::<SessionId>(&format!("\"{text}\"")).unwrap_err().to_string();
                assert!(error.starts_with("a session id is 64 hex digits and nothing else"), "{error}");
                assert!(!error.contains("77") && !error.contains("secret"), "{error}");
            }
        }
    }
}
