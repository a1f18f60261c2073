//! Audiences: which of several applications on one store accepts the ids of a session.

use core::fmt;
use sha2::{Digest, Sha256};

/// Names the application that accepts the ids of a session, if several applications share a store.
///
/// The session carries its audience from its creation on, and keeps it when it gets another id. The store only tells it
/// ([`SessionStore::ticket`](crate::SessionStore::ticket)); each application compares it with its own, as the layer
/// of `cloakroom-tower` does. A client cannot change it.
///
/// Two audiences are equal if their names are equal. A name of up to 15 bytes is kept unchanged, of a longer one 120
/// bits of its SHA-256. `Debug` shows neither.
///
/// # Examples
///
/// ```
/// use cloakroom::{Audience, SessionStore};
///
/// let store = SessionStore::default();
/// let (site, admin) = (Audience::new("site"), Audience::new("admin"));
/// let id = store.new_session().audience(admin).create()?;
/// assert_eq!(store.ticket(&id).and_then(|ticket| ticket.audience), Some(admin));
/// assert_ne!(admin, site);
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Audience([u8; 16]);

/// The longest name that is kept unchanged.
const LONGEST_NAME: usize = 15;
/// Stands in place of the length for a name of which the SHA-256 is kept.
const DIGEST: u8 = 0xff;

impl Audience {
    /// Makes the audience with this name.
    ///
    /// Wait-free. Allocates nothing.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let mut key = [0; 16];
        if name.len() <= LONGEST_NAME {
            // Never zero, which stands for no audience.
            key[0] = name.len() as u8 + 1;
            key[1..=name.len()].copy_from_slice(name);
        } else {
            key.copy_from_slice(&Sha256::digest(name)[..16]);
            key[0] = DIGEST;
        }
        Self(key)
    }

    /// Makes the audience that [`to_bytes`](Self::to_bytes) has written. `None` for zeros, which no audience has.
    ///
    /// Wait-free; allocates nothing.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Self::from_key(bytes)
    }

    /// Returns the audience in 16 bytes, to keep it elsewhere. They contain a name of up to 15 bytes.
    ///
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Audience;
    ///
    /// let site = Audience::new("site");
    /// assert_eq!(Audience::from_bytes(site.to_bytes()), Some(site));
    /// ```
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The audience of a ticket.
    pub(crate) fn from_key(key: [u8; 16]) -> Option<Self> {
        (key != [0; 16]).then_some(Self(key))
    }

    pub(crate) fn key(self) -> [u8; 16] {
        self.0
    }
}

/// Hides the name.
impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audience(..)")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_give_different_audiences() {
        let names: Vec<_> = (0..40).map(|length| "a".repeat(length)).chain(["\0".repeat(3), "\0".repeat(4)]).collect();
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                assert_ne!(Audience::new(one), Audience::new(other), "{} {}", one.len(), other.len());
            }
            assert_eq!(Audience::from_key(Audience::new(one).key()), Some(Audience::new(one)));
        }
        assert_eq!(Audience::from_key([0; 16]), None);
    }
}
