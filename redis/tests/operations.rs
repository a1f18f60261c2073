//! Each operation, on each engine.

mod support;

use cloakroom::{Audience, IncrementError, MissingError, Principal, SessionId, SessionStore, SetError, Timeouts};
use cloakroom_redis::{EngineError, SharedError, SharedStore, TryUpdateError};
use std::time::Duration;
use support::{Engine, Server};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const REPLACED: SharedError = SharedError::Missing(MissingError::Replaced);
const MINUTE: Duration = Duration::from_secs(60);

on_each_engine! {
    attributes_are_read_as_they_were_written
    a_session_that_is_near_is_read_without_a_command
    what_is_missing_is_missing_for_every_operation
    deleted_sessions_stay_deleted
    a_session_has_the_timeouts_and_the_cookie_that_it_was_given
    limits_of_attributes_are_those_of_the_settings
    updates_are_abandoned_or_applied_as_a_whole
    concurrent_changes_of_two_servers_are_all_kept
    a_rotated_id_is_dead_and_is_told_from_an_unknown_one
    a_rotation_with_a_grace_lets_the_old_id_lead_to_the_session
    a_login_gives_a_new_id_and_a_principal
    a_record_of_another_kind_is_an_error_and_no_missing_session
    sessions_are_counted_by_prefix
}

async fn attributes_are_read_as_they_were_written(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada"), ("role", "admin")]).await.unwrap();
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    assert_eq!(store.get(&id, "nothing").await, Ok(None));
    store.set(&id, "theme", "dark").await.unwrap();
    store.set_each(&id, [("role", "none"), ("new", "1")]).await.unwrap();
    assert_eq!(store.remove(&id, "user").await, Ok(true));
    assert_eq!(store.remove(&id, "user").await, Ok(false));
    assert_eq!(store.take(&id, "new").await, Ok(Some("1".to_owned())));
    assert_eq!(store.increment(&id, "clicks", 3).await, Ok(3));
    assert_eq!(store.increment(&id, "clicks", -1).await, Ok(2));
    let attributes = store.snapshot(&id).await.unwrap();
    assert!(attributes.iter().eq([("role", "none"), ("theme", "dark"), ("clicks", "2")]));
    store.clear(&id).await.unwrap();
    assert_eq!(store.read(&id, |attributes| attributes.is_empty()).await, Ok(true));
}

async fn a_session_that_is_near_is_read_without_a_command(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let commands = server.figure("stats", "total_commands_processed");
    let pings = store.health().commands;
    for _ in 0..1_000 {
        assert_eq!(store.cached(&id, |attributes| attributes.get("user") == Some("ada")), Some(true));
    }
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    // Pings go on, and this test asks for figures.
    let (commands, pings) =
        (server.figure("stats", "total_commands_processed") - commands, store.health().commands - pings);
    assert!(commands <= pings + 2, "{commands} commands, {pings} of them pings");
    assert!(store.health().hits >= 1_001);
}

async fn what_is_missing_is_missing_for_every_operation(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = SessionId::random().unwrap();
    assert_eq!(store.cached(&id, |_| ()), None);
    assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.peek(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.principal(&id).await, Err(NOT_FOUND));
    assert_eq!(store.exists(&id).await, Ok(false));
    assert_eq!(store.touch(&id).await, Ok(false));
    assert_eq!(store.lookup(&id).await, Err(NOT_FOUND));
    assert_eq!(store.expires_in(&id).await, Err(NOT_FOUND));
    assert_eq!(store.ticket(&id).await, Err(NOT_FOUND));
    assert_eq!(store.set_timeouts(&id, Timeouts::default()).await, Err(NOT_FOUND));
    assert_eq!(store.set(&id, "a", "b").await, Err(NOT_FOUND));
    assert_eq!(store.remove(&id, "a").await, Err(NOT_FOUND));
    assert_eq!(store.rotate(&id).await, Err(NOT_FOUND));
    assert_eq!(store.login(Some(&id), &Principal::new("ada")).await, Err(NOT_FOUND));
    assert_eq!(store.end_other_sessions(&id).await, Err(NOT_FOUND));
    assert_eq!(store.delete(&id).await, Ok(false));
    assert_eq!(store.fresh().read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.fresh().exists(&id).await, Ok(false));
    assert_eq!(store.count().await, Ok(0));
    assert!(server.keys().is_empty(), "no operation creates a session or anything else");
}

async fn deleted_sessions_stay_deleted(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    assert_eq!(store.delete(&id).await, Ok(true));
    assert_eq!(store.cached(&id, |_| ()), None);
    assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.set(&id, "a", "b").await, Err(NOT_FOUND));
    assert_eq!(store.delete(&id).await, Ok(false));
    assert_eq!(server.keys(), Vec::<Vec<u8>>::new());
}

