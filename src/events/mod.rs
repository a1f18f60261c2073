//! Events of a store: the listener that the application has installed, and `tracing`.

mod journal;
mod removal;
mod trace;

pub use crate::table::RemovalCause;
pub use journal::Journal;
pub use removal::Removal;
pub(crate) use trace::Tracer;

use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::Index;
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

/// The store's own observer: tells the journal of an ended session, removes it from the index of principals, and calls
/// the listener.
pub(crate) struct Registrar {
    pub(crate) index: Arc<Index>,
    pub(crate) listener: Option<Listener>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

impl Observer for Registrar {
    fn observes_all(&self) -> bool {
        self.listener.is_some() || self.journal.is_some()
    }

    fn ended(&self, ended: Ended) {
        let Ended { key, cause, bound, serial, listed } = ended;
        let principal = bound.as_ref().map(|bound| Principal::from_key(bound.principal));
        if let Some(journal) = &self.journal {
            let id = SessionId::from_bytes(key);
            match cause {
                // A restored session has got its own id, which is the one that its client has.
                RemovalCause::Rotated if journal.is_stand_in(&id) => return,
                // The operation that has rotated the id tells the journal.
                RemovalCause::Rotated => {}
                // Before the session leaves the index: the thread that ends all sessions of a principal tells the
                // journal of those that it finds there.
                _ => journal.ended(&id, cause),
            }
        }
        if let Some(Bound { binding, used: Some(used), .. }) = bound {
            self.index.leave(used, binding, listed);
        }
        if let Some(Listener(listener)) = &self.listener {
            let removal = Removal { id: SessionId::from_bytes(key), cause, principal, serial };
            contain(|| listener(&removal));
        }
    }
}
