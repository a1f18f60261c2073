//! Writes and takes apart snapshots as docs/persist.md says, without the crate that is tested.

use sha2::{Digest, Sha256};

pub(crate) const MAGIC: &[u8; 18] = b"cloakroom snapshot";

/// A session, as it is in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) at: u64,
    pub(crate) key: [u8; 24],
    pub(crate) record: Vec<u8>,
}

/// A snapshot, with checksums or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) version: u8,
    pub(crate) flags: u8,
    pub(crate) begun: [u8; 40],
    pub(crate) sessions: Vec<Session>,
    pub(crate) count: u64,
    pub(crate) ended: [u8; 40],
    pub(crate) seal: Vec<u8>,
}

fn check(bytes: &mut Vec<u8>) {
    let digest = Sha256::digest(&*bytes);
    bytes.extend_from_slice(&digest[..8]);
}

impl Snapshot {
    /// The bytes, with the checksums that belong to them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.version, self.flags]);
        bytes.extend(self.begun);
        check(&mut bytes);
        for Session { at, key, record } in &self.sessions {
            bytes.push(1);
            bytes.extend(u32::try_from(record.len()).unwrap().to_le_bytes());
            bytes.extend(at.to_le_bytes());
            bytes.extend(key);
            check(&mut bytes);
            bytes.extend(record);
            check(&mut bytes);
        }
        bytes.push(0);
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.ended);
        bytes.push(u8::try_from(self.seal.len()).unwrap());
        bytes.extend(&self.seal);
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    /// Takes an intact snapshot apart.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut take = |len: usize| {
            let (taken, after) = rest.split_at(len);
            rest = after;
            taken
        };
        assert_eq!(take(18), MAGIC);
        let [version, flags] = take(2).try_into().unwrap();
        let begun = take(40).try_into().unwrap();
        take(8);
        let mut sessions = Vec::new();
        while take(1) == [1] {
            let len = u32::from_le_bytes(take(4).try_into().unwrap());
            let at = u64::from_le_bytes(take(8).try_into().unwrap());
            let key = take(24).try_into().unwrap();
            take(8);
            sessions.push(Session { at, key, record: take(len as usize).to_vec() });
            take(8);
        }
        let count = u64::from_le_bytes(take(8).try_into().unwrap());
        let ended = take(40).try_into().unwrap();
        let len = take(1)[0];
        let seal = take(usize::from(len)).to_vec();
        take(32);
        assert!(rest.is_empty());
        Self { version, flags, begun, sessions, count, ended, seal }
    }
}
