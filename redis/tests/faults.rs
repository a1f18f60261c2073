//! Engines that are away, slow, empty, full, or have forgotten something.

mod support;

use cloakroom::{MissingError, Principal, SessionStore};
use cloakroom_redis::{ConnectError, EngineError, SharedError, SharedOptions, SharedStore, WhenAway};
use std::thread;
use std::time::{Duration, Instant};
use support::{Engine, Server, eventually};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const BOUND: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(5);

on_each_engine! {
    flushing_the_engine_ends_what_is_near
    a_lost_connection_costs_a_flush_and_no_error
    flushing_the_scripts_is_harmless
    an_engine_that_stands_still_is_away_and_never_a_missing_session
    a_logout_that_is_not_confirmed_is_dead_here_and_told_until_it_is
    a_fetch_under_way_does_not_bring_back_what_was_ended
    hits_are_served_for_the_time_that_was_allowed_and_no_longer
    an_engine_that_was_replaced_by_an_empty_one_has_no_sessions
    ends_that_the_engine_has_forgotten_are_told_again
    a_busy_engine_is_away
    an_engine_without_memory_refuses_and_reads
    an_engine_that_takes_no_writes_is_read
    a_blocked_runtime_serves_nothing_that_has_ended
    engines_that_will_not_do_are_refused
    a_user_with_the_documented_rights_is_enough
}

fn options(server: &Server) -> SharedOptions {
    server.options().command_timeout(Duration::from_millis(300))
}

async fn connect(options: SharedOptions) -> SharedStore {
    SharedStore::connect(options).await.expect("the engine is there")
}

async fn flushing_the_engine_ends_what_is_near(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    for _ in 0..20 {
        let id = store.create().await.unwrap();
        store.read(&id, |_| ()).await.unwrap();
        server.command(&["FLUSHALL"]);
        let ended = Instant::now();
        eventually("it is refused", BOUND, async || store.read(&id, |_| ()).await == Err(NOT_FOUND)).await;
        assert!(ended.elapsed() < BOUND);
    }
    assert!(store.health().flushes >= 20);
}

async fn a_lost_connection_costs_a_flush_and_no_error(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    for lost in 1..10 {
        store.read(&id, |_| ()).await.unwrap();
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        eventually("the link connects again", SOON, async || store.health().connections > lost).await;
        assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())), "reads wait for the next connection");
        store.set(&id, "n", &lost.to_string()).await.unwrap();
    }
    assert!(store.health().flushes >= 9);
}

async fn flushing_the_scripts_is_harmless(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    for n in 0..20 {
        server.command(&["SCRIPT", "FLUSH"]);
        let id = store.create_with([("n", n.to_string())]).await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(store.get(&id, "n").await, Ok(Some(n.to_string())));
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(store.delete(&id).await, Ok(true));
    }
}

async fn an_engine_that_stands_still_is_away_and_never_a_missing_session(engine: Engine) {
    let server = Server::start(engine);
    // With a timeout beyond the bound, so that hits end before the connection counts as lost.
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    server.suspend();
    let stopped = Instant::now();
    while store.cached(&id, |_| ()).is_some() {
        assert!(stopped.elapsed() < BOUND + Duration::from_millis(200), "hits end with the bound");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.read(&id, |_| ()).await, Err(SharedError::Away));
    assert_eq!(store.exists(&id).await, Err(SharedError::Away));
    let error = store.set(&id, "a", "b").await.unwrap_err();
    assert!(error.is_away() && !error.is_missing());
    let health = store.health();
    assert!(health.away_for.is_some() && health.refusals >= 3, "{health:?}");
    server.resume();
    eventually("it is back", SOON, async || store.get(&id, "user").await == Ok(Some("ada".to_owned()))).await;
    eventually("it is known to be back", SOON, async || store.health().away_for.is_none()).await;
}

async fn a_logout_that_is_not_confirmed_is_dead_here_and_told_until_it_is(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = [connect(options(&server)).await, connect(options(&server)).await];
    let ada = Principal::new("ada");
    let id = one.create().await.unwrap();
    let bound = one.login(None, &ada).await.unwrap();
    for store in [&one, &other] {
        store.read(&id, |_| ()).await.unwrap();
        store.read(&bound, |_| ()).await.unwrap();
    }
    server.suspend();
    let (deleted, ended) = tokio::join!(one.delete(&id), one.end_sessions_of(&ada));
    assert_eq!((deleted, ended), (Err(SharedError::Unconfirmed), Err(SharedError::Unconfirmed)));
    assert_eq!((one.cached(&id, |_| ()), one.cached(&bound, |_| ())), (None, None));
    assert_eq!(one.read(&id, |_| ()).await, Err(NOT_FOUND), "dead here, whatever the engine says");
    eventually("two are counted", SOON, async || one.health().unconfirmed == 2).await;
    server.resume();
    eventually("the engine confirms", SOON, async || one.health().unconfirmed == 0).await;
    let confirmed = Instant::now();
    for id in [&id, &bound] {
        eventually("the other refuses", SOON, async || other.read(id, |_| ()).await == Err(NOT_FOUND)).await;
        assert_eq!(one.read(id, |_| ()).await, Err(NOT_FOUND));
    }
    assert!(confirmed.elapsed() < 2 * BOUND);
}

