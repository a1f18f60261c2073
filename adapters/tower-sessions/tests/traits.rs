//! The contract of each method of tower-sessions' traits, for both kinds of store and both versions of the traits.
//!
//! No test sleeps, because the stores have a [`ManualClock`](cloakroom::ManualClock).

#![cfg(any(feature = "v0_14", feature = "v0_15"))]

use std::time::Duration;

/// The tests use minutes, because a store reads the system's time of day when it is made, and a test cannot control
/// that.
const MINUTE: Duration = Duration::from_secs(60);

/// The tests that both kinds of store pass, for one kind and one version of the traits.
macro_rules! both_kinds {
    ($module:ident, $tower_sessions:ident, $kind:ident) => {
        mod $module {
            use super::super::MINUTE;
            use super::{new_record, record, store};
            use cloakroom::{ManualClock, WhenFull};
            use cloakroom_tower_sessions::{$kind, Settings};
            use serde_json::json;
            use std::sync::Arc;
            use $tower_sessions::session::Id;
            use $tower_sessions::session_store::Error;
            use $tower_sessions::{ExpiredDeletion, Session, SessionStore};

            fn new() -> ($kind, ManualClock) {
                store($kind::with)
            }

            #[tokio::test]
            async fn a_created_record_is_loaded_as_it_was() {
                let (store, _) = new();
                let mut record = record(30, json!({ "user": "ada", "nested": [1, { "two": null }] }));
                let id = record.id;
                store.create(&mut record).await.unwrap();
                assert_eq!(record.id, id);
                assert_eq!(store.load(&id).await.unwrap(), Some(record));
            }

            #[tokio::test]
            async fn the_size_of_a_record_is_limited_to_64_kib_by_default() {
                let (store, _) = new();
                for (length, fits) in [(65_536 - 32 - "text".len(), true), (65_537 - 32 - "text".len(), false)] {
                    let mut record = record(30, json!({ "text": "x".repeat(length) }));
                    _ = store.create(&mut record).await;
                    assert_eq!(store.load(&record.id).await.unwrap().is_some(), fits, "{length}");
                }
                let megabyte = json!("x".repeat(1 << 20));
                let values: serde_json::Map<_, _> = (0..64).map(|at| (at.to_string(), megabyte.clone())).collect();
                let mut record = record(30, values.into());
                _ = store.create(&mut record).await;
                assert_eq!(store.load(&record.id).await.unwrap(), None);
            }

            #[tokio::test]
            async fn an_unknown_id_loads_nothing() {
                let (store, _) = new();
                store.create(&mut new_record()).await.unwrap();
                assert_eq!(store.load(&Id::default()).await.unwrap(), None);
                assert_eq!(store.load(&Id(0)).await.unwrap(), None);
            }

            #[tokio::test]
            async fn different_ids_are_different_sessions() {
                let (store, _) = new();
                for id in [0, 1, -1, i128::MAX, i128::MIN, 1 << 64, 1 << 120] {
                    let mut record = record(30, json!({ "id": id.to_string() }));
                    record.id = Id(id);
                    store.create(&mut record).await.unwrap();
                    assert_eq!(record.id, Id(id));
                    assert_eq!(store.load(&Id(id)).await.unwrap(), Some(record));
                }
                assert_eq!(store.count(), 7);
            }

            #[tokio::test]
            async fn create_draws_another_id_if_the_records_id_is_taken() {
                let (store, _) = new();
                let mut first = record(30, json!({ "user": "ada" }));
                store.create(&mut first).await.unwrap();
                let mut second = record(30, json!({ "user": "eve" }));
                second.id = first.id;
                store.create(&mut second).await.unwrap();
                assert_ne!(second.id, first.id);
                assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
                assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
            }

            #[tokio::test]
            async fn create_reuses_the_id_of_an_expired_session() {
                let (store, clock) = new();
                let mut first = record(30, json!({ "user": "ada" }));
                store.create(&mut first).await.unwrap();
                clock.advance(31 * MINUTE);
                let mut second = record(90, json!({ "user": "eve" }));
                second.id = first.id;
                store.create(&mut second).await.unwrap();
                assert_eq!(second.id, first.id);
                assert_eq!(store.load(&first.id).await.unwrap(), Some(second));
                assert_eq!(store.count(), 1);
            }

            #[tokio::test]
            async fn a_record_created_expired_is_not_stored_and_takes_no_live_id() {
                let (store, _) = new();
                let mut live = new_record();
                store.create(&mut live).await.unwrap();
                let mut expired = record(-1, json!({ "user": "eve" }));
                expired.id = live.id;
                store.create(&mut expired).await.unwrap();
                assert_ne!(expired.id, live.id);
                assert_eq!(store.load(&expired.id).await.unwrap(), None);
                assert_eq!(store.load(&live.id).await.unwrap(), Some(live));
                assert_eq!(store.count(), 1);
            }

            #[tokio::test]
            async fn a_session_is_loaded_until_its_expiry_date_and_not_after_it() {
                let (store, clock) = new();
                let mut record = record(30, json!({ "user": "ada" }));
                store.create(&mut record).await.unwrap();
                clock.advance(29 * MINUTE);
                let loaded = store.load(&record.id).await.unwrap();
                assert_eq!(loaded.as_ref(), Some(&record), "loading does not count as activity");
                clock.advance(2 * MINUTE);
                assert_eq!(store.load(&record.id).await.unwrap(), None);
                assert_eq!(store.count(), 0, "loading an expired session removes it");
            }

            #[tokio::test]
            async fn save_replaces_all_data_of_a_session() {
                let (store, _) = new();
                let mut record = record(30, json!({ "user": "ada", "theme": "dark" }));
                store.create(&mut record).await.unwrap();
                record.data.remove("theme");
                record.data.insert("visits".to_owned(), json!(1));
                store.save(&record).await.unwrap();
                assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
                assert_eq!(store.count(), 1);
            }

            #[tokio::test]
            async fn save_moves_the_expiry_date_in_both_directions() {
                let (store, clock) = new();
                let [mut longer, mut shorter] = [record(30, json!({})), record(90, json!({}))];
                store.create(&mut longer).await.unwrap();
                store.create(&mut shorter).await.unwrap();
                std::mem::swap(&mut longer.expiry_date, &mut shorter.expiry_date);
                store.save(&longer).await.unwrap();
                store.save(&shorter).await.unwrap();
                clock.advance(31 * MINUTE);
                store.delete_expired().await.unwrap();
                assert_eq!(store.count(), 1);
                assert_eq!(store.load(&shorter.id).await.unwrap(), None);
                assert_eq!(store.load(&longer.id).await.unwrap().as_ref(), Some(&longer));
                clock.advance(60 * MINUTE);
                assert_eq!(store.load(&longer.id).await.unwrap(), None);
            }

            #[tokio::test]
            async fn save_with_an_expiry_date_in_the_past_ends_the_session() {
                let (store, _) = new();
                let mut live = new_record();
                store.create(&mut live).await.unwrap();
                live.expiry_date = record(-1, json!({})).expiry_date;
                store.save(&live).await.unwrap();
                assert_eq!(store.load(&live.id).await.unwrap(), None);
                assert_eq!(store.count(), 0);
                store.save(&live).await.unwrap();
                assert_eq!(store.count(), 0);
            }

            #[tokio::test]
            async fn delete_ends_the_session_and_no_other() {
                let (store, _) = new();
                let [mut one, mut other] = [new_record(), new_record()];
                store.create(&mut one).await.unwrap();
                store.create(&mut other).await.unwrap();
                store.delete(&one.id).await.unwrap();
                assert_eq!(store.load(&one.id).await.unwrap(), None);
                assert_eq!(store.load(&other.id).await.unwrap(), Some(other));
                assert_eq!(store.count(), 1);
            }

            #[tokio::test]
            async fn delete_of_an_unknown_id_is_no_error() {
                let (store, clock) = new();
                store.delete(&Id::default()).await.unwrap();
                let mut record = new_record();
                store.create(&mut record).await.unwrap();
                clock.advance(31 * MINUTE);
                store.delete(&record.id).await.unwrap();
                store.delete(&record.id).await.unwrap();
                assert_eq!(store.count(), 0);
            }

            #[tokio::test]
            async fn delete_expired_ends_only_expired_sessions() {
                let (store, clock) = new();
                let mut live = record(90, json!({ "user": "ada" }));
                store.create(&mut live).await.unwrap();
                for _ in 0..10_000 {
                    store.create(&mut new_record()).await.unwrap();
                }
                store.delete_expired().await.unwrap();
                assert_eq!(store.count(), 10_001);
                clock.advance(31 * MINUTE);
                assert_eq!(store.count(), 10_001);
                store.delete_expired().await.unwrap();
                assert_eq!(store.count(), 1);
                assert_eq!(store.load(&live.id).await.unwrap(), Some(live));
            }

            #[tokio::test]
            async fn a_full_store_refuses_sessions_until_one_ends_or_expires() {
                let (store, clock) = store(|settings| $kind::with(settings.max_sessions(2)));
                let [mut one, mut other, mut refused] = [(); 3].map(|()| new_record());
                store.create(&mut one).await.unwrap();
                store.create(&mut other).await.unwrap();
                match store.create(&mut refused).await {
                    Err(Error::Backend(reason)) => assert_eq!(reason, "the store has no room for another session"),
                    outcome => panic!("{outcome:?}"),
                }
                assert_eq!(store.load(&refused.id).await.unwrap(), None);
                store.save(&one).await.expect("an update needs no room");
                store.delete(&one.id).await.unwrap();
                store.create(&mut refused).await.unwrap();
                clock.advance(31 * MINUTE);
                store.create(&mut record(90, json!({}))).await.unwrap();
            }

            #[tokio::test]
            async fn the_idlest_session_makes_room_if_the_policy_says_so() {
                let full = |settings: Settings| $kind::with(settings.max_sessions(2).when_full(WhenFull::EndIdlest));
                let (store, clock) = store(full);
                let [mut idlest, mut used, mut new] = [(); 3].map(|()| new_record());
                store.create(&mut used).await.unwrap();
                store.create(&mut idlest).await.unwrap();
                clock.advance(MINUTE);
                assert!(store.load(&used.id).await.unwrap().is_some());
                store.create(&mut new).await.unwrap();
                assert_eq!(store.load(&idlest.id).await.unwrap(), None);
                assert!(store.load(&used.id).await.unwrap().is_some());
                assert_eq!(store.count(), 2);
            }

            #[tokio::test]
            async fn clones_share_one_store() {
                let (store, _) = new();
                let mut record = new_record();
                store.clone().create(&mut record).await.unwrap();
                assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
            }

            #[tokio::test]
            async fn debug_output_contains_nothing_of_a_session() {
                let (store, _) = new();
                let mut record = record(30, json!({ "user": "ada" }));
                store.create(&mut record).await.unwrap();
                let name = stringify!($kind);
                assert_eq!(format!("{store:?}"), format!("{name} {{ count: 1, .. }}"));
            }

            #[tokio::test]
            async fn delete_where_ends_sessions_by_their_data() {
                let (store, _) = new();
                let mut records = ["ada", "eve", "ada"].map(|user| record(30, json!({ "user": user })));
                for record in &mut records {
                    store.create(record).await.unwrap();
                }
                assert_eq!(store.delete_where(|data| data["user"] == "ada"), 2);
                assert_eq!(store.load(&records[0].id).await.unwrap(), None);
                assert_eq!(store.load(&records[1].id).await.unwrap().as_ref(), Some(&records[1]));
            }

            /// Through the `Session` of tower-sessions.
            #[tokio::test]
            async fn a_session_with_a_new_id_keeps_its_data() {
                let (store, _) = new();
                let store = Arc::new(store);
                let session = Session::new(None, Arc::clone(&store), None);
                session.insert("basket", ["apple"]).await.unwrap();
                session.save().await.unwrap();
                let before = session.id().unwrap();
                session.cycle_id().await.unwrap();
                session.save().await.unwrap();
                let after = session.id().unwrap();
                assert_ne!(after, before);
                assert_eq!(store.load(&before).await.unwrap(), None);
                assert_eq!(store.load(&after).await.unwrap().unwrap().data["basket"], json!(["apple"]));
                session.flush().await.unwrap();
                assert_eq!(store.count(), 0);
            }

            /// With the system's clock: a session with half an hour to live is loaded, and an expired one is not.
            #[tokio::test]
            async fn expiry_dates_are_times_of_day() {
                let store = $kind::default();
                let [mut live, mut over] = [record(30, json!({})), record(-30, json!({}))];
                store.create(&mut live).await.unwrap();
                store.create(&mut over).await.unwrap();
                store.delete_expired().await.unwrap();
                assert_eq!(store.load(&live.id).await.unwrap(), Some(live));
                assert_eq!(store.load(&over.id).await.unwrap(), None);
            }
        }
    };
}

