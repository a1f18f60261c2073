//! Attributes that are being changed, before anyone else sees them.

#![deny(unsafe_code)]

use super::Attributes;
use super::pack::{Assignment, Removal};
use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;

/// The attributes that an [`update`](crate::SessionStore::update) will leave behind, to be edited as one likes.
///
/// It reads like [`Attributes`], with what was changed. It is nobody else's: the session is changed once, when the closure has returned, or
/// not at all. Nothing is copied before the first change. How large it may be, the store says at the end; on the way it may be larger.
/// `Debug` shows how many attributes there are, and neither keys nor values.
///
/// # Examples
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("cart", "3"), ("coupon", "ten")])?;
/// store.update(&id, |draft| {
///     if draft.remove("coupon") {
///         draft.set("price", "90");
///     }
///     assert_eq!(draft.get("price"), Some("90"));
///     assert!(draft.iter().eq([("cart", "3"), ("price", "90")]));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Draft<'a> {
    packed: Cow<'a, str>,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(before: &'a Attributes) -> Self {
        Self { packed: Cow::Borrowed(&before.packed) }
    }

    pub(crate) fn packed(&self) -> &str {
        &self.packed
    }

    /// Sets an attribute, and takes time in proportion to the size of the attributes.
    pub fn set(&mut self, key: &str, value: &str) {
        let assignment = Assignment::new(Attributes::from_packed(&self.packed), key, value);
        if assignment.is_noop() {
            return;
        }
        let (place, pair) = (assignment.place(), assignment.packed_pair());
        self.packed.to_mut().replace_range(place, &pair);
    }

    /// Removes an attribute, and says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.removal(key, |_| ()).is_some()
    }

    /// Removes an attribute, and returns its value.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.removal(key, str::to_owned)
    }

    fn removal<R>(&mut self, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let removal = Removal::new(Attributes::from_packed(&self.packed), key)?;
        let (result, place) = (f(removal.value()), removal.place());
        self.packed.to_mut().replace_range(place, "");
        Some(result)
    }

    /// Removes all attributes.
    pub fn clear(&mut self) {
        self.packed = Cow::Borrowed("");
    }
}

impl Deref for Draft<'_> {
    type Target = Attributes;

    #[inline]
    fn deref(&self) -> &Attributes {
        Attributes::from_packed(&self.packed)
    }
}

/// Shows the number of attributes only.
impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("len", &self.len()).finish_non_exhaustive()
    }
}
