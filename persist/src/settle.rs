//! Futures whose output waits until the ends of sessions in them are on disk.

use crate::error::NotDurable;
use crate::journal::Journal;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Runs futures, such as a request's, and holds back their output until the sessions that they have ended are on disk.
/// Made by [`Persistence::settler`](crate::Persistence::settler). Clones share one `Persistence`.
///
/// For servers of tower services there is a layer that does this (`SettledLayer`, feature `tower`).
#[derive(Clone)]
pub struct Settler {
    pub(crate) journal: Arc<Journal>,
}

impl Settler {
    /// Runs a future. No operation on the store blocks its thread while the future is polled or dropped, whatever
    /// [`Options::waiting`](crate::Options::waiting) says. Once the future has an output, waits until all sessions that
    /// have ended in it are on disk.
    ///
    /// Returns the output, and an error if the disk fails. The sessions have ended in memory all the same.
    ///
    /// A future that ends no session waits for nothing, and nothing is allocated for it. Sessions that end in another
    /// task, which the future has spawned, are not waited for. If the future is dropped, nothing is.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_persist::{Options, Persistence};
    ///
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path().join("sessions");
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let sessions = Persistence::open(&dir, Options::new())?;
    /// let (store, id) = (sessions.store().clone(), sessions.store().create()?);
    /// let logout = async move { store.delete(&id) };
    ///
    /// let (ended, on_disk) = sessions.settler().run(logout).await;
    /// assert!(ended && on_disk.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<F: Future>(&self, future: F) -> Settling<F> {
        self.start(|| future)
    }

    /// Makes a future, and runs it. Sessions that end while it is made count too.
    pub(crate) fn start<F: Future>(&self, make: impl FnOnce() -> F) -> Settling<F> {
        let (future, ticket) = self.journal.deferred(make);
        Settling { future: Some(future), output: None, ticket, journal: Arc::clone(&self.journal) }
    }
}

impl fmt::Debug for Settler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settler").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future whose output waits for the disk. Made by [`Settler::run`].
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Settling<F: Future> {
        // `None` once it has an output.
        #[pin]
        future: Option<F>,
        output: Option<F::Output>,
        // Of the last end of a session in the future; 0 for none.
        ticket: u64,
        journal: Arc<Journal>,
    }

    impl<F: Future> PinnedDrop for Settling<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                // A layer takes back what a request has changed, which must not block.
                this.journal.deferred(|| this.future.set(None));
            }
        }
    }
}

impl<F: Future> Future for Settling<F> {
    type Output = (F::Output, Result<(), NotDurable>);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            let (polled, ticket) = this.journal.deferred(|| future.poll(context));
            *this.ticket = ticket.max(*this.ticket);
            *this.output = Some(ready!(polled));
            let ((), ticket) = this.journal.deferred(|| this.future.set(None));
            *this.ticket = ticket.max(*this.ticket);
        }
        let on_disk = match *this.ticket {
            0 => Ok(()),
            ticket => ready!(this.journal.poll(ticket, context)),
        };
        Poll::Ready((this.output.take().expect("polled after it was ready"), on_disk))
    }
}

impl<F: Future> fmt::Debug for Settling<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling").finish_non_exhaustive()
    }
}
