//! An id as a string of 64 hex digits, in every format of serde.

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

/// Reads 64 hex digits of either case from a string. If the string is not an id, the error does not contain it.
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

#[cfg(all(test, not(loom)))]
mod tests {
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
