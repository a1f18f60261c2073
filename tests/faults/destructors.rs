//! Content whose `Drop` does something. It is dropped when no thread can be reading it, whatever the thread that ended
//! its session does. A `Drop` that uses stores is never nested in another `Drop`.

use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use cloakroom::{Content, SessionConfig, SessionId, SessionStore, Sweeper};

/// A small stack for a server's thread.
const STACK: usize = 256 * 1024;

fn typed<T: Content>(shards: usize) -> SessionStore<T> {
    SessionStore::typed(SessionConfig::default().shards(shards))
}

/// Runs `f` on a small stack.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(f).expect("there are threads").join().expect("no overflow");
}

/// Lets a thread delete sessions and then idle. Asserts that `notice` causes the values to be dropped.
fn assert_dropped_while_their_thread_idles(sessions: usize, notice: impl Fn(&SessionStore<Arc<()>>)) {
    let store = typed::<Arc<()>>(4);
    let held = Arc::new(());
    let ids: Vec<_> = (0..sessions).map(|_| store.create_with(held.clone()).expect("there is room")).collect();
    let ((deleted, is_deleted), (leave, may_leave)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        let (store, ids) = (&store, &ids);
        scope.spawn(move || {
            assert!(ids.iter().all(|id| store.delete(id)));
            deleted.send(()).expect("the test waits for it");
            may_leave.recv().expect("the test sends it");
        });
        is_deleted.recv().expect("the thread says so");
        // Threads of other tests may hold back reclamation for a while.
        for _ in 0..100_000 {
            if Arc::strong_count(&held) == 1 {
                break;
            }
            notice(store);
            thread::yield_now();
        }
        let left = Arc::strong_count(&held) - 1;
        leave.send(()).expect("the thread waits for it");
        assert_eq!(left, 0, "values of {sessions} deleted sessions are still held");
    });
}

#[test]
fn a_flush_drops_what_an_idle_thread_has_deleted() {
    for sessions in [1, 3, 100, 1_000] {
        assert_dropped_while_their_thread_idles(sessions, SessionStore::flush);
    }
}

#[test]
fn a_sweep_drops_what_an_idle_thread_has_deleted() {
    assert_dropped_while_their_thread_idles(3, |store| assert_eq!(store.evict_expired(), 0));
}

#[test]
fn a_sweeper_drops_what_an_idle_thread_has_deleted() {
    let swept = Arc::new(typed::<Arc<()>>(1));
    let _sweeper = Sweeper::start(swept, std::time::Duration::from_millis(10));
    assert_dropped_while_their_thread_idles(3, |_| ());
}

#[test]
fn reads_of_another_thread_drop_what_an_idle_thread_has_deleted() {
    let other = SessionStore::default();
    let id = other.create().expect("there is room");
    for sessions in [1, 64, 100] {
        assert_dropped_while_their_thread_idles(sessions, |_| assert!((0..500).all(|_| other.exists(&id))));
    }
}

/// A link of a chain: ends the session of the next link when it is dropped.
struct Link {
    store: Weak<SessionStore<Link>>,
    next: OnceLock<SessionId>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let (Some(store), Some(next)) = (self.store.upgrade(), self.next.get()) {
            assert!(store.delete(next));
        }
    }
}

fn chain(store: &Arc<SessionStore<Link>>, links: usize) -> SessionId {
    let link = |next| Link { store: Arc::downgrade(store), next };
    (0..links)
        .fold(None, |next, _| {
            let next = next.map_or_else(OnceLock::new, OnceLock::from);
            Some(store.create_with(link(next)).expect("there is room"))
        })
        .expect("there are links")
}

fn flush_until(done: impl Fn() -> bool) {
    for _ in 0..10_000_000 {
        if done() {
            return;
        }
        SessionStore::default().flush();
    }
    panic!("not all is dropped");
}

#[test]
fn a_chain_of_drops_that_each_delete_a_session_takes_no_stack() {
    for shards in [1, 64] {
        on_a_small_stack(move || {
            let store = Arc::new(typed::<Link>(shards));
            let first = chain(&store, 20_000);
            assert!(store.delete(&first));
            flush_until(|| store.count() == 0);
        });
    }
}

/// Deletes a session of another store when it is dropped, and flushes now and then.
struct Deleter(Arc<SessionStore<Vec<u8>>>, SessionId, bool);

impl Drop for Deleter {
    fn drop(&mut self) {
        assert!(self.0.delete(&self.1));
        if self.2 {
            self.0.flush();
        }
    }
}

fn deleters(shards: usize, sessions: usize) -> (SessionStore<Deleter>, Arc<SessionStore<Vec<u8>>>, Vec<SessionId>) {
    let (store, other) = (typed::<Deleter>(shards), Arc::new(typed::<Vec<u8>>(shards)));
    let ids = (0..sessions).map(|number| {
        let id = other.create_with(vec![1; 8]).expect("there is room");
        store.create_with(Deleter(other.clone(), id, number % 16 == 0)).expect("there is room")
    });
    let ids = ids.collect();
    (store, other, ids)
}

#[test]
fn drops_that_delete_other_sessions_take_no_stack() {
    on_a_small_stack(|| {
        let (store, other, ids) = deleters(1, 20_000);
        assert!(ids.iter().all(|id| store.delete(id)));
        flush_until(|| other.count() == 0);
    });
}

#[test]
fn dropping_a_store_whose_values_delete_other_sessions_takes_no_stack() {
    on_a_small_stack(|| {
        let (store, other, _) = deleters(4, 20_000);
        drop(store);
        assert_eq!(other.count(), 0, "what a store holds is dropped with it");
    });
}

/// Holds another store, which holds the next one, and so on.
#[allow(dead_code, reason = "both are there to be dropped")]
struct Nested(Option<SessionStore<Nested>>, Arc<()>);

#[test]
fn stores_within_stores_are_dropped_without_stack() {
    on_a_small_stack(|| {
        let held = Arc::new(());
        let outermost = (0..2_000).fold(None, |within, _| {
            let store = typed::<Nested>(1);
            store.create_with(Nested(within, held.clone())).expect("there is room");
            Some(store)
        });
        drop(outermost);
        assert_eq!(Arc::strong_count(&held), 1, "all of them are dropped when the outermost is");
    });
}
