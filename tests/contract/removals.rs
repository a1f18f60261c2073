//! The removal listener: it receives each end of a session once, with the cause, from a thread that holds nothing of
//! the store.

use cloakroom::{
    Attributes, ManualClock, Principal, RemovalCause, SessionId, SessionStore, SessionStoreBuilder, Timeouts, WhenFull,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crate::support::{TICK, TTL, session};

type Told = Arc<Mutex<Vec<(SessionId, RemovalCause)>>>;

fn told_with(configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder) -> (SessionStore, ManualClock, Told) {
    let (clock, told) = (ManualClock::new(), Told::default());
    let telling = Arc::clone(&told);
    let builder = SessionStore::builder().ttl(TTL).clock(clock.clone());
    let builder = builder.on_removal(move |removal| telling.lock().unwrap().push((removal.id, removal.cause)));
    (configure(builder).build().expect("the settings are valid"), clock, told)
}

fn take(told: &Told) -> Vec<(SessionId, RemovalCause)> {
    std::mem::take(&mut *told.lock().unwrap())
}

#[test]
fn the_listener_receives_each_end_with_its_cause() {
    let (store, clock, told) = told_with(|builder| builder);
    let id = session(&store);
    assert!(store.delete(&id));
    assert_eq!(take(&told), [(id, RemovalCause::Deleted)]);
    let old = session(&store);
    let new = store.rotate_id(&old).expect("it is live");
    assert_eq!(take(&told), [(old, RemovalCause::Rotated)]);
    clock.advance(TTL + TICK);
    assert!(!store.exists(&new));
    assert_eq!(take(&told), [(new, RemovalCause::IdleTimeout)]);
    let short = store.new_session().absolute_timeout(TICK).create().expect("there is room");
    clock.advance(2 * TICK);
    assert_eq!(store.evict_expired(), 1);
    assert_eq!(take(&told), [(short, RemovalCause::AbsoluteTimeout)]);
}

#[test]
fn the_listener_receives_nothing_but_ends() {
    let (store, clock, told) = told_with(|builder| builder);
    let id = session(&store);
    store.set(&id, "role", "admin").expect("it is live");
    store.set_timeouts(&id, Timeouts::default().idle(2 * TTL)).expect("it is live");
    clock.advance(TTL);
    store.touch(&id);
    assert!(!store.delete(&SessionId::from_bytes([7; 32])));
    drop(store);
    assert_eq!(take(&told), []);
}

/// The old id is reported at the rotation, and not again at the end of its grace.
#[test]
fn a_rotation_with_grace_is_reported_once() {
    let (store, clock, told) = told_with(|builder| builder);
    let old = session(&store);
    let new = store.rotation(&old).grace(2 * TICK).rotate().expect("it is live");
    assert_eq!(take(&told), [(old, RemovalCause::Rotated)]);
    clock.advance(3 * TICK);
    assert!(!store.exists(&old));
    store.evict_expired();
    assert_eq!((take(&told), store.exists(&new), store.count()), (vec![], true, 1));
}

#[test]
fn a_panic_of_the_listener_has_no_other_effect() {
    let store = SessionStore::builder().on_removal(|_| panic!("the listener is out of order")).build();
    let store = store.expect("the settings are valid");
    let id = session(&store);
    assert!(store.delete(&id));
    let ids: Vec<_> = (0..100).map(|_| session(&store)).collect();
    assert!(ids.iter().all(|id| store.delete(id)));
    assert_eq!(store.count(), 0);
}

#[test]
fn the_listener_may_call_the_store() {
    static STORE: OnceLock<SessionStore> = OnceLock::new();
    let builder = SessionStore::builder().on_removal(|removal| {
        let store = STORE.get().expect("there is one by now");
        assert!(!store.exists(&removal.id));
        if store.count() < 5 {
            let id = session(store);
            store.delete(&session(store));
            assert!(store.exists(&id));
        }
    });
    let store = STORE.get_or_init(|| builder.build().expect("the settings are valid"));
    store.delete(&session(store));
    assert_eq!(store.count(), 5);
}

#[test]
fn each_of_many_concurrent_ends_is_reported_once() {
    let (store, clock, told) = told_with(|builder| builder.shards(2));
    let ids: Vec<_> = (0..2_000).map(|_| session(&store)).collect();
    thread::scope(|scope| {
        scope.spawn(|| ids.iter().for_each(|id| _ = store.delete(id)));
        scope.spawn(|| ids.iter().rev().for_each(|id| _ = store.delete(id)));
        scope.spawn(|| {
            clock.advance(TTL + Duration::from_secs(1));
            store.evict_expired();
        });
    });
    let mut told: Vec<_> = take(&told).into_iter().map(|(id, _)| *id.as_bytes()).collect();
    told.sort_unstable();
    let mut all: Vec<_> = ids.iter().map(|id| *id.as_bytes()).collect();
    all.sort_unstable();
    assert_eq!(told, all);
}

#[test]
fn ends_by_one_thread_are_reported_in_order_and_before_each_operation_returns() {
    let (store, _, told) = told_with(|builder| builder);
    let ids = [(); 20].map(|()| session(&store));
    for (at, id) in ids.iter().enumerate() {
        assert!(store.delete(id));
        assert_eq!(told.lock().unwrap().len(), at + 1);
    }
    assert_eq!(take(&told), ids.map(|id| (id, RemovalCause::Deleted)));
}

/// A listener that lets another thread run during the first call, and waits for it.
struct Interrupted {
    store: OnceLock<SessionStore>,
    calls: AtomicUsize,
    told: Mutex<Vec<(SessionId, RemovalCause, u64)>>,
    meets: Barrier,
}

impl Interrupted {
    fn new() -> Arc<Self> {
        let (store, calls, told) = Default::default();
        let this = Arc::new(Self { store, calls, told, meets: Barrier::new(2) });
        let listener = Arc::clone(&this);
        let store = SessionStore::builder().on_removal(move |removal| {
            if listener.calls.fetch_add(1, Ordering::Relaxed) == 0 {
                listener.meets.wait();
                listener.meets.wait();
            }
            listener.told.lock().unwrap().push((removal.id, removal.cause, removal.serial));
        });
        assert!(this.store.set(store.build().expect("the settings are valid")).is_ok());
        this
    }

    fn store(&self) -> &SessionStore {
        self.store.get().expect("it has been set")
    }

    /// Does `first`, and does `second` on another thread while the listener receives the first end.
    fn during(&self, first: impl FnOnce(&SessionStore), second: impl FnOnce(&SessionStore) + Send) {
        thread::scope(|scope| {
            scope.spawn(|| {
                self.meets.wait();
                second(self.store());
                self.meets.wait();
            });
            first(self.store());
        });
    }

    fn told(&self) -> Vec<(SessionId, RemovalCause, u64)> {
        self.told.lock().unwrap().clone()
    }
}

#[test]
fn an_id_may_have_a_new_session_when_the_end_of_the_former_is_reported_and_the_serial_differs() {
    let (interrupted, id) = (Interrupted::new(), SessionId::from_bytes([7; 32]));
    let insert = |store: &SessionStore| store.insert_with(&id, Timeouts::default(), [("user", "ada")]);
    assert_eq!(insert(interrupted.store()), Ok(()));
    interrupted.during(
        |store| assert!(store.delete(&id)),
        |store| {
            assert_eq!(insert(store), Ok(()));
            assert_eq!(store.serial(&id), Some(2));
        },
    );
    assert_eq!(interrupted.told(), [(id, RemovalCause::Deleted, 1)]);
    assert!(interrupted.store().exists(&id));
}

#[test]
fn the_end_of_a_session_may_be_reported_before_its_rotation_by_another_thread() {
    let interrupted = Interrupted::new();
    let old = session(interrupted.store());
    let mut new = None;
    interrupted
        .during(|store| new = store.rotation(&old).grace(TTL).rotate().ok(), |store| assert!(store.delete(&old)));
    let new = new.expect("it was live");
    assert_eq!(interrupted.told(), [(new, RemovalCause::Deleted, 0), (old, RemovalCause::Rotated, 0)]);
}

/// What the listener received: the cause, and the user that `capture` has taken.
type Content = Arc<Mutex<Vec<(RemovalCause, Option<String>)>>>;

fn with_content(
    configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
) -> (SessionStore, ManualClock, Content) {
    let (clock, told) = (ManualClock::new(), Content::default());
    let telling = Arc::clone(&told);
    let builder = SessionStore::builder().ttl(TTL).clock(clock.clone()).on_removal_with(
        |session: &Attributes| session.get("user").unwrap_or("nobody").to_owned(),
        move |removal, user| telling.lock().unwrap().push((removal.cause, user)),
    );
    (configure(builder).build().expect("the settings are valid"), clock, told)
}

/// The content is the last one, whatever ends the session.
#[test]
fn the_listener_receives_what_each_ended_session_held() {
    let (store, clock, told) = with_content(|builder| builder.max_sessions(2).when_full(WhenFull::EndIdlest));
    let named = |user: &str| store.create_with([("user", user)]).expect("there is room");
    let take = || std::mem::take(&mut *told.lock().unwrap());
    let id = named("ada");
    store.set(&id, "user", "grace").expect("it is live");
    store.delete(&id);
    assert_eq!(take(), [(RemovalCause::Deleted, Some("grace".to_owned()))]);

    let old = named("ada");
    let new = store.rotate_id(&old).expect("it is live");
    let newest = store.rotation(&new).grace(TTL).rotate().expect("it is live");
    assert_eq!(take(), [(RemovalCause::Rotated, None), (RemovalCause::Rotated, None)], "it lives on with its content");
    let visitor = store.unbind(&newest, |_| false).expect("it is live");
    assert_eq!(take(), [(RemovalCause::Deleted, Some("ada".to_owned()))]);
    store.delete(&visitor);
    assert_eq!(take(), [(RemovalCause::Deleted, Some("nobody".to_owned()))]);

    let principal = Principal::new("ada");
    store.new_session().principal(principal).create_with([("user", "bound")]).expect("there is room");
    store.end_sessions_of(&principal);
    assert_eq!(take(), [(RemovalCause::Principal, Some("bound".to_owned()))]);

    let (_first, _second) = (named("first"), named("second"));
    clock.advance(TICK);
    named("third");
    let [(RemovalCause::Capacity, Some(user))] = &take()[..] else { panic!("one session made room") };
    assert!(["first", "second"].contains(&user.as_str()));
    clock.advance(TTL + TICK);
    assert_eq!(store.evict_expired(), 2);
    let mut users: Vec<_> = take().into_iter().map(|(cause, user)| (cause, user.expect("captured"))).collect();
    users.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(users.last(), Some(&(RemovalCause::IdleTimeout, "third".to_owned())));
    assert_eq!(users.len(), 2);
}

#[test]
fn the_content_of_each_of_many_concurrent_ends_is_captured_once() {
    let captured = Arc::new(AtomicUsize::new(0));
    let (counting, told) = (Arc::clone(&captured), Arc::new(Mutex::new(Vec::new())));
    let telling = Arc::clone(&told);
    let builder = SessionStore::builder().shards(2).on_removal_with(
        move |number: &usize| {
            counting.fetch_add(1, Ordering::Relaxed);
            *number
        },
        move |_, number| telling.lock().unwrap().push(number.expect("captured")),
    );
    let store = builder.build_typed::<usize>().expect("the settings are valid");
    let ids: Vec<_> = (0..2_000).map(|number| store.create_with(number).expect("there is room")).collect();
    thread::scope(|scope| {
        scope.spawn(|| ids.iter().for_each(|id| _ = store.delete(id)));
        scope.spawn(|| ids.iter().rev().for_each(|id| _ = store.delete(id)));
        scope.spawn(|| store.delete_where(|_| true));
        scope.spawn(|| ids.iter().for_each(|id| _ = store.update(id, |number| *number)));
    });
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.sort_unstable();
    assert_eq!(told, (0..2_000).collect::<Vec<_>>());
    assert_eq!(captured.load(Ordering::Relaxed), 2_000);
}

#[test]
fn a_panic_of_the_capture_has_no_other_effect_than_that_nothing_is_captured() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let builder = SessionStore::builder().on_removal_with(
        |_: &Attributes| -> u32 { panic!("the capture is out of order") },
        move |removal, captured| telling.lock().unwrap().push((removal.id, captured)),
    );
    let store = builder.build().expect("the settings are valid");
    let ids: Vec<_> = (0..3).map(|_| session(&store)).collect();
    assert!(ids.iter().all(|id| store.delete(id)));
    assert_eq!((store.count(), told.lock().unwrap().clone()), (0, ids.iter().map(|id| (*id, None)).collect()));
}

#[test]
fn the_capture_may_call_the_store() {
    static STORE: OnceLock<SessionStore> = OnceLock::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let builder = SessionStore::builder().on_removal_with(
        |session: &Attributes| {
            let store = STORE.get().expect("there is one by now");
            if session.contains("parent") {
                let child = store.create_with([("child", "")]).expect("there is room");
                assert!(store.delete(&child));
            }
        },
        |_, captured: Option<()>| _ = captured.map(|()| SEEN.fetch_add(1, Ordering::Relaxed)),
    );
    let store = STORE.get_or_init(|| builder.build().expect("the settings are valid"));
    let parent = store.create_with([("parent", "")]).expect("there is room");
    assert!(store.delete(&parent));
    assert_eq!((store.count(), SEEN.load(Ordering::Relaxed)), (0, 2));
}
