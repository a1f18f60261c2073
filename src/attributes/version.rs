//! The name of a version of a session, and an owned copy of a version.

use super::Attributes;
use crate::memory::Text;
use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;

/// Names one version of a session: two versions of a session are equal if nothing was changed in between.
///
/// A change of the attributes, the timeouts or the id makes a new version. A touch does not, and neither does a `set`
/// of the present value. Versions of different sessions cannot be compared. Versions have no order, because they wrap
/// around after 2^32 changes.
///
/// Made by [`SessionStore::version`](crate::SessionStore::version) and [`Snapshot::version`], for
/// [`set_if`](crate::SessionStore::set_if) and [`update_if`](crate::SessionStore::update_if).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u32);

impl Version {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The name of the version that replaces this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Holds an owned copy of a session's attributes, all of one version. Made by
/// [`SessionStore::snapshot`](crate::SessionStore::snapshot).
///
/// It is in the packed form of the session: a single allocation, or none if it takes no more than 134 bytes, which are
/// in the snapshot itself then. It has the methods of [`Attributes`], which are wait-free and allocate nothing. `Debug`
/// shows the number of attributes and the version, and neither keys nor values.
///
/// # Examples
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
/// let snapshot = store.snapshot(&id).expect("the session is live");
/// store.set(&id, "role", "none")?;
/// // Unchanged, also across an `.await` and on any thread:
/// assert_eq!(snapshot.get("role"), Some("admin"));
/// assert!(snapshot.iter().eq([("user", "ada"), ("role", "admin")]));
/// assert_ne!(store.version(&id), Some(snapshot.version()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    packed: Text,
    version: Version,
}

impl Snapshot {
    pub(crate) fn of(attributes: &Attributes, version: Version) -> Self {
        Self { packed: Text::new(&attributes.packed), version }
    }

    pub(crate) fn at(self, version: Version) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn packed(&self) -> &str {
        self.packed.as_str()
    }

    /// Returns the version that this is a copy of.
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
        Attributes::from_packed(self.packed.as_str())
    }
}

impl Borrow<Attributes> for Snapshot {
    #[inline]
    fn borrow(&self) -> &Attributes {
        self
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
    fn a_snapshot_has_the_size_that_is_said() {
        assert_eq!(size_of::<Snapshot>(), 144);
    }

    #[test]
    fn versions_wrap_around_after_the_last() {
        assert_eq!(Version::new(u32::MAX).next(), Version::new(0));
        assert_ne!(Version::new(7).next(), Version::new(7));
    }
}