/// All tests of one version, including those that only one kind of store passes.
macro_rules! version {
    ($version:ident, $tower_sessions:ident) => {
        mod $version {
            use super::MINUTE;
            use cloakroom::{ManualClock, WhenFull};
            use cloakroom_tower_sessions::{CloakroomCache, CloakroomStore, Settings};
            use serde_json::{Value, json};
            use std::future::poll_fn;
            use std::pin::{Pin, pin};
            use std::sync::Arc;
            use std::sync::atomic::{AtomicBool, Ordering};
            use std::task::{Context, Poll, Waker};
            use std::thread;
            use $tower_sessions::session::{Id, Record};
            use $tower_sessions::session_store::Error;
            use $tower_sessions::cookie::time::{self, OffsetDateTime};
            use $tower_sessions::{CachingSessionStore, SessionStore};

            both_kinds!(primary, $tower_sessions, CloakroomStore);
            both_kinds!(cache, $tower_sessions, CloakroomCache);

            fn store<S>(with: impl FnOnce(Settings) -> S) -> (S, ManualClock) {
                let clock = ManualClock::new();
                (with(Settings::new().clock(clock.clone())), clock)
            }

            /// A record that expires in the given number of minutes.
            fn record(minutes: i64, data: Value) -> Record {
                let data = data.as_object().expect("an object").clone().into_iter().collect();
                let expiry_date = OffsetDateTime::now_utc() + time::Duration::minutes(minutes);
                Record { id: Id::default(), data, expiry_date }
            }

            fn new_record() -> Record {
                record(30, json!({ "user": "ada" }))
            }

            #[tokio::test]
            async fn a_record_that_is_too_large_is_refused_and_the_session_stays_as_it_was() {
                let store = CloakroomStore::with(Settings::new().max_session_bytes(100));
                let mut record = new_record();
                store.create(&mut record).await.unwrap();
                let text = self::record(30, json!({ "text": "x".repeat(100) }));
                let large = Record { data: text.data, ..record.clone() };
                let refused = [store.save(&large).await, store.create(&mut large.clone()).await];
                for error in refused {
                    let Err(Error::Backend(reason)) = error else { panic!("{error:?}") };
                    assert_eq!(reason, "attributes of 136 bytes exceed the limit of 100 for a session");
                }
                assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
                assert_eq!(store.count(), 1);
            }

            #[tokio::test]
            async fn a_cache_leaves_a_record_that_is_too_large_to_the_store_behind_it() {
                let cache = CloakroomCache::with(Settings::new().max_session_bytes(100));
                let behind = CloakroomStore::with(Settings::new());
                let both = CachingSessionStore::new(cache.clone(), behind);
                let mut record = new_record();
                both.create(&mut record).await.unwrap();
                assert_eq!(cache.load(&record.id).await.unwrap(), Some(record.clone()));
                record.data = self::record(30, json!({ "text": "x".repeat(100) })).data;
                both.save(&record).await.unwrap();
                assert_eq!(cache.load(&record.id).await.unwrap(), None, "an older record");
                for _ in 0..2 {
                    assert_eq!(both.load(&record.id).await.unwrap(), Some(record.clone()));
                }
                both.create(&mut record).await.unwrap();
                assert_eq!(cache.count(), 0);
            }

            #[tokio::test]
            async fn save_of_an_unknown_session_stores_nothing_and_is_no_error() {
                let (store, clock) = store(CloakroomStore::with);
                let mut record = new_record();
                store.save(&record).await.unwrap();
                assert_eq!((store.load(&record.id).await.unwrap(), store.count()), (None, 0));

                store.create(&mut record).await.unwrap();
                store.delete(&record.id).await.unwrap();
                store.save(&record).await.unwrap();
                assert_eq!((store.load(&record.id).await.unwrap(), store.count()), (None, 0), "deleted");

                store.create(&mut record).await.unwrap();
                clock.advance(31 * MINUTE);
                record.expiry_date += 60 * MINUTE;
                store.save(&record).await.unwrap();
                assert_eq!((store.load(&record.id).await.unwrap(), store.count()), (None, 0), "expired");
            }

            #[cfg(feature = "deletion-task")]
            #[tokio::test]
            async fn a_task_deletes_expired_sessions() {
                use $tower_sessions::ExpiredDeletion;
                let (store, clock) = store(CloakroomStore::with);
                store.create(&mut new_record()).await.unwrap();
                let often = std::time::Duration::from_millis(1);
                let task = tokio::spawn(store.clone().continuously_delete_expired(often));
                clock.advance(31 * MINUTE);
                let deleted = async {
                    while store.count() > 0 {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(MINUTE / 3, deleted).await.expect("the task runs");
                task.abort();
            }

            #[test]
            fn a_deleted_session_stays_deleted_during_concurrent_saves() {
                let (store, _) = store(CloakroomStore::with);
                let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                for _ in 0..100 {
                    let mut record = new_record();
                    runtime().block_on(store.create(&mut record)).unwrap();
                    let deleted = AtomicBool::new(false);
                    thread::scope(|scope| {
                        for _ in 0..2 {
                            scope.spawn(|| {
                                let runtime = runtime();
                                while !deleted.load(Ordering::Acquire) {
                                    runtime.block_on(store.save(&record)).unwrap();
                                }
                                runtime.block_on(store.save(&record)).unwrap();
                            });
                        }
                        runtime().block_on(store.delete(&record.id)).unwrap();
                        deleted.store(true, Ordering::Release);
                        assert_eq!(runtime().block_on(store.load(&record.id)).unwrap(), None);
                    });
                    assert_eq!(store.count(), 0);
                }
            }

            /// What a `CachingSessionStore` does after a `load` that missed.
            async fn fill(cache: &CloakroomCache, record: &Record) -> Result<(), Error> {
                assert_eq!(cache.load(&record.id).await?, None);
                cache.save(record).await
            }

            #[tokio::test]
            async fn save_fills_a_cache_only_after_a_load_that_missed() {
                let (cache, clock) = store(CloakroomCache::with);
                let mut record = new_record();
                cache.save(&record).await.unwrap();
                assert_eq!(cache.count(), 0);
                fill(&cache, &record).await.unwrap();
                assert_eq!(cache.load(&record.id).await.unwrap().as_ref(), Some(&record));
                clock.advance(31 * MINUTE);
                assert_eq!(cache.load(&record.id).await.unwrap(), None);
                record.expiry_date += 60 * MINUTE;
                cache.save(&record).await.unwrap();
                assert_eq!(cache.load(&record.id).await.unwrap(), Some(record));
                assert_eq!(cache.count(), 1);
            }

            #[tokio::test]
            async fn a_cache_takes_no_copy_for_a_minute_after_a_delete() {
                let (cache, clock) = store(CloakroomCache::with);
                let record = new_record();
                fill(&cache, &record).await.unwrap();
                cache.delete(&record.id).await.unwrap();
                clock.advance(MINUTE);
                fill(&cache, &record).await.unwrap();
                assert_eq!(cache.count(), 0);
                clock.advance(MINUTE / 60_000);
                fill(&cache, &record).await.unwrap();
                assert_eq!(cache.count(), 1);
            }

            #[tokio::test]
            async fn a_fill_that_takes_too_long_is_not_cached() {
                let (cache, clock) = store(CloakroomCache::with);
                let record = new_record();
                assert_eq!(cache.load(&record.id).await.unwrap(), None);
                clock.advance(MINUTE / 5);
                cache.save(&record).await.unwrap();
                assert_eq!(cache.count(), 0);
            }

            #[tokio::test]
            async fn an_expired_record_is_not_cached() {
                let (cache, clock) = store(CloakroomCache::with);
                let record = new_record();
                clock.advance(31 * MINUTE);
                fill(&cache, &record).await.unwrap();
                assert_eq!(cache.count(), 0);
            }

            #[tokio::test]
            async fn a_full_cache_refuses_a_save_or_ends_the_idlest_session() {
                let (cache, _) = store(|settings| CloakroomCache::with(settings.max_sessions(1)));
                fill(&cache, &new_record()).await.unwrap();
                assert!(matches!(fill(&cache, &new_record()).await, Err(Error::Backend(_))));

                let idlest = |settings: Settings| settings.max_sessions(1).when_full(WhenFull::EndIdlest);
                let (cache, _) = store(|settings| CloakroomCache::with(idlest(settings)));
                fill(&cache, &new_record()).await.unwrap();
                let new = new_record();
                fill(&cache, &new).await.unwrap();
                assert_eq!((cache.count(), cache.load(&new.id).await.unwrap()), (1, Some(new)));
            }

            /// A store whose answers wait for a gate. What a `load` answers is settled before it waits.
            #[derive(Clone, Debug)]
            struct Gated {
                store: CloakroomStore,
                open: Arc<AtomicBool>,
            }

            impl Gated {
                fn new(store: CloakroomStore) -> Self {
                    Self { store, open: Arc::default() }
                }

                fn open(&self) {
                    self.open.store(true, Ordering::Release);
                }

                async fn pass(&self) {
                    poll_fn(|_| if self.open.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }).await;
                }
            }

            #[async_trait::async_trait]
            impl SessionStore for Gated {
                async fn save(&self, record: &Record) -> Result<(), Error> {
                    self.store.save(record).await
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>, Error> {
                    let found = self.store.load(id).await;
                    self.pass().await;
                    found
                }

                async fn delete(&self, id: &Id) -> Result<(), Error> {
                    self.pass().await;
                    self.store.delete(id).await
                }
            }

            /// A cache, a store with a record, and the two behind each other. The gate is shut.
            async fn gated() -> (CloakroomCache, CloakroomStore, Gated, Record) {
                let ((cache, _), (behind, _)) = (store(CloakroomCache::with), store(CloakroomStore::with));
                let mut record = new_record();
                behind.create(&mut record).await.unwrap();
                (cache, behind.clone(), Gated::new(behind), record)
            }

            fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
                future.poll(&mut Context::from_waker(Waker::noop()))
            }

            /// The race that other caches of a `CachingSessionStore` have.
            #[tokio::test]
            async fn a_session_deleted_during_a_load_is_not_cached() {
                let (cache, behind, gated, record) = gated().await;
                let caching = CachingSessionStore::new(cache.clone(), gated.clone());
                let mut load = pin!(caching.load(&record.id));
                assert!(poll(load.as_mut()).is_pending(), "the store behind the cache is asked");
                CachingSessionStore::new(cache.clone(), behind).delete(&record.id).await.unwrap();
                gated.open();
                assert_eq!(load.await.unwrap().as_ref(), Some(&record), "it was loaded before the deletion");
                assert_eq!(cache.count(), 0);
                assert_eq!(caching.load(&record.id).await.unwrap(), None);
            }

            #[tokio::test]
            async fn a_session_loaded_during_a_deletion_is_not_cached() {
                let (cache, behind, gated, record) = gated().await;
                let slow = CachingSessionStore::new(cache.clone(), gated.clone());
                let fast = CachingSessionStore::new(cache.clone(), behind);
                let mut delete = pin!(slow.delete(&record.id));
                assert!(poll(delete.as_mut()).is_pending(), "the store behind the cache has not deleted it yet");
                assert_eq!(fast.load(&record.id).await.unwrap().as_ref(), Some(&record));
                gated.open();
                delete.await.unwrap();
                assert_eq!((cache.count(), fast.load(&record.id).await.unwrap()), (0, None));
            }

            #[tokio::test]
            async fn a_request_that_saves_after_a_deletion_fills_no_cache() {
                let (cache, behind, _, record) = gated().await;
                let caching = CachingSessionStore::new(cache.clone(), behind);
                let loaded = caching.load(&record.id).await.unwrap().unwrap();
                assert_eq!(cache.count(), 1);
                caching.delete(&record.id).await.unwrap();
                caching.save(&loaded).await.unwrap();
                assert_eq!((cache.count(), caching.load(&record.id).await.unwrap()), (0, None));
            }

            #[test]
            fn concurrent_saves_leave_at_most_one_copy_in_the_cache() {
                let (cache, _) = store(CloakroomCache::with);
                let record = new_record();
                thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                            for turn in 0..1_000 {
                                let _ = runtime.block_on(cache.load(&record.id)).unwrap();
                                runtime.block_on(cache.save(&record)).unwrap();
                                if turn % 3 == 0 {
                                    runtime.block_on(cache.delete(&record.id)).unwrap();
                                }
                            }
                        });
                    }
                });
                assert!(cache.count() <= 1);
            }

            #[tokio::test]
            async fn a_caching_store_keeps_the_cache_and_the_store_behind_it_equal() {
                let ((cache, _), (behind, _)) = (store(CloakroomCache::with), store(CloakroomStore::with));
                let caching = CachingSessionStore::new(cache.clone(), behind.clone());
                let mut record = new_record();
                behind.create(&mut record).await.unwrap();
                assert_eq!(caching.load(&record.id).await.unwrap().as_ref(), Some(&record));
                assert_eq!(cache.load(&record.id).await.unwrap().as_ref(), Some(&record));

                record.data.insert("theme".to_owned(), json!("dark"));
                caching.save(&record).await.unwrap();
                for store in [&cache as &dyn SessionStore, &behind, &caching] {
                    assert_eq!(store.load(&record.id).await.unwrap().as_ref(), Some(&record));
                }
                caching.delete(&record.id).await.unwrap();
                for store in [&cache as &dyn SessionStore, &behind, &caching] {
                    assert_eq!(store.load(&record.id).await.unwrap(), None);
                }

                let mut created = new_record();
                let id = created.id;
                caching.create(&mut created).await.unwrap();
                assert_eq!(created.id, id);
                assert_eq!((cache.count(), behind.count()), (1, 1));
            }
        }
    };
}

#[cfg(feature = "v0_14")]
version!(v0_14, tower_sessions_0_14);
#[cfg(feature = "v0_15")]
version!(v0_15, tower_sessions);

/// One store serves both versions with the same sessions.
#[cfg(all(feature = "v0_14", feature = "v0_15"))]
#[tokio::test]
async fn a_session_of_one_version_is_loaded_by_the_other() {
    let store = std::sync::Arc::new(cloakroom_tower_sessions::CloakroomStore::default());
    let old = tower_sessions_0_14::Session::new(None, std::sync::Arc::clone(&store), None);
    old.insert("user", "ada").await.unwrap();
    old.save().await.unwrap();
    let id = tower_sessions::session::Id(old.id().unwrap().0);
    let new = tower_sessions::Session::new(Some(id), store, None);
    assert_eq!(new.get::<String>("user").await.unwrap().as_deref(), Some("ada"));
}
