//! The names of sessions and principals in the engine: hashes, so that it knows no id.
//!
//! | key | holds |
//! |---|---|
//! | `{prefix}:s:` SHA-256 of the id | a session's [record](crate::record) |
//! | `{prefix}:r:` SHA-256 of the id | for a while: that the id leads to another session, was replaced or logged out |
//! | `{prefix}:p:` SHA-256 of the principal | its generation, in decimal digits, and the name of the last operation that raised it |
//! | `{prefix}:i:` SHA-256 of the principal | the set of the hashes of its sessions |

use cloakroom::{Principal, SessionId};
use sha2::{Digest, Sha256};

/// The SHA-256 of an id or of a principal.
pub(crate) type Hash = [u8; 32];

pub(crate) fn of_session(id: &SessionId) -> Hash {
    Sha256::digest(id.as_bytes()).into()
}

pub(crate) fn of_principal(principal: &Principal) -> Hash {
    Sha256::digest(principal.to_bytes()).into()
}

pub(crate) fn session_key(prefix: &[u8], hash: &[u8]) -> Vec<u8> {
    [prefix, b":s:", hash].concat()
}

pub(crate) fn generation_key(prefix: &[u8], owner: &Hash) -> Vec<u8> {
    [prefix, b":p:", owner.as_slice()].concat()
}

/// What the engine has declared to have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Session(Hash),
    Principal(Hash),
    /// A key that nothing near depends on.
    Other,
}

impl Changed {
    pub(crate) fn of(prefix: &[u8], key: &[u8]) -> Self {
        let Some(rest) = key.strip_prefix(prefix) else { return Self::Other };
        let Some((kind, hash)) = rest.split_first_chunk() else { return Self::Other };
        match (kind, Hash::try_from(hash)) {
            (b":s:", Ok(hash)) => Self::Session(hash),
            (b":p:", Ok(hash)) => Self::Principal(hash),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_session_a_principal_or_nothing_near() {
        let key = |kind: &str, hash: &[u8]| [b"cr:", kind.as_bytes(), b":", hash].concat();
        assert_eq!(Changed::of(b"cr", &key("s", &[7; 32])), Changed::Session([7; 32]));
        assert_eq!(Changed::of(b"cr", &key("p", &[7; 32])), Changed::Principal([7; 32]));
        for other in [key("i", &[7; 32]), key("s", &[7; 31]), b"cr".to_vec(), b"dr:s:".to_vec()] {
            assert_eq!(Changed::of(b"cr", &other), Changed::Other);
        }
    }

    #[test]
    fn hashes_do_not_show_what_they_are_of() {
        let id = SessionId::from_bytes([7; 32]);
        assert_ne!(&of_session(&id), id.as_bytes());
        assert!(!of_principal(&Principal::new("ada")).windows(3).any(|three| three == b"ada"));
    }
}
