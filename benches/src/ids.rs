//! Sources of session ids.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// The name of a session: 32 random bytes.
pub type Id = [u8; 32];

/// Where a contender draws its ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// The operating system's random source: one system call for each id.
    #[default]
    System,
    /// A generator in user space, ChaCha12, one for each thread: `rand`'s thread generator, from which tower-sessions
    /// draws its ids.
    UserSpace,
}

impl Ids {
    pub const ALL: [Self; 2] = [Self::System, Self::UserSpace];

    pub fn draw(self) -> Id {
        let mut id = [0; 32];
        match self {
            Self::System => getrandom::fill(&mut id).expect("the operating system has random bytes"),
            Self::UserSpace => rand::rng().fill_bytes(&mut id),
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_source_draws_an_id_twice() {
        for ids in Ids::ALL {
            let drawn: HashSet<Id> = (0..1_000).map(|_| ids.draw()).collect();
            assert_eq!(drawn.len(), 1_000, "{ids:?}");
        }
    }

    #[test]
    fn ids_of_either_source_fill_all_their_bytes() {
        for ids in Ids::ALL {
            let seen = (0..100).map(|_| ids.draw()).fold([0; 32], |mut seen: Id, id| {
                seen.iter_mut().zip(id).for_each(|(seen, byte)| *seen |= byte);
                seen
            });
            assert!(seen.iter().all(|byte| *byte == 0xFF), "{ids:?}: {seen:?}");
        }
    }
}
