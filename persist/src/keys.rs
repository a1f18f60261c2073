//! Encryption at rest.

use crate::names::DiskKey;
use std::fmt;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not have this format.
    Format,
    /// It was written under another key, or without one.
    Key,
}

#[cfg(feature = "encrypt")]
mod cipher {
    use super::{DiskKey, Unreadable};
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    use sha2::{Digest, Sha256};

    const NAME: usize = 4;
    const NONCE: usize = 24;

    /// A key, and the name by which a record tells its key.
    #[derive(Clone)]
    pub(crate) struct Key {
        name: [u8; NAME],
        cipher: XChaCha20Poly1305,
    }

    impl Key {
        pub(crate) fn new(key: &[u8; 32]) -> Self {
            let digest = Sha256::digest([b"cloakroom key".as_slice(), key].concat());
            let name = *digest.first_chunk().expect("a digest is longer");
            Self { name, cipher: XChaCha20Poly1305::new(key.into()) }
        }

        /// The name of the key, a nonce, and the encrypted record, which only opens under this session.
        pub(crate) fn seal(&self, session: &DiskKey, record: &[u8]) -> Vec<u8> {
            let mut nonce = [0; NONCE];
            getrandom::fill(&mut nonce).expect("the system has given random bytes before");
            let payload = Payload { msg: record, aad: session };
            let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a record is not that long");
            [self.name.as_slice(), &nonce, &sealed].concat()
        }

        /// The record, if it was sealed with this key.
        pub(crate) fn open(&self, session: &DiskKey, sealed: &[u8]) -> Result<Vec<u8>, Unreadable> {
            let (name, rest) = sealed.split_first_chunk::<NAME>().ok_or(Unreadable::Format)?;
            let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Unreadable::Format)?;
            if *name != self.name {
                return Err(Unreadable::Key);
            }
            let payload = Payload { msg: sealed, aad: session };
            self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unreadable::Key)
        }
    }
}

/// The key with which records are written, and former ones with which they may have been written.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    #[cfg(feature = "encrypt")]
    keys: Vec<cipher::Key>,
    #[cfg(feature = "encrypt")]
    encrypts: bool,
}

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("encrypts", &self.is_encrypting()).finish_non_exhaustive()
    }
}

impl Keys {
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::default()
    }
}

#[cfg(feature = "encrypt")]
impl Keys {
    /// Writes with this key from now on.
    pub(crate) fn with(mut self, key: [u8; 32]) -> Self {
        self.keys.insert(0, cipher::Key::new(&key));
        self.encrypts = true;
        self
    }

    pub(crate) fn and_former(mut self, key: [u8; 32]) -> Self {
        self.keys.push(cipher::Key::new(&key));
        self
    }

    pub(crate) fn is_encrypting(&self) -> bool {
        self.encrypts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The record as it goes to disk.
    pub(crate) fn seal(&self, session: &DiskKey, record: Vec<u8>, format: u8) -> Vec<u8> {
        match self.keys.first() {
            Some(key) if self.encrypts => {
                let mut sealed = vec![format];
                sealed.extend_from_slice(&key.seal(session, &record));
                sealed
            }
            _ => record,
        }
    }

    /// Decrypts a record into `buffer`. Returns whether it was not under the present key.
    pub(crate) fn open(&self, session: &DiskKey, sealed: &[u8], buffer: &mut Vec<u8>) -> Result<bool, Unreadable> {
        let mut why = Unreadable::Key;
        for (number, key) in self.keys.iter().enumerate() {
            match key.open(session, sealed) {
                Ok(record) => {
                    *buffer = record;
                    return Ok(number > 0 || !self.encrypts);
                }
                Err(unreadable) => why = unreadable,
            }
        }
        Err(why)
    }
}

#[cfg(not(feature = "encrypt"))]
impl Keys {
    pub(crate) fn is_encrypting(&self) -> bool {
        false
    }

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn seal(&self, _: &DiskKey, record: Vec<u8>, _: u8) -> Vec<u8> {
        record
    }

    pub(crate) fn open(&self, _: &DiskKey, _: &[u8], _: &mut Vec<u8>) -> Result<bool, Unreadable> {
        Err(Unreadable::Key)
    }
}
