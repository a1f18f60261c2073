//! The content of a session: string attributes, or a value of any type.

use crate::attributes::Attributes;
use crate::entry::{EntryRef, Head, Owned, Payload};
use core::fmt::Write;

/// Marks a type that a [`SessionStore`](crate::SessionStore) can hold for each session: [`Attributes`], or any type
/// that threads can share.
///
/// It is implemented for all such types, and cannot be implemented otherwise.
pub trait Content: Stored + Send + Sync + 'static {}

impl<C: Stored + Send + Sync + 'static + ?Sized> Content for C {}

/// Marks content that the store can copy, to give a session another id or other timeouts: [`Attributes`], and any type
/// that is [`Clone`].
///
/// If a type is expensive to clone, or is not `Clone`, hold an [`Arc`](std::sync::Arc) of it.
pub trait Replicate: Content + Replicated {}

impl<C: Content + Replicated + ?Sized> Replicate for C {}

/// Reads content from an entry.
pub trait Stored {
    #[allow(private_bounds, reason = "sealed: users name neither this trait nor its types")]
    type Payload: Payload;

    /// The payload of a version that only forwards to another id.
    fn absent() -> Self::Payload;

    /// The content of a version that does not forward, with this text and payload.
    #[allow(private_interfaces, reason = "as above")]
    fn shown<'v>(text: &'v str, payload: &'v Self::Payload) -> &'v Self;

    #[inline]
    #[allow(private_interfaces, reason = "as above")]
    fn of(version: EntryRef<'_, Self::Payload>) -> &Self {
        Self::shown(version.text(), version.payload())
    }
}

/// Copies content into a new entry.
pub trait Replicated: Stored {
    #[allow(private_interfaces, reason = "as above")]
    fn replicate(version: EntryRef<'_, Self::Payload>, head: Head<'_>) -> Owned<Self::Payload>;
}

/// The payload of a session with string attributes: empty, because the attributes are the text of the entry.
pub struct Packed;

impl Stored for Attributes {
    type Payload = Packed;

    fn absent() -> Packed {
        Packed
    }

    #[inline]
    fn shown<'v>(text: &'v str, _: &'v Packed) -> &'v Self {
        Self::from_packed(text)
    }
}

impl Replicated for Attributes {
    #[allow(private_interfaces, reason = "as above")]
    fn replicate(version: EntryRef<'_, Packed>, head: Head<'_>) -> Owned<Packed> {
        packed_entry(head, version.text())
    }
}

/// Makes an entry of packed attributes.
pub(crate) fn packed_entry(head: Head<'_>, packed: &str) -> Owned<Packed> {
    let len = u32::try_from(packed.len()).expect("a session's size limit fits 32 bits");
    Owned::new(head, Packed, len, |text| text.write_str(packed).expect("the text has the length of the attributes"))
}

/// The payload of a session with a value: `None` if the entry only forwards.
pub struct Typed<T>(Option<T>);

impl<T: Send + Sync + 'static> Stored for T {
    type Payload = Typed<T>;

    fn absent() -> Typed<T> {
        Typed(None)
    }

    #[inline]
    fn shown<'v>(_: &'v str, payload: &'v Typed<T>) -> &'v T {
        payload.0.as_ref().expect("a version that does not forward has a value")
    }
}

impl<T: Clone + Send + Sync + 'static> Replicated for T {
    #[allow(private_interfaces, reason = "as above")]
    fn replicate(version: EntryRef<'_, Typed<T>>, head: Head<'_>) -> Owned<Typed<T>> {
        typed_entry(head, T::of(version).clone())
    }
}

pub(crate) fn typed_entry<T: Send + Sync + 'static>(head: Head<'_>, value: T) -> Owned<Typed<T>> {
    Owned::new(head, Typed(Some(value)), 0, |_| {})
}
