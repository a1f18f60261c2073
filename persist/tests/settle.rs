//! Futures whose output waits for the disk, the layer of them, and a directory that another one holds.

mod support;

use cloakroom_persist::{Access, OpenError, Options, Persistence, Verdict, Waiting};
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use support::{Dir, SECOND, crash};

/// A disk that can be halted, or fail.
#[derive(Clone, Default)]
struct Brake {
    halted: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
}

impl Brake {
    fn open(&self, dir: &Dir, waiting: Waiting) -> Persistence {
        let Self { halted, failing } = self.clone();
        let decide = move |access| {
            // Not for ever, so that a test that has failed ends.
            let begun = Instant::now();
            while access == Access::Sync && halted.load(Ordering::Relaxed) && begun.elapsed() < 8 * SECOND {
                thread::sleep(SECOND / 1_000);
            }
            if failing.load(Ordering::Relaxed) { Verdict::Fail(ErrorKind::StorageFull) } else { Verdict::Pass }
        };
        Persistence::open(dir.path(), Options::new().waiting(waiting).faults(decide)).unwrap()
    }

    fn halt(&self, halted: bool) {
        self.halted.store(halted, Ordering::Relaxed);
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn until_ready<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let begun = Instant::now();
    loop {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
        assert!(begun.elapsed() < 20 * SECOND, "it is never ready");
        thread::sleep(SECOND / 1_000);
    }
}

#[test]
fn an_output_waits_for_the_end_of_a_session_and_for_nothing_else() {
    for waiting in [Waiting::InCall, Waiting::WhereAsked] {
        let (dir, brake) = (Dir::new(), Brake::default());
        let sessions = brake.open(&dir, waiting);
        let (store, settler) = (&Arc::clone(sessions.store()), sessions.settler());
        let [ended, rotated, other] = [(); 3].map(|()| store.create().unwrap());
        sessions.flush().unwrap();
        brake.halt(true);

        let mut end = pin!(settler.run(async { store.delete(&ended) }));
        let mut rotate = pin!(settler.run(async { store.rotate_id(&rotated).unwrap() }));
        assert!(poll(end.as_mut()).is_pending() && poll(rotate.as_mut()).is_pending());
        assert!(!store.exists(&ended) && !store.exists(&rotated), "an end takes effect at once");
        // Neither a read nor a change waits, although others do on this thread.
        let mut change = pin!(settler.run(async { store.exists(&other) && store.set(&other, "a", "1").is_ok() }));
        assert_eq!(poll(change.as_mut()), Poll::Ready((true, Ok(()))));

        brake.halt(false);
        assert_eq!(until_ready(end), (true, Ok(())));
        let (new, on_disk) = until_ready(rotate);
        assert_eq!(on_disk, Ok(()));
        crash(sessions, &dir);
        let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
        assert!(!sessions.store().exists(&ended) && !sessions.store().exists(&rotated));
        assert!(sessions.store().exists(&new));
    }
}

#[test]
fn the_ends_of_all_polls_count() {
    let (dir, brake) = (Dir::new(), Brake::default());
    let sessions = brake.open(&dir, Waiting::InCall);
    let ids = [(); 2].map(|()| sessions.store().create().unwrap());
    sessions.flush().unwrap();
    brake.halt(true);
    let mut left = ids.iter();
    let future = poll_fn(|context| match left.next() {
        Some(id) if sessions.store().delete(id) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        _ => Poll::Ready(()),
    });
    let mut settling = pin!(sessions.settler().run(future));
    for _ in 0..4 {
        assert!(poll(settling.as_mut()).is_pending());
    }
    brake.halt(false);
    assert_eq!(until_ready(settling), ((), Ok(())));
}

/// Ends a session when it is dropped, as a request does that is given up.
struct EndsWhenDropped<'a>(&'a Persistence, cloakroom::SessionId);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        assert!(self.0.store().delete(&self.1));
    }
}