async fn a_session_has_the_timeouts_and_the_cookie_that_it_was_given(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create().await.unwrap();
    // The engine counts in whole milliseconds, and keeps sessions two of them longer.
    let step = Duration::from_millis(3);
    let about = |left: Duration, limit: Duration| left <= limit + step && left + Duration::from_secs(2) > limit;
    assert!(about(store.expires_in(&id).await.unwrap(), 30 * MINUTE), "the default");
    let timeouts = Timeouts::default().idle(10 * MINUTE).cookie(Some(20 * MINUTE));
    let site = Audience::new("site");
    let id = store.new_session().timeouts(timeouts).audience(site).create().await.unwrap();
    assert!(about(store.expires_in(&id).await.unwrap(), 10 * MINUTE));
    let ticket = store.ticket(&id).await.unwrap();
    assert_eq!((ticket.audience, ticket.max_age), (Some(site), Some(20 * MINUTE)));
    store.set_timeouts(&id, Timeouts::default().absolute(5 * MINUTE)).await.unwrap();
    assert!(about(store.expires_in(&id).await.unwrap(), 5 * MINUTE));
    assert!(about(store.ticket(&id).await.unwrap().max_age.unwrap(), 5 * MINUTE), "no longer than the session");
    store.set_timeouts(&id, Timeouts::default().absolute(Duration::MAX).cookie(None)).await.unwrap();
    assert!(about(store.expires_in(&id).await.unwrap(), 10 * MINUTE));
    assert_eq!(store.ticket(&id).await.unwrap().max_age, None);
    let forever = store.new_session().timeouts(Timeouts::default().idle(Duration::MAX)).create().await.unwrap();
    assert!(store.expires_in(&forever).await.unwrap() > 1_000_000 * MINUTE);
}

async fn limits_of_attributes_are_those_of_the_settings(engine: Engine) {
    let server = Server::start(engine);
    let near = SessionStore::builder().max_attributes(2).max_session_bytes(64);
    let store = SharedStore::connect(server.options().near(near)).await.unwrap();
    let many = SharedError::Set(SetError::TooManyAttributes { count: 3, limit: 2 });
    assert_eq!(store.create_with([("a", "1"), ("b", "2"), ("c", "3")]).await, Err(many));
    let id = store.create_with([("a", "1"), ("b", "2")]).await.unwrap();
    assert_eq!(store.set(&id, "c", "3").await, Err(many));
    let large = store.set(&id, "a", &"x".repeat(64)).await;
    assert!(matches!(large, Err(SharedError::Set(SetError::TooLarge { limit: 64, .. }))));
    assert_eq!(store.get(&id, "a").await, Ok(Some("1".to_owned())));
    assert_eq!(store.count().await, Ok(1));
}

async fn updates_are_abandoned_or_applied_as_a_whole(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("credit", "3"), ("name", "Ada")]).await.unwrap();
    let spend = async |amount: u32| {
        let spent = store.try_update(&id, |draft| {
            let credit: u32 = draft.get("credit").and_then(|credit| credit.parse().ok()).unwrap_or(0);
            let left = credit.checked_sub(amount).ok_or("not enough")?;
            draft.set("credit", &left.to_string());
            draft.set("spent", "yes");
            Ok(left)
        });
        spent.await
    };
    assert_eq!(spend(4).await, Err(TryUpdateError::Abandoned("not enough")));
    assert_eq!(store.get(&id, "spent").await, Ok(None));
    assert_eq!(spend(2).await, Ok(1));
    assert_eq!(store.get(&id, "credit").await, Ok(Some("1".to_owned())));
    assert_eq!(store.increment(&id, "name", 1).await, Err(SharedError::Increment(IncrementError::NotANumber)));
    store.set(&id, "n", &i64::MAX.to_string()).await.unwrap();
    assert_eq!(store.increment(&id, "n", 1).await, Err(SharedError::Increment(IncrementError::Overflow)));
    let (before, same) = (store.snapshot(&id).await.unwrap(), store.set(&id, "credit", "1").await);
    assert_eq!(same, Ok(()));
    assert_eq!(store.snapshot(&id).await.unwrap().version(), before.version(), "nothing has changed");
}

async fn concurrent_changes_of_two_servers_are_all_kept(engine: Engine) {
    const EACH: usize = 100;
    let server = Server::start(engine);
    let stores = [server.store().await, server.store().await];
    let id = stores[0].create().await.unwrap();
    let tasks = (0..4).map(|task| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                store.increment(&id, "n", 1).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(stores[0].fresh().read(&id, |a| a.get("n").map(str::to_owned)).await, Ok(Some("400".to_owned())));
}

async fn a_rotated_id_is_dead_and_is_told_from_an_unknown_one(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let old = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&old, |_| ()).await.unwrap();
    let new = store.rotate(&old).await.unwrap();
    assert_eq!(store.cached(&old, |_| ()), None);
    assert_eq!(store.read(&old, |_| ()).await, Err(REPLACED));
    assert_eq!(store.set(&old, "a", "b").await, Err(REPLACED));
    assert_eq!(store.rotate(&old).await, Err(REPLACED));
    assert_eq!(store.delete(&old).await, Ok(false));
    assert_eq!(store.get(&new, "user").await, Ok(Some("ada".to_owned())));
    assert_eq!(store.log_out(&new).await, Ok(true));
    let other = server.store().await;
    assert_eq!(other.lookup(&new).await, Err(SharedError::Missing(MissingError::LoggedOut)));
    assert_eq!(other.lookup(&old).await, Err(REPLACED));
}

