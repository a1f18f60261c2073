//! The attributes of every session: 80 bytes of keys and values.

/// A user, a role, and a token of 32 bytes in base64.
pub const ATTRIBUTES: [(&str, &str); 3] =
    [("user_id", "1844674407"), ("role", "editor"), ("csrf_token", "Zm9yZ2VyaWVzLXN0b3AtaGVyZS10b2RheS1hbmQtYWw")];

/// The attribute that the rows `get` and `read` ask for.
pub const READ_KEY: &str = "user_id";

/// The attribute that the rows set, and its values in turn, so that every set changes the value.
pub const WRITTEN_KEY: &str = "role";
pub const WRITTEN_VALUES: [&str; 2] = ["author", "editor"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_eighty_bytes() {
        assert_eq!(ATTRIBUTES.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>(), 80);
    }
}
