//! What a session may hold: string attributes, or a value of any type.

use crate::attributes::Attributes;
use crate::entry::{EntryRef, Head, Owned, Payload};
use core::fmt::Write;

/// What a [`SessionStore`](crate::SessionStore) keeps for each session: [`Attributes`], or a value of any type that
/// threads may share.
///
/// Implemented for all of them; there is nothing to implement by hand.
pub trait Content: Stored + Send + Sync + 'static {}

impl<C: Stored + Send + Sync + 'static + ?Sized> Content for C {}

/// Content of which a session can be given another version under other terms, or under another id: [`Attributes`], and
/// whatever is [`Clone`].
///
/// For a type that is dear to clone, or cannot be, keep an [`Arc`](std::sync::Arc) of it.
pub trait Replicate: Content + Replicated {}

impl<C: Content + Replicated + ?Sized> Replicate for C {}

/// How content lies in an entry.
pub trait Stored {
    #[allow(private_bounds, reason = "sealed: users name neither this trait nor its types")]
    type Payload: Payload;

    /// The payload of a version that only leads to where its session has gone.
    fn absent() -> Self::Payload;

    #[allow(private_interfaces, reason = "as above")]
    fn of(version: EntryRef<'_, Self::Payload>) -> &Self;
}

/// How content is copied.
pub trait Replicated: Stored {
    #[allow(private_interfaces, reason = "as above")]
    fn replicate(version: EntryRef<'_, Self::Payload>, head: Head<'_>) -> Owned<Self::Payload>;
}

/// The payload of a session with string attributes: nothing. They are the text of its entry.
pub struct Packed;

impl Stored for Attributes {
    type Payload = Packed;

    fn absent() -> Packed {
        Packed
    }

    #[inline]
    #[allow(private_interfaces, reason = "as above")]
    fn of(version: EntryRef<'_, Packed>) -> &Self {
        Self::from_packed(version.text())
    }
}

impl Replicated for Attributes {
    #[allow(private_interfaces, reason = "as above")]
    fn replicate(version: EntryRef<'_, Packed>, head: Head<'_>) -> Owned<Packed> {
        packed_entry(head, version.text())
    }
}

/// An entry whose attributes are packed already.
pub(crate) fn packed_entry(head: Head<'_>, packed: &str) -> Owned<Packed> {
    let len = u32::try_from(packed.len()).expect("a session's size limit fits 32 bits");
    Owned::new(head, Packed, len, |text| text.write_str(packed).expect("the text is as long as what is written"))
}

/// The payload of a session with a value: none where the entry only leads on.
pub struct Typed<T>(Option<T>);

impl<T: Send + Sync + 'static> Stored for T {
    type Payload = Typed<T>;

    fn absent() -> Typed<T> {
        Typed(None)
    }

    #[inline]
    #[allow(private_interfaces, reason = "as above")]
    fn of(version: EntryRef<'_, Typed<T>>) -> &T {
        version.payload().0.as_ref().expect("a version that does not lead on has a value")
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
