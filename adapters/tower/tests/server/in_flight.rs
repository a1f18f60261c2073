//! Ends of a session while other requests of it are in flight.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use cloakroom::{Clock, ManualClock, SessionStore};
use tokio::{runtime, sync::mpsc as async_mpsc};

use crate::{
    app::Settings,
    harness::{Browser, DEADLINE, Server, serve},
};

const INSECURE: Settings = Settings { secure_cookies: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_among_visits_ends_the_session_for_good() {
    let server = Server::start().await;
    for _ in 0..40 {
        let browser = server.browser();
        let id = browser.logged_in("ada").await;
        let visits = (0..4).map(|_| {
            let browser = browser.clone();
            tokio::spawn(async move { browser.profile().await.status().as_u16() })
        });
        let visits = visits.collect::<Vec<_>>();
        assert_eq!(browser.logout().await.status(), 204);
        assert_eq!(server.jarless().status_of(&id).await, 401);
        for visit in visits {
            assert!([200, 401].contains(&visit.await.expect("no panic")));
        }
        assert_eq!(server.jarless().status_of(&id).await, 401);
        assert_eq!(server.store.count(), 0);
    }
}

/// How the session ends while a request of it is in flight.
#[derive(Clone, Copy)]
enum End {
    Logout,
    LogoutEverywhere,
    OfAnotherDevice,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_suspended_during_a_logout_does_not_restore_the_session() {
    suspended_visits_restore_nothing(End::Logout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_suspended_during_a_logout_everywhere_does_not_restore_the_session() {
    suspended_visits_restore_nothing(End::LogoutEverywhere).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_suspended_while_another_device_ends_it_does_not_restore_the_session() {
    suspended_visits_restore_nothing(End::OfAnotherDevice).await;
}

/// Suspends a visit at each of its reads of the clock in turn: before the layer finds the session, before the handler
/// reads it, and before the handler writes it. The session ends while the visit is suspended, so its end does not wait
/// for the visit.
async fn suspended_visits_restore_nothing(end: End) {
    let (clock, mut suspended, resume) = SuspendingClock::new();
    let store = Arc::new(SessionStore::builder().clock(clock.clone()).build().expect("a valid configuration"));
    // The visits have a runtime of their own, so that a suspended visit blocks no other task.
    let visited = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let visits_at = visited.spawn(serve(Arc::clone(&store), INSECURE)).await.expect("no panic");
    let server = Server {
        address: serve(Arc::clone(&store), INSECURE).await,
        store: Arc::clone(&store),
        clock: ManualClock::new(),
    };
    let browser = server.browser();
    let visitor = Browser { base: format!("http://{visits_at}"), ..browser.clone() };

    let mut suspensions = 0;
    loop {
        let id = browser.logged_in("ada").await;
        clock.suspend_at(suspensions + 1);
        let visitor = visitor.clone();
        let mut visit = tokio::spawn(async move { visitor.profile().await.status().as_u16() });
        tokio::select! {
            biased;
            _ = suspended.recv() => suspensions += 1,
            status = &mut visit => {
                assert_eq!(status.expect("no panic"), 200);
                break;
            }
        }
        let left = bring_to(end, &server, &browser).await;
        assert!(!store.exists(&id));
        resume.send(()).expect("a suspended visit");
        assert!([200, 401].contains(&visit.await.expect("no panic")));
        assert!(!store.exists(&id), "after suspension {suspensions}");
        assert_eq!(store.count(), left, "after suspension {suspensions}");
        store.delete_where(|_| true);
    }
    assert!(
        suspensions >= 3,
        "a visit finds, reads and writes, and each looks at the clock; suspended {suspensions} times"
    );
    visited.shutdown_background();
}

/// Ends the session of a browser, and returns the number of sessions that are left.
async fn bring_to(end: End, server: &Server, browser: &Browser) -> usize {
    match end {
        End::Logout => {
            assert_eq!(browser.logout().await.status(), 204);
            0
        }
        End::LogoutEverywhere => {
            assert_eq!(browser.post("/logout-everywhere", &[]).await.status(), 204);
            0
        }
        End::OfAnotherDevice => {
            let other = server.browser();
            other.logged_in("ada").await;
            let told = other.told().await;
            let device = told["devices"].as_array().expect("a list").iter().find(|device| device["this"] == false);
            let name = device.expect("the one to be ended")["name"].as_str().expect("a name");
            assert_eq!(other.post("/end", &[("device", name)]).await.status(), 204);
            1
        }
    }
}

/// A clock that stands still, and suspends one of the threads that read it until the test resumes the thread.
#[derive(Clone)]
struct SuspendingClock(Arc<Gate>);

struct Gate {
    /// The number of reads up to the suspended one; zero suspends none.
    reads_left: Mutex<usize>,
    suspended: async_mpsc::UnboundedSender<()>,
    resume: Mutex<mpsc::Receiver<()>>,
}

impl SuspendingClock {
    fn new() -> (Self, async_mpsc::UnboundedReceiver<()>, mpsc::Sender<()>) {
        let (suspended, is_suspended) = async_mpsc::unbounded_channel();
        let (resume, resumed) = mpsc::channel();
        let gate = Gate { reads_left: Mutex::new(0), suspended, resume: Mutex::new(resumed) };
        (Self(Arc::new(gate)), is_suspended, resume)
    }

    fn suspend_at(&self, read: usize) {
        *self.0.reads_left.lock().expect("no panic") = read;
    }
}

impl Clock for SuspendingClock {
    fn now(&self) -> Duration {
        let mut reads_left = self.0.reads_left.lock().expect("no panic");
        let is_this_one = *reads_left == 1;
        *reads_left = reads_left.saturating_sub(1);
        drop(reads_left);
        if is_this_one {
            self.0.suspended.send(()).expect("the test listens");
            self.0.resume.lock().expect("no panic").recv_timeout(DEADLINE).expect("the session ends in time");
        }
        Duration::ZERO
    }
}
