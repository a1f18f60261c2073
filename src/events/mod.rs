//! Events of a store: the listener that the application has installed, and `tracing`.

mod removal;
mod trace;

pub use crate::table::RemovalCause;
pub use removal::Removal;
pub(crate) use trace::Tracer;

use crate::entry::Key;
use crate::expiry::Tick;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::Index;
use crate::registry::holds::Holds;
use crate::sync::contain;
use crate::table::{Bound, Ended, Observer};
use core::fmt;
use std::sync::Arc;

/// The application's listener, which is called for each ended session.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&Removal) + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// The store's own observer: removes an ended session from the index of principals, and calls the listener. It also
/// knows which sessions are held.
pub(crate) struct Registrar {
    pub(crate) index: Arc<Index>,
    pub(crate) holds: Arc<Holds>,
    pub(crate) listener: Option<Listener>,
}

impl Observer for Registrar {
    fn observes_all(&self) -> bool {
        self.listener.is_some()
    }

    fn held_since(&self, key: &Key) -> Option<Tick> {
        self.holds.since(key)
    }

    fn ended(&self, ended: Ended) {
        let Ended { key, cause, bound, serial, listed } = ended;
        let principal = bound.as_ref().map(|bound| Principal::from_key(bound.principal));
        if let Some(Bound { binding, used: Some(used), .. }) = bound {
            self.index.leave(used, binding, listed);
        }
        if let Some(Listener(listener)) = &self.listener {
            let removal = Removal { id: SessionId::from_bytes(key), cause, principal, serial };
            contain(|| listener(&removal));
        }
    }
}
