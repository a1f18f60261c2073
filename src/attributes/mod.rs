//! The attributes of a session: a packed, immutable string map.
//!
//! [`layout`] describes the packed form, [`pack`](mod@pack) writes it, into [`scratch`] if it is new, [`index`] speeds up many changes to one map, and
//! [`limits`] bounds its size. This file has the view that users get. A [`Draft`] is a map that is being changed, a
//! [`Snapshot`] an owned map.

mod draft;
mod index;
mod layout;
mod limits;
mod pack;
mod scratch;
mod version;

pub use draft::Draft;
pub(crate) use limits::Limits;
pub(crate) use pack::{Assignment, Given, Merge, Removal, pack};
pub use version::{Snapshot, Version};

use core::fmt;
use core::iter::FusedIterator;
use layout::{Pairs, value_of};

/// Shows one version of a session's attributes in place. No writer can change it.
///
/// Every method is wait-free and allocates nothing. Looking up a key takes time in proportion to the number of
/// attributes, of which there are at most [`max_attributes`](crate::SessionConfig#structfield.max_attributes). `Debug`
/// shows the number of attributes, and neither keys nor values.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
///
/// let store = SessionStore::builder().build()?;
/// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
/// let greeting = store.read(&id, |attributes| {
///     let name = attributes.get("user").unwrap_or("stranger");
///     format!("Hello {name}, {} attributes", attributes.len())
/// });
/// assert_eq!(greeting.as_deref(), Some("Hello ada, 2 attributes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct Attributes {
    packed: str,
}

impl Attributes {
    /// Reads a block that a function of [`pack`](mod@pack) wrote.
    #[inline]
    #[allow(unsafe_code, reason = "the one cast from text to attributes")]
    pub(crate) const fn from_packed(packed: &str) -> &Self {
        // SAFETY: `Attributes` is a transparent wrapper of `str`, so the two have the same layout and metadata.
        unsafe { &*(core::ptr::from_ref(packed) as *const Self) }
    }

    /// Returns the value of `key`, or `None` if there is no such attribute.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("user", "ada")])?;
    /// store.read(&id, |attributes| {
    ///     assert_eq!(attributes.get("user"), Some("ada"));
    ///     assert_eq!(attributes.get("User"), None);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        value_of(&self.packed, key)
    }

    /// Tells whether there is an attribute `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("flag", "")])?;
    /// assert_eq!(store.read(&id, |attributes| attributes.contains("flag")), Some(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Counts the attributes, in time proportional to their number.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("a", "1"), ("b", "2"), ("a", "3")])?;
    /// assert_eq!(store.read(&id, |attributes| attributes.len()), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs().count()
    }

    /// Tells whether there are no attributes, in constant time.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create()?;
    /// assert_eq!(store.read(&id, |attributes| attributes.is_empty()), Some(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Iterates over keys and values, in the order in which the keys were first set.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("b", "1"), ("a", "2")])?;
    /// store.set(&id, "b", "3")?;
    /// store.read(&id, |attributes| {
    ///     assert!(attributes.iter().eq([("b", "3"), ("a", "2")]));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn iter(&self) -> AttributesIter<'_> {
        AttributesIter { pairs: self.pairs() }
    }

    #[inline]
    fn pairs(&self) -> Pairs<'_> {
        Pairs::of(&self.packed)
    }
}

/// Shows the number of attributes only.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributes").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = (&'a str, &'a str);
    type IntoIter = AttributesIter<'a>;

    fn into_iter(self) -> AttributesIter<'a> {
        self.iter()
    }
}

/// Iterates over keys and values. Made by [`Attributes::iter`].
///
/// Each step is wait-free and allocates nothing. `Debug` shows how many attributes are left.
///
/// # Examples
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
/// let keys = store.read(&id, |attributes| attributes.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>());
/// assert_eq!(keys, Some(vec!["user".to_owned(), "role".to_owned()]));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct AttributesIter<'a> {
    pairs: Pairs<'a>,
}

impl<'a> Iterator for AttributesIter<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next().map(|pair| (pair.key, pair.value))
    }
}

impl FusedIterator for AttributesIter<'_> {}

/// Shows the number of attributes left only.
impl fmt::Debug for AttributesIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributesIter").field("left", &self.pairs.clone().count()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_keys_nor_values() {
        let packed = pack([("user", "ada"), ("role", "admin")], Limits::NONE).unwrap();
        let attributes = Attributes::from_packed(&packed);
        assert_eq!(format!("{attributes:?}"), "Attributes { len: 2, .. }");
        assert_eq!(format!("{:?}", attributes.iter()), "AttributesIter { left: 2, .. }");
    }

    #[test]
    fn attributes_are_iterated_by_reference() {
        let packed = pack([("a", "1"), ("b", "2")], Limits::NONE).unwrap();
        let mut pairs = Vec::new();
        for pair in Attributes::from_packed(&packed) {
            pairs.push(pair);
        }
        assert_eq!(pairs, vec![("a", "1"), ("b", "2")]);
    }
}
