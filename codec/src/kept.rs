//! Content that can be kept outside of the process.

use cloakroom::{Attributes, Carried, ImportError, Replicate, SessionId, SessionStore, Snapshot};
use core::borrow::Borrow;

/// Marks content that can be kept outside of the process: [`Attributes`], and with the feature `serde` any type that is
/// `Serialize`, `DeserializeOwned` and `Clone`, as JSON.
///
/// A type that has changed between two versions of a program has to read what the earlier version has written
/// (`#[serde(default)]` for a new field).
pub trait Kept: Replicate + Stored {}

impl<T: Replicate + Stored + ?Sized> Kept for T {}

/// Tells why a session was not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Its content is not what the store holds.
    Content,
    /// By the store.
    Import(ImportError),
}

/// Writes and reads content. Users do not name this trait.
pub trait Stored {
    /// Content that belongs to no store.
    type Owned: Borrow<Self> + Clone + Send + Sync + 'static;

    /// Appends the content.
    fn write(&self, to: &mut Vec<u8>);

    /// Reads what [`write`](Self::write) has appended, or returns `None` if it is something else.
    fn read(content: &[u8]) -> Option<Self::Owned>;

    /// Puts a session with this content into a store.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing has changed.
    fn restore(store: &SessionStore<Self>, id: &SessionId, carried: &Carried, content: &[u8]) -> Result<(), Refused>
    where
        Self: Replicate;
}

fn put(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(&u32::try_from(text.len()).expect("attributes are shorter").to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

fn take<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let (len, rest) = from.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *from = rest;
    core::str::from_utf8(text).ok()
}

fn pairs(mut content: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut attributes = Vec::new();
    while !content.is_empty() {
        let key = take(&mut content)?;
        attributes.push((key, take(&mut content)?));
    }
    Some(attributes)
}

impl Stored for Attributes {
    type Owned = Snapshot;

    fn write(&self, to: &mut Vec<u8>) {
        for (key, value) in self {
            put(to, key);
            put(to, value);
        }
    }

    fn read(content: &[u8]) -> Option<Snapshot> {
        pairs(content).map(Snapshot::detached)
    }

    fn restore(store: &SessionStore, id: &SessionId, carried: &Carried, content: &[u8]) -> Result<(), Refused> {
        let attributes = pairs(content).ok_or(Refused::Content)?;
        store.import_with(id, carried, attributes).map_err(Refused::Import)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> Stored for T {
    type Owned = T;

    /// A value that cannot be written is kept without content, and refused when it is read.
    fn write(&self, to: &mut Vec<u8>) {
        let len = to.len();
        if serde_json::to_writer(&mut *to, self).is_err() {
            to.truncate(len);
        }
    }

    fn read(content: &[u8]) -> Option<T> {
        serde_json::from_slice(content).ok()
    }

    fn restore(store: &SessionStore<T>, id: &SessionId, carried: &Carried, content: &[u8]) -> Result<(), Refused> {
        let value = T::read(content).ok_or(Refused::Content)?;
        store.import_with(id, carried, value).map_err(Refused::Import)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(attributes: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Snapshot::detached(attributes.iter().copied()).write(&mut bytes);
        bytes
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        for attributes in [&[][..], &[("", "")], &[("user", "ada"), ("näme", "Ada L."), ("", "x")]] {
            let read = Attributes::read(&written(attributes)).unwrap();
            assert!(read.iter().eq(attributes.iter().copied()));
        }
    }

    #[test]
    fn attributes_that_are_cut_off_are_refused() {
        let bytes = written(&[("user", "ada"), ("role", "admin")]);
        let whole = [0, 4 + 4 + 4 + 3, bytes.len()];
        for len in 0..=bytes.len() {
            assert_eq!(Attributes::read(&bytes[..len]).is_some(), whole.contains(&len), "{len}");
        }
        assert!(Attributes::read(&[1, 0, 0, 0, 0xff, 0, 0, 0, 0]).is_none(), "not text");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_value_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        (7_u32, "seven".to_owned()).write(&mut bytes);
        assert_eq!(<(u32, String)>::read(&bytes), Some((7, "seven".to_owned())));
        assert_eq!(<(u32, String)>::read(&bytes[1..]), None);
    }
}
