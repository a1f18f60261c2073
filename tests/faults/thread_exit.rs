//! Threads that end, and destructors of thread-local values that use a store while their thread ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use cloakroom::{SessionId, SessionStore};

use crate::support::{assert_nothing_lost, session, store};

/// Calls its closure when it is dropped.
struct Farewell(Option<Box<dyn FnOnce()>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(farewell) = self.0.take() {
            farewell();
        }
    }
}

thread_local! {
    static FAREWELL: RefCell<Farewell> = const { RefCell::new(Farewell(None)) };
}

/// Makes this thread call `farewell` when it ends.
fn at_the_end(farewell: impl FnOnce() + 'static) {
    FAREWELL.with_borrow_mut(|slot| slot.0 = Some(Box::new(farewell)));
}

/// Calls every operation, and returns whether all succeeded. (A panic would end the process here.)
fn use_all(store: &SessionStore, known: &SessionId) -> bool {
    let Ok(id) = store.create_with([("user", "bob")]) else { return false };
    let set = store.set(&id, "role", "admin").is_ok() && store.set(known, "role", "guest").is_ok();
    let got = store.get(&id, "role").as_deref() == Some("admin") && store.get(known, "user").as_deref() == Some("ada");
    let nested = store.read(&id, |outer| store.read(known, |inner| outer.len() + inner.len()));
    let deleted = store.delete(&id) && !store.delete(&id) && !store.exists(&id);
    let swept = store.evict_expired() == 0;
    store.flush();
    set && got && nested.flatten() == Some(4) && deleted && swept
}

/// Runs `body` on a new thread, and returns its reports after the end of the thread.
fn on_a_thread(body: impl FnOnce(std::sync::mpsc::Sender<bool>) + Send + 'static) -> Receiver<bool> {
    let (report, reports) = channel();
    thread::spawn(move || body(report)).join().expect("the thread does not panic");
    reports
}

#[test]
fn a_thread_may_use_the_store_for_the_first_time_when_it_ends() {
    let store = Arc::new(store(4).0);
    let id = session(&store);
    let shared = store.clone();
    let reports = on_a_thread(move |report| at_the_end(move || _ = report.send(use_all(&shared, &id))));
    assert_eq!(reports.recv(), Ok(true));
    assert_nothing_lost(&store, &[id]);
}

#[test]
fn a_thread_local_destructor_may_use_the_store_in_either_order() {
    for destructor_first in [true, false] {
        let store = Arc::new(store(4).0);
        let id = session(&store);
        let shared = store.clone();
        let reports = on_a_thread(move |report| {
            let farewell = (report.clone(), shared.clone());
            let farewell = move || _ = farewell.0.send(use_all(&farewell.1, &id));
            if destructor_first {
                at_the_end(farewell);
                report.send(use_all(&shared, &id)).expect("somebody listens");
            } else {
                report.send(use_all(&shared, &id)).expect("somebody listens");
                at_the_end(farewell);
            }
        });
        assert_eq!(reports.iter().collect::<Vec<_>>(), [true, true], "destructor first: {destructor_first}");
        assert_nothing_lost(&store, &[id]);
    }
}

#[test]
fn a_store_may_be_dropped_when_a_thread_ends() {
    let reports = on_a_thread(move |report| {
        // Made before the store's thread-local value, so dropped after it.
        at_the_end(|| {});
        let store = store(500).0;
        let ids: Vec<_> = (0..500).map(|_| session(&store)).collect();
        ids.iter().step_by(3).for_each(|id| assert!(store.delete(id)));
        at_the_end(move || {
            let used = use_all(&store, &ids[1]);
            drop(store);
            let _ = report.send(used);
        });
    });
    assert_eq!(reports.recv(), Ok(true));
}

#[test]
fn sessions_outlive_the_threads_that_made_them() {
    const THREADS: usize = 200;
    let store = Arc::new(store(2 * THREADS + 1).0);
    let known = session(&store);
    let mut ids = vec![known];
    for _ in 0..THREADS {
        let (send, sent) = channel();
        let shared = store.clone();
        let thread = thread::spawn(move || {
            let last = (send.clone(), shared.clone());
            at_the_end(move || _ = last.1.create_with([("user", "ada")]).map(|id| last.0.send(id)));
            send.send(session(&shared)).expect("somebody listens");
            use_all(&shared, &known)
        });
        assert!(thread.join().expect("the thread does not panic"));
        ids.extend(sent);
    }
    assert_eq!(ids.len(), 2 * THREADS + 1, "each thread makes one session in its life and one at its end");
    assert!(ids.iter().all(|id| store.get(id, "user").as_deref() == Some("ada")));
    assert_nothing_lost(&store, &ids);
}
