//! A hit of the near cache beside a `get` of a store in memory.

use crate::Result;
use crate::engine::Engine;
use crate::figures::Figures;
use cloakroom::{SessionId, SessionStore};
use cloakroom_redis::{SharedOptions, SharedStore};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SESSIONS: usize = 1_000;
const BATCH: usize = 10_000;
const ATTRIBUTES: [(&str, &str); 3] =
    [("user", "ada@example.com"), ("token", "6f1d3a9be27c4f5088d1b6a0c4e7f213"), ("visits", "0")];

/// The two stores with as many sessions.
struct Both {
    memory: (SessionStore, Vec<SessionId>),
    shared: (SharedStore, Vec<SessionId>),
}

impl Both {
    async fn over(url: &str) -> Result<Self> {
        let memory = SessionStore::default();
        let ids = (0..SESSIONS).map(|_| memory.create_with(ATTRIBUTES)).collect::<std::result::Result<_, _>>()?;
        let shared = SharedStore::connect(SharedOptions::new(url).prefix("hit")).await?;
        let mut shared_ids = Vec::new();
        for _ in 0..SESSIONS {
            let id = shared.create_with(ATTRIBUTES).await?;
            shared.get(&id, "user").await?;
            shared_ids.push(id);
        }
        let both = Self { memory: (memory, ids), shared: (shared, shared_ids) };
        both.hits(SESSIONS)?;
        Ok(both)
    }

    #[inline(never)]
    fn gets(&self, turns: usize) -> Result<()> {
        let (store, ids) = &self.memory;
        for id in ids.iter().cycle().take(turns) {
            black_box(store.get(black_box(id), black_box("user")).ok_or("a session is missing")?);
        }
        Ok(())
    }

    #[inline(never)]
    fn hits(&self, turns: usize) -> Result<()> {
        let (store, ids) = &self.shared;
        for id in ids.iter().cycle().take(turns) {
            let value = store.cached(black_box(id), |session| session.get(black_box("user")).map(str::to_owned));
            black_box(value.flatten().ok_or("a session is not near")?);
        }
        Ok(())
    }
}

pub(crate) fn measure(engine: &Engine, rounds: usize, span: Duration, figures: &mut Figures) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let both = runtime.block_on(Both::over(&engine.url()))?;
    // In short turns, so that a disturbance of the machine affects both alike.
    for round in 0..rounds {
        let (mut took, mut turns) = ([Duration::ZERO; 2], 0);
        while took[0] + took[1] < span / 2 {
            let start = Instant::now();
            both.gets(BATCH)?;
            let between = Instant::now();
            both.hits(BATCH)?;
            took = [took[0] + (between - start), took[1] + between.elapsed()];
            turns += BATCH;
        }
        for (kind, took) in ["in memory", "shared"].into_iter().zip(took) {
            figures.note(round, "a get of a session that is near, ns", kind, took.as_secs_f64() * 1e9 / turns as f64);
        }
    }
    Ok(())
}

/// Ten thousand turns of one kind, for a program that counts instructions: of `gets` or of `hits`.
pub(crate) fn turns(kind: &str, url: &str) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let both = runtime.block_on(Both::over(url))?;
    if kind == "in memory" { both.gets(BATCH) } else { both.hits(BATCH) }
}
