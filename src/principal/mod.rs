//! Principals: the users, accounts or devices to which sessions are bound, and the [`index`] of their sessions.

pub(crate) mod index;

use crate::entry::Key;
use core::fmt;
use sha2::{Digest, Sha256};

/// Names the user, account or device to which sessions are bound.
///
/// The name is the bytes by which the application knows the principal. Two principals are equal if their bytes are
/// equal. A name of up to 31 bytes is kept unchanged, a longer one as its SHA-256. `Debug` shows neither.
///
/// # Examples
///
/// ```
/// use cloakroom::Principal;
///
/// let ada = Principal::new("ada@example.com");
/// assert_eq!(ada, Principal::new(b"ada@example.com"));
/// assert_ne!(ada, Principal::new("eve@example.com"));
/// assert_ne!(Principal::new(42_u64.to_le_bytes()), Principal::new("42"));
/// assert_eq!(format!("{ada:?}"), "Principal(..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal(Key);

/// The longest name that is kept unchanged.
const LONGEST_NAME: usize = size_of::<Key>() - 1;
/// Stands in place of the length for a name that is kept as its SHA-256.
const DIGEST: u8 = 0xff;

impl Principal {
    /// Makes the principal with this name.
    ///
    /// Wait-free. Allocates nothing.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let mut key = [0; size_of::<Key>()];
        if name.len() <= LONGEST_NAME {
            key[0] = name.len() as u8;
            key[1..=name.len()].copy_from_slice(name);
        } else {
            key.copy_from_slice(&Sha256::digest(name));
            key[0] = DIGEST;
        }
        Self(key)
    }

    /// Makes the principal that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// Wait-free; allocates nothing.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the principal in 32 bytes, to keep it elsewhere. They contain a name of up to 31 bytes.
    ///
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Principal;
    ///
    /// let ada = Principal::new("ada");
    /// assert_eq!(Principal::from_bytes(ada.to_bytes()), ada);
    /// ```
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn from_key(key: Key) -> Self {
        Self(key)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0
    }
}

/// Hides the name.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal(..)")
    }
}

/// Chooses what happens to a login when its principal has
/// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal) sessions.
///
/// A login is a creation with a [`principal`](crate::NewSession::principal), or [`bind`](crate::SessionStore::bind) or
/// [`login`](crate::SessionStore#method.login) of a session that is not bound to the principal yet.
///
/// # Examples
///
/// ```
/// use cloakroom::{Principal, SessionStore, WhenPrincipalFull};
///
/// let store = SessionStore::builder()
///     .max_sessions_per_principal(2)
///     .when_principal_full(WhenPrincipalFull::EndIdlest)
///     .build()?;
/// let ada = Principal::new("ada");
/// let [_, tablet, phone] = [(); 3].map(|()| store.new_session().principal(ada).create());
/// assert_eq!(store.sessions_of(&ada), [tablet?, phone?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenPrincipalFull {
    /// Refuses the login: [`CreateError::PrincipalFull`](crate::CreateError::PrincipalFull),
    /// [`BindError::PrincipalFull`](crate::BindError::PrincipalFull). No session has ended.
    #[default]
    Refuse,
    /// Ends the principal's session that has been idle for the longest time, with the cause
    /// [`PrincipalLimit`](crate::RemovalCause::PrincipalLimit). A session that is used after it was chosen survives,
    /// and another one is chosen. A session that is created for the principal gets the place of the ended one, so no
    /// session of another principal ends for it. The login is refused only if all of the principal's sessions are being
    /// created or rotated at that very time.
    EndIdlest,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_that_differ_in_length_or_bytes_are_different_principals() {
        let mut names: Vec<Vec<u8>> = (0..=70).map(|len| vec![0; len]).collect();
        names.extend((0..=70).map(|len| vec![0xff; len]).filter(|name| !name.is_empty()));
        names.extend((1..=70).map(|len| [vec![0; len - 1], vec![1]].concat()));
        let principals: HashSet<_> = names.iter().map(Principal::new).collect();
        assert_eq!(principals.len(), names.len());
    }

    #[test]
    fn a_name_of_31_bytes_is_kept_and_one_of_32_is_not() {
        let name = "abcdefghijklmnopqrstuvwxyz01234";
        assert_eq!(Principal::new(name).key()[1..], *name.as_bytes());
        let longer = format!("{name}5");
        assert!(!Principal::new(&longer).key().windows(4).any(|bytes| bytes == b"abcd"));
        assert_eq!(Principal::new(&longer).key()[0], DIGEST);
    }
}
