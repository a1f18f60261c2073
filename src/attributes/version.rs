//! Which version of a session is meant, and an owned copy of one.

use super::Attributes;
use core::fmt;
use core::ops::Deref;

/// Names one version of a session: two are equal if nothing was changed in between.
///
/// Whatever changes a session makes a new version of it: its attributes, its timeouts, its id. A touch does not, nor
/// does a `set` of the value that is there already. A version says nothing of any session but the one that it was asked
/// of, and there is no order among them: after 2^32 changes they come round.
///
/// Made by [`SessionStore::version`](crate::SessionStore::version) and [`Snapshot::version`], for
/// [`set_if`](crate::SessionStore::set_if) and [`update_if`](crate::SessionStore::update_if).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u32);

impl Version {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// That of the version that replaces this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A copy of a session's attributes, all of one version, that can be kept. Made by
/// [`SessionStore::snapshot`](crate::SessionStore::snapshot).
///
/// It is a single allocation, of the packed form in which the session holds them, and reads like [`Attributes`].
/// `Debug` shows how many there are, and neither keys nor values.
///
/// # Examples
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
/// let snapshot = store.snapshot(&id).expect("the session is live");
/// store.set(&id, "role", "none")?;
/// // As it was, across an `.await` and on any thread:
/// assert_eq!(snapshot.get("role"), Some("admin"));
/// assert!(snapshot.iter().eq([("user", "ada"), ("role", "admin")]));
/// assert_ne!(store.version(&id), Some(snapshot.version()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    packed: Box<str>,
    version: Version,
}

impl Snapshot {
    pub(crate) fn of(attributes: &Attributes, version: Version) -> Self {
        Self { packed: attributes.packed.into(), version }
    }

    /// Returns which version this is a copy of.
    #[inline]
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }
}

impl Deref for Snapshot {
    type Target = Attributes;

    #[inline]
    fn deref(&self) -> &Attributes {
        Attributes::from_packed(&self.packed)
    }
}

impl AsRef<Attributes> for Snapshot {
    #[inline]
    fn as_ref(&self) -> &Attributes {
        self
    }
}

/// Shows the number of attributes and the version only.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("len", &self.len()).field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn versions_come_round_after_the_last() {
        assert_eq!(Version::new(u32::MAX).next(), Version::new(0));
        assert_ne!(Version::new(7).next(), Version::new(7));
    }
}