#[test]
fn a_future_that_is_dropped_blocks_nobody_and_one_that_completes_waits_for_what_its_drop_ends() {
    let (dir, brake) = (Dir::new(), Brake::default());
    let sessions = brake.open(&dir, Waiting::InCall);
    let [given_up, completed] = [(); 2].map(|()| sessions.store().create().unwrap());
    sessions.flush().unwrap();
    brake.halt(true);
    let guard = EndsWhenDropped(&sessions, given_up);
    let mut settling = Box::pin(sessions.settler().run(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    }));
    assert!(poll(settling.as_mut()).is_pending());
    let begun = Instant::now();
    drop(settling);
    assert!(begun.elapsed() < 4 * SECOND, "it has waited for the disk");
    assert!(!sessions.store().exists(&given_up));

    let guard = EndsWhenDropped(&sessions, completed);
    let mut settling = pin!(sessions.settler().run(poll_fn(move |_| {
        // It is dropped with the closure, after the output.
        let _ = &guard;
        Poll::Ready(())
    })));
    assert!(poll(settling.as_mut()).is_pending());
    assert!(!sessions.store().exists(&completed));
    brake.halt(false);
    assert_eq!(until_ready(settling), ((), Ok(())));
}

#[test]
fn a_failing_disk_is_told_with_the_output() {
    let (dir, brake) = (Dir::new(), Brake::default());
    let sessions = brake.open(&dir, Waiting::InCall);
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    brake.failing.store(true, Ordering::Relaxed);
    let (ended, on_disk) = until_ready(pin!(sessions.settler().run(async { sessions.store().delete(&id) })));
    assert!(ended && on_disk.is_err() && !sessions.store().exists(&id));
}

#[cfg(feature = "tower")]
mod layer {
    use super::*;
    use cloakroom_persist::SettledLayer;
    use http::{Request, Response};
    use std::convert::Infallible;
    use tower::{Layer, Service, service_fn};

    /// The response to a request that ends a session.
    fn end(sessions: &Persistence, layer: &SettledLayer) -> Response<&'static str> {
        let id = sessions.store().create().unwrap();
        let mut service = layer.layer(service_fn(|_: Request<()>| {
            // Not within the future, but before it.
            assert!(sessions.store().delete(&id));
            let response = Response::builder().header("set-cookie", "gone").body("logged out").unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        }));
        until_ready(pin!(service.call(Request::new(())))).unwrap()
    }

    #[test]
    fn a_response_waits_for_the_disk_and_is_503_if_it_fails() {
        let (dir, brake) = (Dir::new(), Brake::default());
        let sessions = brake.open(&dir, Waiting::InCall);
        let layer = SettledLayer::new(&sessions);
        let id = sessions.store().create().unwrap();
        sessions.flush().unwrap();
        brake.halt(true);
        let mut service = layer
            .layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(sessions.store().delete(&id)))));
        let mut response = pin!(service.call(Request::new(())));
        assert!(poll(response.as_mut()).is_pending());
        brake.halt(false);
        let response = until_ready(response).unwrap();
        assert!(response.status() == 200 && *response.body());

        assert_eq!(end(&sessions, &layer).status(), 200);
        brake.failing.store(true, Ordering::Relaxed);
        let refused = end(&sessions, &layer);
        assert_eq!((refused.status().as_u16(), *refused.body()), (503, "logged out"));
        assert_eq!(refused.headers()["set-cookie"], "gone");
        assert_eq!(end(&sessions, &layer.answer_anyway()).status(), 200);
    }
}

#[test]
fn a_directory_that_is_in_use_can_be_waited_for() {
    let dir = Dir::new();
    let first = Persistence::open(dir.path(), Options::new()).unwrap();
    let id = first.store().create().unwrap();
    assert!(matches!(Persistence::open(dir.path(), Options::new()), Err(OpenError::InUse)));
    let begun = Instant::now();
    let patient = |most: Duration| Persistence::open(dir.path(), Options::new().wait_for_lock(most));
    assert!(matches!(patient(SECOND / 10), Err(OpenError::InUse)));
    assert!(begun.elapsed() >= SECOND / 10);

    thread::scope(|scope| {
        let successor = scope.spawn(|| patient(60 * SECOND).unwrap());
        thread::sleep(SECOND / 10);
        assert!(!successor.is_finished());
        first.close().unwrap();
        let successor = successor.join().unwrap();
        assert!(successor.store().exists(&id) && successor.restored().clean);
    });
}
