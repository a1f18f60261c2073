//! Events of a store: the listener that the application has installed, and `tracing`.

mod removal;
mod trace;

pub use crate::table::RemovalCause;
pub use removal::Removal;
pub(crate) use trace::Tracer;

use crate::content::Content;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::Index;
use crate::sync::contain;
use crate::table::{Bound, Captured, Ended, Observer};
use core::any::{Any, TypeId};
use core::fmt;
use std::sync::Arc;

/// The application's listener, which is called for each ended session.
#[derive(Clone)]
pub(crate) struct Listener {
    call: Arc<Call>,
    capture: Option<Capture>,
}

type Call = dyn Fn(&Removal, Captured) + Send + Sync;

/// What the listener takes from the content of an ended session.
#[derive(Clone)]
struct Capture {
    /// The type of the payloads that it knows.
    payload: TypeId,
    of: Arc<CaptureOf>,
}

/// Takes the text and the payload of the last version.
type CaptureOf = dyn Fn(&str, &dyn Any) -> Captured + Send + Sync;

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        Self { call: Arc::new(move |removal, _| listener(removal)), capture: None }
    }

    pub(crate) fn with_content<T: Content + ?Sized, C: 'static>(
        capture: impl Fn(&T) -> C + Send + Sync + 'static,
        listener: impl Fn(&Removal, Option<C>) + Send + Sync + 'static,
    ) -> Self {
        let of = move |text: &str, payload: &dyn Any| -> Captured {
            let content = T::shown(text, payload.downcast_ref()?);
            let mut captured: Captured = None;
            contain(|| captured = Some(Box::new(capture(content))));
            captured
        };
        let call = move |removal: &Removal, captured: Captured| {
            listener(removal, captured.and_then(|captured| captured.downcast().ok()).map(|captured| *captured));
        };
        let capture = Capture { payload: TypeId::of::<T::Payload>(), of: Arc::new(of) };
        Self { call: Arc::new(call), capture: Some(capture) }
    }

    /// Whether it is for sessions with this content.
    pub(crate) fn is_for<T: Content + ?Sized>(&self) -> bool {
        self.capture.as_ref().is_none_or(|capture| capture.payload == TypeId::of::<T::Payload>())
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// The store's own observer: removes an ended session from the index of principals, and calls the listener.
pub(crate) struct Registrar {
    pub(crate) index: Arc<Index>,
    pub(crate) listener: Option<Listener>,
}

impl Observer for Registrar {
    fn observes_all(&self) -> bool {
        self.listener.is_some()
    }

    fn capture(&self, text: &str, payload: &dyn Any) -> Captured {
        let capture = self.listener.as_ref()?.capture.as_ref()?;
        (capture.of)(text, payload)
    }

    fn ended(&self, ended: Ended) {
        let Ended { key, cause, bound, serial, listed, captured } = ended;
        let principal = bound.as_ref().map(|bound| Principal::from_key(bound.principal));
        if let Some(Bound { binding, used: Some(used), .. }) = bound {
            self.index.leave(used, binding, listed);
        }
        if let Some(Listener { call, .. }) = &self.listener {
            let removal = Removal { id: SessionId::from_bytes(key), cause, principal, serial };
            contain(|| call(&removal, captured));
        }
    }
}
