//! The names of a session: its key on disk, and the stand-in under which it waits after a restart.
//!
//! The key on disk is the first 24 bytes of the SHA-256 of the id. So a stolen file has no cookie in it.
//!
//! A stand-in is an id that the store accepts, so it must not follow from the key on disk alone. It is the key on disk,
//! encrypted under a secret that the process draws when it opens the directory, behind eight random bytes that mark it:
//!
//! ```text
//! | mark (8 bytes) | the key on disk, encrypted (24 bytes) |
//! ```
//!
//! The cipher is a Feistel network of four rounds, with SHA-256 as the round function. It can be undone, so no table of
//! stand-ins is kept.

use cloakroom::SessionId;
use sha2::{Digest, Sha256};

/// The key of a session on disk.
pub(crate) type DiskKey = [u8; 24];

/// The key on disk of the session with this id.
pub(crate) fn disk_key(id: &SessionId) -> DiskKey {
    let digest = Sha256::digest(id.as_bytes());
    *digest.first_chunk().expect("a digest has 32 bytes")
}

const HALF: usize = 12;
const ROUNDS: u8 = 4;
const MARK: usize = 8;

/// The names that one process gives to waiting sessions.
pub(crate) struct Names {
    mark: [u8; MARK],
    secret: [u8; 32],
}

impl Names {
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        let (mut mark, mut secret) = ([0; MARK], [0; 32]);
        getrandom::fill(&mut mark)?;
        getrandom::fill(&mut secret)?;
        Ok(Self { mark, secret })
    }

    pub(crate) fn is_stand_in(&self, id: &SessionId) -> bool {
        id.as_bytes()[..MARK] == self.mark
    }

    /// The key on disk of the session with this id or stand-in.
    pub(crate) fn disk_key(&self, id: &SessionId) -> DiskKey {
        if self.is_stand_in(id) {
            let mut key = [0; 2 * HALF];
            key.copy_from_slice(&id.as_bytes()[MARK..]);
            self.rounds(&mut key, (0..ROUNDS).rev());
            return key;
        }
        disk_key(id)
    }

    pub(crate) fn stand_in(&self, key: &DiskKey) -> SessionId {
        let mut encrypted = *key;
        self.rounds(&mut encrypted, 0..ROUNDS);
        let mut id = [0; 32];
        id[..MARK].copy_from_slice(&self.mark);
        id[MARK..].copy_from_slice(&encrypted);
        SessionId::from_bytes(id)
    }

    /// Even rounds change the right half, odd rounds the left one. The same rounds in reverse order undo it.
    fn rounds(&self, key: &mut DiskKey, rounds: impl Iterator<Item = u8>) {
        let (left, right) = key.split_at_mut(HALF);
        for round in rounds {
            let (from, to) = if round % 2 == 0 { (&*left, &mut *right) } else { (&*right, &mut *left) };
            let mut hash = Sha256::new();
            hash.update(self.secret);
            hash.update([round]);
            hash.update(from);
            to.iter_mut().zip(hash.finalize()).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_leads_back_to_the_key_on_disk() {
        let names = Names::draw().unwrap();
        for number in 0..100 {
            let id = SessionId::from_bytes([number; 32]);
            let key = names.disk_key(&id);
            let stand_in = names.stand_in(&key);
            assert!(names.is_stand_in(&stand_in) && !names.is_stand_in(&id));
            assert_eq!(names.disk_key(&stand_in), key);
        }
    }

    #[test]
    fn another_process_gives_other_stand_ins_and_none_shows_the_key() {
        let [one, other] = [Names::draw().unwrap(), Names::draw().unwrap()];
        let key = one.disk_key(&SessionId::from_bytes([7; 32]));
        assert_eq!(key, other.disk_key(&SessionId::from_bytes([7; 32])));
        let (here, there) = (one.stand_in(&key), other.stand_in(&key));
        assert_ne!(here.as_bytes()[MARK..], there.as_bytes()[MARK..]);
        assert_ne!(here.as_bytes()[MARK..], key);
        assert!(!one.is_stand_in(&there));
    }
}
