//! Content that can be kept on disk.

use cloakroom::{Attributes, Carried, ImportError, Replicate, SessionId, SessionStore};

/// Marks content that [`Persistence`](crate::Persistence) can keep on disk: [`Attributes`], and with the feature
/// `serde` any type that is `Serialize`, `DeserializeOwned` and `Clone`, as JSON.
///
/// A type that has changed between two versions of a program has to read what the earlier version has written
/// (`#[serde(default)]` for a new field).
pub trait Kept: Replicate + Stored {}

impl<T: Replicate + Stored + ?Sized> Kept for T {}

/// Why a session was not restored.
pub enum Refused {
    /// Its content is not what the store holds.
    Content,
    /// By the store.
    Import(ImportError),
}

/// Writes and reads content. Sealed: users do not name this trait.
pub trait Stored {
    /// Appends the content.
    fn write(&self, to: &mut Vec<u8>);

    /// Whether a session can be restored from this content.
    fn is_readable(content: &[u8]) -> bool;

    /// Puts a session with this content into a store.
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

impl Stored for Attributes {
    fn write(&self, to: &mut Vec<u8>) {
        for (key, value) in self {
            put(to, key);
            put(to, value);
        }
    }

    fn is_readable(mut content: &[u8]) -> bool {
        while !content.is_empty() {
            if take(&mut content).and_then(|_| take(&mut content)).is_none() {
                return false;
            }
        }
        true
    }

    fn restore(store: &SessionStore, id: &SessionId, carried: &Carried, mut content: &[u8]) -> Result<(), Refused> {
        let mut attributes = Vec::new();
        while !content.is_empty() {
            let key = take(&mut content).ok_or(Refused::Content)?;
            attributes.push((key, take(&mut content).ok_or(Refused::Content)?));
        }
        store.import_with(id, carried, attributes).map_err(Refused::Import)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> Stored for T {
    /// A value that cannot be written is kept without content, and refused when it is read.
    fn write(&self, to: &mut Vec<u8>) {
        let len = to.len();
        if serde_json::to_writer(&mut *to, self).is_err() {
            to.truncate(len);
        }
    }

    fn is_readable(content: &[u8]) -> bool {
        serde_json::from_slice::<T>(content).is_ok()
    }

    fn restore(store: &SessionStore<T>, id: &SessionId, carried: &Carried, content: &[u8]) -> Result<(), Refused> {
        let value = serde_json::from_slice(content).map_err(|_| Refused::Content)?;
        store.import_with(id, carried, value).map_err(Refused::Import)
    }
}
