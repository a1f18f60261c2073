//! Instructions and cache misses of a read that `cloakroom-redis` serves from its near cache, and of the same read in
//! memory, counted by valgrind's callgrind on the thread that calls them. `ci/instructions.sh` runs it and judges the
//! ratios. Needs `redis-server`, which each benchmark starts and stops for itself.
//!
//! Each benchmark does [`TURNS`] reads. The sessions of the `far` ones do not fit the first cache.

#![allow(missing_docs, reason = "the macros generate items without documentation")]

use cloakroom::{SessionId, SessionStore};
use cloakroom_benches::attributes::{ATTRIBUTES, READ_KEY};
use cloakroom_redis::{SharedOptions, SharedStore};
use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const TURNS: usize = 10_000;
/// As in `counts.rs`.
const FEW: usize = 1_000;
const MANY: usize = 10_000;
/// So that no read meets the session that it has met just before.
const STRIDE: usize = 7_919;

/// An engine on a free port, which is killed in the end.
struct Engine {
    child: Child,
    port: u16,
}

impl Engine {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port is free").port();
        let options = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let child = Command::new("redis-server").args(options).stdout(Stdio::null()).spawn();
        let engine = Self { child: child.expect("redis-server is installed"), port };
        (0..2_000).find(|_| {
            sleep(Duration::from_millis(10));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Memory {
    store: SessionStore,
    ids: Vec<SessionId>,
}

struct Near {
    shared: SharedStore,
    ids: Vec<SessionId>,
    _runtime: Runtime,
    _engine: Engine,
}

fn turns(ids: &[SessionId]) -> impl Iterator<Item = &SessionId> {
    (0..TURNS).map(|turn| &ids[turn * STRIDE % ids.len()])
}

fn memory(sessions: usize) -> Memory {
    let store = SessionStore::default();
    let ids = (0..sessions).map(|_| store.create_with(ATTRIBUTES).expect("there is no limit")).collect();
    let filled = Memory { store, ids };
    // Both have been read once.
    filled.ids.iter().for_each(|id| assert!(filled.store.touch(id)));
    filled
}

fn near(sessions: usize) -> Near {
    let engine = Engine::start();
    let runtime = Builder::new_current_thread().enable_all().build().expect("there is a thread");
    // Valgrind is slow.
    let options = SharedOptions::new(format!("redis://127.0.0.1:{}", engine.port));
    let options = options.staleness(Duration::from_secs(300)).command_timeout(Duration::from_secs(60));
    let (shared, ids) = runtime.block_on(async {
        let shared = SharedStore::connect(options).await.expect("the engine answers");
        let mut ids = Vec::new();
        for _ in 0..sessions {
            ids.push(shared.create_with(ATTRIBUTES).await.expect("the engine answers"));
        }
        for id in &ids {
            shared.touch(id).await.expect("the engine answers");
        }
        (shared, ids)
    });
    assert!(ids.iter().all(|id| shared.cached(id, |_| ()).is_some()), "all sessions are near");
    Near { shared, ids, _runtime: runtime, _engine: engine }
}

#[library_benchmark]
#[bench::few(setup = memory, args = [FEW])]
fn get(memory: Memory) -> Memory {
    for id in turns(&memory.ids) {
        black_box(memory.store.get(black_box(id), black_box(READ_KEY)).expect("the session is live"));
    }
    memory
}

#[library_benchmark]
#[bench::few(setup = near, args = [FEW])]
fn get_near(near: Near) -> Near {
    for id in turns(&near.ids) {
        let key = black_box(READ_KEY);
        let value = near.shared.cached(black_box(id), |attributes| attributes.get(key).map(str::to_owned));
        black_box(value.flatten().expect("the session is near"));
    }
    near
}

#[library_benchmark]
#[bench::many(setup = memory, args = [MANY])]
fn far_get(memory: Memory) -> Memory {
    for id in turns(&memory.ids) {
        black_box(memory.store.get(black_box(id), black_box(READ_KEY)).expect("the session is live"));
    }
    memory
}

#[library_benchmark]
#[bench::many(setup = near, args = [MANY])]
fn far_get_near(near: Near) -> Near {
    for id in turns(&near.ids) {
        let key = black_box(READ_KEY);
        let value = near.shared.cached(black_box(id), |attributes| attributes.get(key).map(str::to_owned));
        black_box(value.flatten().expect("the session is near"));
    }
    near
}

library_benchmark_group!(name = reads, benchmarks = [get, get_near, far_get, far_get_near]);
main!(library_benchmark_groups = reads);