async fn a_fetch_under_way_does_not_bring_back_what_was_ended(engine: Engine) {
    let server = Server::start(engine);
    let store = connect(server.options().command_timeout(SOON)).await;
    for _ in 0..5 {
        let id = store.create().await.unwrap();
        // The fetch is on its way when the session is ended, and is executed before that.
        server.suspend();
        let reader = tokio::spawn({
            let store = store.clone();
            async move { store.read(&id, |_| ()).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let deleter = tokio::spawn({
            let store = store.clone();
            async move { store.delete(&id).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.resume();
        assert_eq!(deleter.await.unwrap(), Ok(true));
        assert_eq!(store.cached(&id, |_| ()), None);
        assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
        let read = reader.await.unwrap();
        assert!(matches!(read, Ok(()) | Err(NOT_FOUND)), "{read:?}");
    }
}

async fn hits_are_served_for_the_time_that_was_allowed_and_no_longer(engine: Engine) {
    let server = Server::start(engine);
    let allowed = Duration::from_millis(1_500);
    let store = connect(options(&server).when_away(WhenAway::ServeFor(allowed))).await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    server.suspend();
    let stopped = Instant::now();
    let mut served = Duration::ZERO;
    while stopped.elapsed() < 2 * allowed {
        if store.cached(&id, |_| ()).is_some() {
            served = stopped.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(served > allowed - Duration::from_millis(300) && served <= allowed, "{served:?}");
    assert!(store.set(&id, "a", "b").await.unwrap_err().is_away(), "changes fail");
    server.resume();
    eventually("it is back", SOON, async || store.get(&id, "user").await.is_ok()).await;
}

async fn an_engine_that_was_replaced_by_an_empty_one_has_no_sessions(engine: Engine) {
    let mut server = Server::start(engine);
    let store = connect(options(&server)).await;
    let id = store.create().await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    server.kill();
    eventually("hits end", BOUND, async || store.cached(&id, |_| ()).is_none()).await;
    assert_eq!(store.read(&id, |_| ()).await, Err(SharedError::Away));
    server.restart();
    eventually("it is gone", SOON, async || store.read(&id, |_| ()).await == Err(NOT_FOUND)).await;
    let id = store.create().await.unwrap();
    assert_eq!(store.exists(&id).await, Ok(true));
}

async fn ends_that_the_engine_has_forgotten_are_told_again(engine: Engine) {
    let mut server = Server::start(engine);
    let [one, other] = [connect(options(&server)).await, connect(options(&server)).await];
    let ada = Principal::new("ada");
    let (id, kept) = (one.create().await.unwrap(), one.create().await.unwrap());
    let bound = one.login(None, &ada).await.unwrap();
    // The engine comes back with what it had here: what a failover loses.
    server.command(&["SAVE"]);
    assert_eq!(one.delete(&id).await, Ok(true));
    assert_eq!(one.end_sessions_of(&ada).await, Ok(1));
    server.restart();
    eventually("it is back", SOON, async || one.exists(&kept).await == Ok(true)).await;
    for store in [&one, &other] {
        for ended in [&id, &bound] {
            eventually("it is dead", SOON, async || store.exists(ended).await == Ok(false)).await;
            assert_eq!(store.fresh().exists(ended).await, Ok(false), "and stays so");
        }
    }
    let later = other.login(None, &ada).await.unwrap();
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("it lives", SOON, async || one.fresh().exists(&later).await == Ok(true)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(one.fresh().exists(&later).await, Ok(true), "what was told again ends no later login");
}

async fn a_busy_engine_is_away(engine: Engine) {
    let server = Server::with(engine, &["--busy-reply-threshold", "50"]);
    let store = connect(server.options().command_timeout(SOON)).await;
    let id = store.create().await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let port = server.port;
    let busy = thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut stream, b"EVAL \"while true do end\" 0\r\n").unwrap();
        let _ = std::io::Read::read(&mut stream, &mut [0; 64]);
    });
    eventually("it is busy", SOON, async || store.fresh().read(&id, |_| ()).await == Err(SharedError::Away)).await;
    assert_eq!(store.set(&id, "a", "b").await, Err(SharedError::Away));
    server.command(&["SCRIPT", "KILL"]);
    eventually("it is back", SOON, async || store.exists(&id).await == Ok(true)).await;
    busy.join().unwrap();
    store.set(&id, "a", "b").await.unwrap();
}

async fn an_engine_without_memory_refuses_and_reads(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(store.create().await, Err(SharedError::Engine(EngineError::Memory)));
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    assert_eq!(store.delete(&id).await, Ok(true), "ends need no memory");
}

async fn an_engine_that_takes_no_writes_is_read(engine: Engine) {
    let server = Server::start(engine);
    let store = connect(options(&server)).await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_eq!(store.create().await, Err(SharedError::Engine(EngineError::ReadOnly)));
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    assert_eq!(store.delete(&id).await, Err(SharedError::Unconfirmed));
    assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    eventually("it is tried again", SOON, async || store.health().unconfirmed == 0).await;
    assert!(server.keys().is_empty());
}

async fn a_blocked_runtime_serves_nothing_that_has_ended(engine: Engine) {
    let server = Server::start(engine);
    let url = server.url();
    let other = server.store().await;
    let id = other.create().await.unwrap();
    let (near, is_near) = std::sync::mpsc::channel();
    let (ended, has_ended) = std::sync::mpsc::channel::<()>();
    let blocked = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SharedStore::connect(SharedOptions::new(url)).await.unwrap();
            store.read(&id, |_| ()).await.unwrap();
            near.send(()).unwrap();
            // The only thread of the runtime does nothing else.
            has_ended.recv().unwrap();
            thread::sleep(BOUND);
            (store.cached(&id, |_| ()), store.health().away_for)
        })
    });
    is_near.recv().unwrap();
    other.delete(&id).await.unwrap();
    ended.send(()).unwrap();
    assert_eq!(blocked.join().unwrap(), (None, None), "refused, and the engine is known to be there");
}

async fn engines_that_will_not_do_are_refused(engine: Engine) {
    let refused = async |options: &[&str], url: &dyn Fn(u16) -> String| {
        let server = Server::with(engine, options);
        SharedStore::connect(SharedOptions::new(url(server.port))).await.map(drop).unwrap_err()
    };
    let plain = |port: u16| format!("redis://127.0.0.1:{port}");
    assert!(matches!(refused(&["--maxmemory-policy", "allkeys-lru"], &plain).await, ConnectError::Eviction));
    assert!(matches!(refused(&["--cluster-enabled", "yes"], &plain).await, ConnectError::Cluster));
    let secret = ["--requirepass", "secret"];
    assert!(matches!(refused(&secret, &plain).await, ConnectError::Permission));
    let wrong = |port: u16| format!("redis://:wrong@127.0.0.1:{port}");
    assert!(matches!(refused(&secret, &wrong).await, ConnectError::Permission));
    let server = Server::with(engine, &secret);
    connect(SharedOptions::new(format!("redis://:secret@127.0.0.1:{}/3", server.port))).await;
    let replica = Server::with(engine, &["--replicaof", "127.0.0.1", "1"]);
    let error = SharedStore::connect(replica.options()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoPrimary), "{error:?}");
    let nobody = SharedStore::connect(SharedOptions::new(plain(support::free_port()))).await;
    assert!(matches!(nobody, Err(ConnectError::Io(_))));
    assert!(matches!(SharedStore::connect(SharedOptions::new("http://x")).await, Err(ConnectError::Url(_))));
    let never = SharedStore::connect(server.options().staleness(Duration::ZERO)).await;
    assert!(matches!(never, Err(ConnectError::Staleness)));
}

/// The rights that docs/shared.md lists.
const RIGHTS: &str = "on >pass resetkeys resetchannels ~cr:* -@all +hello +auth +select +info +ping +client|tracking \
     +client|setname +script|load +eval +evalsha +time +get +getex +set +setrange +exists +unlink +pttl +pexpire +sadd \
     +srem +scard +smembers +scan +wait";

async fn a_user_with_the_documented_rights_is_enough(engine: Engine) {
    let socket = std::env::temp_dir().join(format!("cloakroom-{}-{engine:?}.sock", std::process::id()));
    let server = Server::with(engine, &["--unixsocket", socket.to_str().unwrap()]);
    let words: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(RIGHTS.split_whitespace()).collect();
    assert_eq!(server.command(&words), support::Reply::text("OK"));
    let url = format!("redis+unix://{}?user=app&pass=pass&db=1", socket.display());
    let near = SessionStore::builder().max_sessions_per_principal(2);
    let store = connect(SharedOptions::new(url).near(near)).await;
    let ada = Principal::new("ada");
    let id = store.login(None, &ada).await.unwrap();
    store.set(&id, "a", "b").await.unwrap();
    let id = store.rotation(&id).grace(BOUND).rotate().await.unwrap();
    assert_eq!(store.sessions_of(&ada).await.unwrap().len(), 1);
    store.login(None, &ada).await.unwrap();
    assert_eq!(store.login(None, &ada).await, Err(SharedError::PrincipalFull));
    assert_eq!(store.end_other_sessions(&id).await, Ok(1));
    assert_eq!(store.count().await, Ok(1));
    assert_eq!(store.end_sessions_of(&ada).await, Ok(1));
    assert_eq!(store.delete(&id).await, Ok(false));
}
