//! Work that goes on if the future that waits for it is dropped.
//!
//! A client that hangs up drops the future of its request. If an id was being issued, the engine may have issued it all
//! the same, and nobody would learn of it. So such work runs in a task of its own, which takes back what comes too
//! late.

use crate::error::SessionError;
use core::future::Future;
use std::panic::resume_unwind;
use tokio::runtime::Handle;

/// Runs work to its end, even if this future is dropped. Without a runtime of tokio, dropping it stops the work.
pub(super) async fn to_the_end<R: Send + 'static>(
    work: impl Future<Output = Result<R, SessionError>> + Send + 'static,
) -> Result<R, SessionError> {
    let Ok(runtime) = Handle::try_current() else { return work.await };
    match runtime.spawn(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime shuts down.
        Err(_) => Err(SessionError::Unknown),
    }
}

/// Runs work for which nobody waits. Without a runtime of tokio, it is not done.
pub(super) fn detach(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(work));
    }
}
