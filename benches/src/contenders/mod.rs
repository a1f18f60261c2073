//! The contenders, each written as a careful user of its crate would write it.
//!
//! They read the clock, draw ids, and pack and free attributes outside of locks. All of them except the guide's design
//! and tower-sessions keep the attributes in one block ([`crate::session`]) and hash with ahash.

mod caches;
mod cloakrooms;
mod dashmaps;
#[allow(unsafe_code, reason = "its slots are tagged pointers")]
mod floor;
mod flurries;
mod guide;
mod papayas;
mod sccs;
mod sharded;
mod tower;

pub use caches::{Moka, QuickCache};
pub use dashmaps::Dash;
pub use floor::Floor;
pub use flurries::Flurry;
pub use guide::OneMutex;
pub use papayas::{Papaya, PapayaLocks};
pub use sccs::{SccHashIndex, SccHashMap};
pub use sharded::{Guarded, Map, Sharded};
pub use tower::Tower;

use crate::contender::{Contender, Extent};
use crate::session::{Boxed, Inline};

/// A function of a contender's type.
pub trait Visitor {
    type Output;
    fn visit<C: Contender>(self) -> Self::Output;
}

/// The facts of a contender that are known without its type.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    pub extent: Extent,
    /// The crate whose version identifies the contender. `None` if it uses only the standard library.
    pub package: Option<&'static str>,
}

macro_rules! contenders {
    ($($package:expr => $contender:ty),+ $(,)?) => {
        /// All contenders, in the order of the tables.
        pub const ALL: &[Profile] = &[$(Profile {
            name: <$contender>::NAME,
            extent: <$contender>::EXTENT,
            package: $package,
        }),+];

        /// Calls the visitor with the contender of this name. `None` if there is no such contender.
        pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
            $(if name == <$contender>::NAME {
                return Some(visitor.visit::<$contender>());
            })+
            None
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn every_contender_keeps_the_contract() {
                $(crate::contract::check::<$contender>();)+
            }
        }
    };
}

contenders! {
    Some("cloakroom") => cloakroom::SessionStore,
    None => OneMutex,
    Some("parking_lot") => Sharded<parking_lot::Mutex<Map>, 1>,
    Some("parking_lot") => Sharded<parking_lot::Mutex<Map>, 64>,
    Some("parking_lot") => Sharded<parking_lot::RwLock<Map>, 64>,
    Some("dashmap") => Dash<Boxed>,
    Some("dashmap") => Dash<Inline>,
    Some("papaya") => Papaya<Boxed>,
    Some("papaya") => PapayaLocks<Boxed>,
    Some("papaya") => PapayaLocks<Inline>,
    Some("scc") => SccHashMap<Boxed>,
    Some("scc") => SccHashMap<Inline>,
    Some("scc") => SccHashIndex,
    Some("flurry") => Flurry,
    Some("moka") => Moka,
    Some("quick_cache") => QuickCache,
    Some("tower-sessions") => Tower,
    None => Floor,
}
