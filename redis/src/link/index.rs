//! Which sessions are near, by the names that the engine tells of changes with.

use crate::names::Hash;
use cloakroom::SessionId;
use std::collections::{HashMap, HashSet};

const PARTS: usize = 256;

#[derive(Clone, Copy)]
struct Entry {
    id: SessionId,
    owner: Option<Hash>,
}

#[derive(Default)]
struct Owner {
    sessions: HashSet<Hash>,
    /// The generation, if it is known and the engine tells of its changes.
    generation: Option<u64>,
}

/// Has every session that is near. It may have more, until it is [pruned](Self::prune).
pub(super) struct Index {
    /// By the first byte of the hash, so that pruning takes a part at a time.
    parts: Vec<HashMap<Hash, Entry>>,
    owners: HashMap<Hash, Owner>,
    next: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { parts: vec![HashMap::new(); PARTS], owners: HashMap::new(), next: 0 }
    }

    pub(super) fn insert(&mut self, hash: Hash, id: SessionId, owner: Option<Hash>) {
        self.parts[usize::from(hash[0])].insert(hash, Entry { id, owner });
        if let Some(owner) = owner {
            self.owners.entry(owner).or_default().sessions.insert(hash);
        }
    }

    pub(super) fn remove(&mut self, hash: &Hash) -> Option<SessionId> {
        let entry = self.parts[usize::from(hash[0])].remove(hash)?;
        self.forget(hash, entry.owner);
        Some(entry.id)
    }

    /// Removes the sessions of a principal.
    pub(super) fn remove_owner(&mut self, owner: &Hash) -> Vec<SessionId> {
        let owner = self.owners.remove(owner).unwrap_or_default();
        owner.sessions.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// The generation of a principal, if it is known and the engine tells of its changes.
    pub(super) fn generation(&self, owner: &Hash) -> Option<u64> {
        self.owners.get(owner).and_then(|owner| owner.generation)
    }

    /// Notes the generation of a principal that has sessions here.
    pub(super) fn set_generation(&mut self, owner: &Hash, generation: u64) {
        if let Some(owner) = self.owners.get_mut(owner) {
            owner.generation = Some(generation);
        }
    }

    pub(super) fn clear(&mut self) {
        self.parts.iter_mut().for_each(HashMap::clear);
        self.owners.clear();
    }

    /// Looks at one part, and removes the sessions that are not near any more.
    pub(super) fn prune(&mut self, is_near: impl Fn(&SessionId) -> bool) {
        let part = self.next;
        self.next = (part + 1) % PARTS;
        let gone: Vec<Hash> =
            self.parts[part].iter().filter(|(_, entry)| !is_near(&entry.id)).map(|(hash, _)| *hash).collect();
        for hash in gone {
            self.remove(&hash);
        }
        if self.parts[part].capacity() > 4 * self.parts[part].len() + 64 {
            self.parts[part].shrink_to_fit();
        }
    }

    fn forget(&mut self, hash: &Hash, owner: Option<Hash>) {
        let Some(owner) = owner else { return };
        if let Some(entry) = self.owners.get_mut(&owner) {
            entry.sessions.remove(hash);
            if entry.sessions.is_empty() {
                self.owners.remove(&owner);
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.parts.iter().map(HashMap::len).sum(), self.owners.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> SessionId {
        SessionId::from_bytes([number; 32])
    }

    fn index() -> Index {
        let mut index = Index::new();
        for number in 0..4 {
            index.insert([number; 32], id(number), (number != 0).then_some([9; 32]));
        }
        index
    }

    #[test]
    fn sessions_are_found_by_their_hash_and_their_principal() {
        let mut index = index();
        assert_eq!(index.remove(&[1; 32]), Some(id(1)));
        assert_eq!(index.remove(&[1; 32]), None);
        let mut rest = index.remove_owner(&[9; 32]);
        rest.sort_by_key(|id| *id.as_bytes());
        assert_eq!(rest, [id(2), id(3)]);
        assert_eq!(index.len(), (1, 0));
    }

    #[test]
    fn a_generation_is_known_as_long_as_there_are_sessions_and_no_news() {
        let mut index = index();
        index.set_generation(&[9; 32], 5);
        index.set_generation(&[8; 32], 5);
        assert_eq!((index.generation(&[9; 32]), index.generation(&[8; 32])), (Some(5), None));
        index.remove_owner(&[9; 32]);
        index.insert([1; 32], id(1), Some([9; 32]));
        assert_eq!(index.generation(&[9; 32]), None);
    }

    #[test]
    fn pruning_removes_what_is_not_near_within_one_round() {
        let mut index = index();
        (0..PARTS).for_each(|_| index.prune(|near| *near == id(2)));
        assert_eq!(index.len(), (1, 1));
        assert_eq!(index.remove(&[2; 32]), Some(id(2)));
        assert_eq!(index.len(), (0, 0));
    }
}
