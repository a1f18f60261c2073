//! Three servers use the same sessions while engines and connections fail. What the operations returned is recorded,
//! and some order has to explain it.
//!
//! ```sh
//! CLOAKROOM_HISTORY_SECONDS=600 CLOAKROOM_SEED=7 cargo test -p cloakroom-redis --test histories
//! ```
//!
//! The engines save each write before they answer, so that one that is killed has lost nothing when it is back.

#![cfg(target_os = "linux")]

#[path = "support/faults.rs"]
mod faults;
#[path = "support/history.rs"]
mod history;
#[path = "support/node.rs"]
mod node;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "../../verify/support/search.rs"]
mod search;
mod support;

use cloakroom::SessionId;
use cloakroom_redis::{SharedOptions, SharedStore};
use faults::Fault;
use history::{Event, What};
use node::{Random, Round, now};
use proxy::Proxy;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};
use support::{Engine, Server, eventually};

const NODES: usize = 3;
const SESSIONS: usize = 6;

fn seconds() -> u64 {
    env::var("CLOAKROOM_HISTORY_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(15)
}

fn seed() -> u64 {
    let given = env::var("CLOAKROOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(now);
    println!("CLOAKROOM_SEED={seed}");
    seed
}

/// A ping may be on its way for longer than the bound before the connection counts as lost.
const PATIENT: Duration = Duration::from_millis(1_500);
const IMPATIENT: Duration = Duration::from_millis(400);

fn options(url: &str, command_timeout: Duration) -> SharedOptions {
    SharedOptions::new(url).command_timeout(command_timeout)
}

/// An engine that has on disk what it has answered.
fn durable(engine: Engine, options: &[&str]) -> Server {
    let always = ["--appendonly", "yes", "--appendfsync", "always", "--busy-reply-threshold", "20"];
    Server::with(engine, &[&always, options].concat())
}

/// Creates the sessions of a round.
async fn begin(store: &SharedStore, number: u64) -> Round {
    let mut round = Round { number, sessions: Vec::new() };
    for session in 0..SESSIONS {
        let begun = Instant::now();
        loop {
            let new = store.new_session().principal(round.principal(session));
            match new.create_with([("n", "0")]).await {
                Ok(id) => break round.sessions.push(id),
                Err(error) if begun.elapsed() < Duration::from_secs(30) => {
                    assert!(error.is_away(), "{error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("no session can be created: {error}"),
            }
        }
    }
    round
}

/// Lets a few faults happen, and returns what they have done to the sessions.
fn disturb(server: &mut Server, proxies: &[Proxy], random: &mut Random) -> (Vec<Event>, Vec<Fault>) {
    let (mut events, mut faults) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(2) {
        thread::sleep(Duration::from_millis(random.below(300)));
        let fault = Fault::random(random);
        let called = now();
        fault.happen(server, proxies, random);
        let returned = now();
        faults.push(fault);
        if fault == Fault::FlushAll {
            events.extend((0..SESSIONS).map(|session| Event {
                session,
                node: NODES,
                called,
                returned,
                what: What::Lost,
            }));
        }
    }
    (events, faults)
}

/// Requires that some order explains what happened to each session.
fn explain(events: &[Event], faults: &[Fault], told: &str) {
    for session in 0..SESSIONS {
        let mut of_it: Vec<_> = events.iter().filter(|event| event.session == session).copied().collect();
        of_it.sort_by_key(|event| event.called);
        if let Err(wrong) = history::check(&of_it) {
            let first = of_it[0].called;
            for event in &of_it {
                let (called, returned) = (event.called.abs_diff(first), event.returned.abs_diff(first));
                println!("node {}: {called:>8} to {returned:>8} us: {:?}", event.node, event.what);
            }
            panic!("session {session}, {faults:?}, {told}: {wrong}");
        }
    }
}

struct Tally {
    rounds: u64,
    events: usize,
    hits: u64,
}

async fn threads(engine: Engine, settings: &[&str], command_timeout: Duration) {
    let mut random = Random(seed());
    let mut server = durable(engine, settings);
    let mut proxies: Vec<_> = (0..NODES).map(|_| Proxy::before(server.port)).collect();
    let mut stores = Vec::new();
    for proxy in &proxies {
        stores.push(SharedStore::connect(options(&proxy.url(), command_timeout)).await.expect("the engine is there"));
    }
    let mut tally = Tally { rounds: 0, events: 0, hits: 0 };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds()) {
        let round = begin(&stores[0], tally.rounds).await;
        let mut others = Random(random.next());
        let disturber = thread::spawn(move || {
            let (events, faults) = disturb(&mut server, &proxies, &mut others);
            (server, proxies, events, faults)
        });
        let mut players = Vec::new();
        for (node, store) in stores.iter().enumerate() {
            let (round, store, mut random) = (round.clone(), store.clone(), Random(random.next()));
            players.push(tokio::spawn(async move { round.play(&store, node, &mut random).await }));
        }
        let mut events = Vec::new();
        for player in players {
            events.extend(player.await.expect("a node does not panic"));
        }
        let (lost, faults);
        (server, proxies, lost, faults) = disturber.join().expect("the faults can be made");
        events.extend(lost);
        explain(&events, &faults, &format!("round {}", tally.rounds));
        tally.rounds += 1;
        tally.events += events.len();
    }
    tally.hits = stores.iter().map(|store| store.health().hits).sum();
    println!("{engine:?} {settings:?}: {} rounds, {} events, {} hits", tally.rounds, tally.events, tally.hits);
    assert!(tally.rounds > 0 && tally.hits > 0, "the near caches have served nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_on_redis_are_explained() {
    threads(Engine::Redis, &[], PATIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_on_valkey_are_explained() {
    threads(Engine::Valkey, &[], IMPATIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_with_a_tracking_table_of_ten_keys_are_explained() {
    threads(Engine::Redis, &["--tracking-table-max-keys", "10"], PATIENT).await;
}

/// Another process, which plays the part of a node once.
fn process(node: usize, url: &str, seed: u64, round: &Round) -> Child {
    let sessions: Vec<_> = round.sessions.iter().map(|id| id.to_string()).collect();
    Command::new(env::current_exe().expect("this test has a file"))
        .args(["a_node_of_its_own", "--exact", "--ignored", "--nocapture"])
        .env("CLOAKROOM_NODE", format!("{node} {url} {seed} {} {}", round.number, sessions.join(" ")))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test can be started")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test of processes"]
async fn a_node_of_its_own() {
    let Ok(told) = env::var("CLOAKROOM_NODE") else { return };
    let words: Vec<_> = told.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().expect("a number");
    let sessions = words[4..].iter().map(|word| word.parse::<SessionId>().expect("an id"));
    let round = Round { number: number(words[3]), sessions: sessions.collect() };
    let begun = Instant::now();
    let store = loop {
        match SharedStore::connect(options(words[1], PATIENT)).await {
            Ok(store) => break store,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut random = Random(number(words[2]));
    for event in round.play(&store, number(words[0]) as usize, &mut random).await {
        println!("{}", event.line());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_processes_are_explained() {
    let mut random = Random(seed());
    let mut server = durable(Engine::Redis, &[]);
    let proxies: Vec<_> = (0..NODES).map(|_| Proxy::before(server.port)).collect();
    let store = SharedStore::connect(options(&server.url(), PATIENT)).await.expect("the engine is there");
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(seconds()) {
        let round = begin(&store, rounds).await;
        let nodes: Vec<_> = (0..NODES).map(|node| process(node, &proxies[node].url(), random.next(), &round)).collect();
        let (mut events, mut faults) = disturb(&mut server, &proxies, &mut random);
        // A node that stands still for longer than the bound must not go on with what is near.
        let stalled = nodes[0].id().to_string();
        let signal = |signal: &str| Command::new("kill").args([signal, &stalled]).status();
        if signal("-STOP").is_ok_and(|status| status.success()) {
            thread::sleep(Duration::from_millis(random.below(900)));
            signal("-CONT").expect("the node can go on");
        }
        for node in nodes {
            let output = node.wait_with_output().expect("the node ends");
            let output = String::from_utf8(output.stdout).expect("its output is text");
            let before = events.len();
            events.extend(output.lines().filter_map(Event::parse));
            assert!(events.len() > before, "a node has done nothing: {output}");
        }
        faults.push(Fault::Nothing);
        explain(&events, &faults, &format!("round {rounds} of processes"));
        rounds += 1;
    }
    println!("{rounds} rounds of processes");
    eventually("a round was played", Duration::from_secs(1), async || rounds > 0).await;
}