async fn a_rotation_with_a_grace_lets_the_old_id_lead_to_the_session(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let old = store.create_with([("user", "ada")]).await.unwrap();
    let new = store.rotation(&old).grace(Duration::from_millis(700)).rotate().await.unwrap();
    assert_eq!(store.get(&old, "user").await, Ok(Some("ada".to_owned())));
    store.set(&old, "late", "yes").await.unwrap();
    assert_eq!(store.get(&new, "late").await, Ok(Some("yes".to_owned())));
    assert_eq!(store.cached(&old, |_| ()), None, "an id that leads on is not kept near");
    assert_eq!(store.rotate(&old).await, Err(REPLACED));
    tokio::time::sleep(Duration::from_millis(750)).await;
    assert_eq!(store.read(&old, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.exists(&new).await, Ok(true));

    let newer = store.rotation(&new).grace(MINUTE).rotate().await.unwrap();
    store.read(&newer, |_| ()).await.unwrap();
    assert_eq!(store.delete(&new).await, Ok(true), "by the old id");
    assert_eq!(store.cached(&newer, |_| ()), None);
    assert_eq!(store.read(&newer, |_| ()).await, Err(NOT_FOUND));
}

async fn a_login_gives_a_new_id_and_a_principal(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let [ada, eve] = ["ada", "eve"].map(Principal::new);
    let visitor = store.create_with([("basket", "apples")]).await.unwrap();
    assert_eq!(store.principal(&visitor).await, Ok(None));
    let user = store.login(Some(&visitor), &ada).await.unwrap();
    assert_eq!(store.read(&visitor, |_| ()).await, Err(REPLACED));
    assert_eq!(store.principal(&user).await, Ok(Some(ada)));
    assert_eq!(store.get(&user, "basket").await, Ok(Some("apples".to_owned())));
    assert_eq!(store.rotation(&user).bind(&eve).await, Err(SharedError::OtherPrincipal));
    let again = store.login(Some(&user), &ada).await.unwrap();
    assert_eq!(store.get(&again, "basket").await, Ok(Some("apples".to_owned())));
    let other = store.login(Some(&again), &eve).await.unwrap();
    assert_eq!(store.get(&other, "basket").await, Ok(None), "what was ada's is not eve's");
    assert_eq!(store.principal(&other).await, Ok(Some(eve)));
    assert!(store.sessions_of(&ada).await.unwrap().is_empty());
    store.set_each(&other, [("basket", "pears"), ("name", "Eve")]).await.unwrap();
    let visitor = store.rotation(&other).unbind(|key| key == "basket").await.unwrap();
    assert_eq!(store.principal(&visitor).await, Ok(None));
    let left = store.snapshot(&visitor).await.unwrap();
    assert!(left.iter().eq([("basket", "pears")]));
    assert!(store.sessions_of(&eve).await.unwrap().is_empty());
    let fresh = store.login(None, &ada).await.unwrap();
    assert_eq!(store.principal(&fresh).await, Ok(Some(ada)));
}

async fn a_record_of_another_kind_is_an_error_and_no_missing_session(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create().await.unwrap();
    let key = server.keys().remove(0);
    server.bytes(&[b"SET", &key, b"something else"]);
    let error = SharedError::Engine(EngineError::Record);
    assert_eq!(store.fresh().read(&id, |_| ()).await, Err(error));
    assert_eq!(store.set(&id, "a", "b").await, Err(error));
    assert!(error.is_away() && !error.is_missing());
    assert_eq!(store.delete(&id).await, Ok(true), "a logout ends it all the same");
    assert!(server.keys().is_empty());
}

async fn sessions_are_counted_by_prefix(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = [
        SharedStore::connect(server.options().prefix("a*")).await,
        SharedStore::connect(server.options().prefix("ab")).await,
    ]
    .map(Result::unwrap);
    for _ in 0..3 {
        one.create().await.unwrap();
    }
    let id = other.create().await.unwrap();
    assert_eq!((one.count().await, other.count().await), (Ok(3), Ok(1)));
    assert_eq!(one.exists(&id).await, Ok(false));
    other.rotate(&id).await.unwrap();
    assert_eq!(other.count().await, Ok(1), "what is remembered of an id is no session");
}
