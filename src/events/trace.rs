//! Events for `tracing`, behind the feature of that name. Without the feature they compile to nothing.
//!
//! | level | event | fields |
//! |---|---|---|
//! | `DEBUG` | `sweep` | `ended`, `complete`, `sessions` (that are left) |
//! | `DEBUG` | `session ended to make room` | `session` |
//! | `DEBUG` | `creation refused` | `reason` |
//! | `DEBUG` | `change refused` | `reason`: `bytes_full` |
//! | `TRACE` | `session created` | `session` |
//! | `TRACE` | `session id rotated` | `session`, `new` |
//! | `TRACE` | `session ended` | `session`, `cause` |
//!
//! The target is `cloakroom`. Events name a session by its [fingerprint](crate::fingerprint), never by its id. A
//! look-up makes no event, unless it finds the session expired.

use crate::entry::Key;
use crate::error::CreateError;
use crate::fingerprint::Fingerprints;
use crate::table::Observer;

#[cfg(feature = "tracing")]
pub(crate) use events::Tracer;
#[cfg(not(feature = "tracing"))]
pub(crate) use silence::Tracer;

#[cfg(feature = "tracing")]
mod events {
    use super::{CreateError, Fingerprints, Key, Observer};
    use crate::sync::contain;
    use crate::table::RemovalCause;
    use crate::table::{Captured, Ended};
    use core::any::Any;
    use tracing::{Level, debug, enabled, trace};

    const TARGET: &str = "cloakroom";

    /// Emits the events of one store.
    #[derive(Clone)]
    pub(crate) struct Tracer(Fingerprints);

    impl Tracer {
        pub(crate) fn new(fingerprints: &Fingerprints) -> Self {
            Self(fingerprints.clone())
        }

        /// Returns an observer that emits events, and forwards the reports that `inner` observes.
        pub(crate) fn observer(&self, inner: Box<dyn Observer>) -> Box<dyn Observer> {
            Box::new(Traced { tracer: self.clone(), inner })
        }

        pub(crate) fn swept(&self, ended: usize, complete: bool, sessions: usize) {
            debug!(target: TARGET, ended, complete, sessions, "sweep");
        }

        pub(crate) fn created(&self, key: &Key) {
            trace!(target: TARGET, session = %self.0.of(key), "session created");
        }

        pub(crate) fn refused(&self, error: CreateError) {
            let reason = match error {
                CreateError::Full => "full",
                CreateError::BytesFull => "bytes_full",
                CreateError::PrincipalFull => "principal_full",
                CreateError::TooLarge { .. } => "too_large",
                CreateError::TooManyAttributes { .. } => "too_many_attributes",
                CreateError::Random(_) => "random",
            };
            debug!(target: TARGET, reason, "creation refused");
        }

        /// A session did not become larger, because of the limit in bytes.
        pub(crate) fn change_refused(&self) {
            debug!(target: TARGET, reason = "bytes_full", "change refused");
        }

        pub(crate) fn rotated(&self, old: &Key, new: &Key) {
            trace!(target: TARGET, session = %self.0.of(old), new = %self.0.of(new), "session id rotated");
        }

        fn ended(&self, key: &Key, cause: RemovalCause) {
            match cause {
                RemovalCause::Capacity | RemovalCause::PrincipalLimit => {
                    debug!(target: TARGET, session = %self.0.of(key), "session ended to make room");
                }
                // The session has not ended. `rotated` emits the event.
                RemovalCause::Rotated => {}
                _ => trace!(target: TARGET, session = %self.0.of(key), cause = cause.name(), "session ended"),
            }
        }
    }

    struct Traced {
        tracer: Tracer,
        inner: Box<dyn Observer>,
    }

    impl Observer for Traced {
        fn observes_all(&self) -> bool {
            enabled!(target: TARGET, Level::DEBUG) || self.inner.observes_all()
        }

        fn capture(&self, text: &str, payload: &dyn Any) -> Captured {
            self.inner.capture(text, payload)
        }

        fn ended(&self, ended: Ended) {
            let Ended { key, cause, ref bound, .. } = ended;
            // First the store's own observer, because a subscriber may panic.
            if bound.is_some() || self.inner.observes_all() {
                self.inner.ended(ended);
            }
            contain(|| self.tracer.ended(&key, cause));
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod silence {
    use super::{CreateError, Fingerprints, Key, Observer};

    pub(crate) struct Tracer;

    impl Tracer {
        pub(crate) fn new(_: &Fingerprints) -> Self {
            Self
        }

        pub(crate) fn observer(&self, inner: Box<dyn Observer>) -> Box<dyn Observer> {
            inner
        }

        #[inline]
        pub(crate) fn swept(&self, _ended: usize, _complete: bool, _sessions: usize) {}

        #[inline]
        pub(crate) fn created(&self, _key: &Key) {}

        #[inline]
        pub(crate) fn refused(&self, _error: CreateError) {}

        #[inline]
        pub(crate) fn change_refused(&self) {}

        #[inline]
        pub(crate) fn rotated(&self, _old: &Key, _new: &Key) {}
    }
}
