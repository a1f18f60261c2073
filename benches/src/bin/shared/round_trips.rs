//! What asks the engine: a read that misses, and a logout until the other server refuses the session.

use crate::Result;
use crate::engine::Engine;
use crate::figures::Figures;
use cloakroom_redis::{SharedOptions, SharedStore};
use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// The logouts of one round.
const LOGOUTS: usize = 200;

pub(crate) fn measure(engine: &Engine, rounds: usize, span: Duration, figures: &mut Figures) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let connect = || SharedStore::connect(SharedOptions::new(engine.url()).prefix("trip"));
        let (one, two) = (connect().await?, connect().await?);
        for round in 0..rounds {
            let misses = misses(&one, span / 4).await?;
            figures.note(round, "a read that asks the engine, µs", "shared", misses);
            let mut spans = logouts(&one, &two, LOGOUTS.min(round_size(span))).await?;
            spans.sort_unstable();
            for (name, part) in [("p50", 50), ("p99", 99)] {
                let value = spans[(spans.len() - 1) * part / 100].as_secs_f64() * 1e6;
                figures.note(
                    round,
                    &format!("from a logout until another server refuses, {name}, µs"),
                    "shared",
                    value,
                );
            }
        }
        Ok(())
    })
}

/// Fewer logouts in a run that only checks that all works.
fn round_size(span: Duration) -> usize {
    1 + (span.as_secs_f64() * 50.0) as usize
}

/// Microseconds of one read past the near cache.
async fn misses(store: &SharedStore, span: Duration) -> Result<f64> {
    let id = store.create_with([("user", "ada")]).await?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < span {
        store.fresh().read(&id, |session| session.contains("user")).await?;
        count += 1;
    }
    let took = start.elapsed().as_secs_f64() * 1e6 / f64::from(count.max(1));
    store.delete(&id).await?;
    Ok(took)
}

/// The times from the answer to a logout on one server until the near cache of the other has lost the session. Zero if
/// it has lost the session before.
async fn logouts(one: &SharedStore, two: &SharedStore, count: usize) -> Result<Vec<Duration>> {
    let mut spans = Vec::new();
    for _ in 0..count {
        let id = one.create_with([("user", "ada")]).await?;
        while two.cached(&id, |_| ()).is_none() {
            two.get(&id, "user").await?;
        }
        one.log_out(&id).await?;
        let ended = Instant::now();
        while two.cached(&id, |_| ()).is_some() {
            spin_loop();
        }
        spans.push(ended.elapsed());
    }
    Ok(spans)
}
