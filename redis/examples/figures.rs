//! Measures what a session costs near, in the engine and in memory, side by side:
//!
//! ```sh
//! cargo run --release -p cloakroom-redis --example figures redis://127.0.0.1:6379
//! ```
//!
//! The figures of the near cache and of memory are medians of interleaved rounds. A second argument divides the number
//! of reads and of sessions, for a short run.

use cloakroom::{SessionId, SessionStore};
use cloakroom_redis::{SharedOptions, SharedStore};
use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const READS: u32 = 200_000;
const ASKS: usize = 2_000;

fn each(reads: u32, mut read: impl FnMut(usize)) -> Duration {
    let begun = Instant::now();
    for number in 0..reads {
        read(number as usize);
    }
    begun.elapsed() / reads
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    times[((times.len() - 1) as f64 * part) as usize]
}

async fn hits(shared: &SharedStore, sessions: usize, reads: u32) -> Result<(), Box<dyn Error>> {
    let memory = SessionStore::builder().build()?;
    let attributes = [("user", "ada"), ("role", "admin"), ("theme", "dark")];
    let (mut near, mut here): (Vec<SessionId>, Vec<SessionId>) = (Vec::new(), Vec::new());
    for _ in 0..sessions {
        near.push(shared.create_with(attributes).await?);
        here.push(memory.create_with(attributes)?);
    }
    for id in &near {
        shared.read(id, |_| ()).await?;
    }
    let (mut times_near, mut times_here) = (Vec::new(), Vec::new());
    let before = shared.health();
    for _ in 0..ROUNDS {
        let at = |number: usize| number.wrapping_mul(7_919) % sessions;
        times_here.push(each(reads, |number| {
            black_box(memory.get(&here[at(number)], "role"));
        }));
        times_near.push(each(reads, |number| {
            black_box(shared.cached(&near[at(number)], |attributes| attributes.get("role").map(str::to_owned)));
        }));
    }
    let after = shared.health();
    let (near, here) = (quantile(&mut times_near, 0.5), quantile(&mut times_here, 0.5));
    let ratio = near.as_secs_f64() / here.as_secs_f64();
    println!("a hit among {sessions} sessions: {near:?}, in memory {here:?}: {ratio:.2}");
    println!("  {} hits, {} reads that asked the engine", after.hits - before.hits, after.misses - before.misses);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let options = || SharedOptions::new(&url).prefix("cloakroom-figures");
    let (one, other) = (SharedStore::connect(options()).await?, SharedStore::connect(options()).await?);
    let part: u32 = env::args().nth(2).map_or(Ok(1), |part| part.parse())?;
    hits(&one, 1, READS / part).await?;
    hits(&one, 10_000 / part as usize, READS / part).await?;
    let asks = ASKS / part as usize;

    let (mut misses, mut changes, mut logouts) = (Vec::new(), Vec::new(), Vec::new());
    let before = one.health();
    for _ in 0..asks {
        let id = one.create_with([("user", "ada")]).await?;
        let begun = Instant::now();
        one.read(&id, |_| ()).await?;
        misses.push(begun.elapsed());
        let begun = Instant::now();
        one.set(&id, "theme", "dark").await?;
        changes.push(begun.elapsed());
        other.read(&id, |_| ()).await?;
        let begun = Instant::now();
        one.delete(&id).await?;
        while other.cached(&id, |_| ()).is_some() {}
        logouts.push(begun.elapsed());
    }
    let commands = one.health().commands - before.commands;
    println!("a create, a miss, a change and a logout: {} commands, pings among them", commands / asks as u64);
    for (what, times) in [("a miss", &mut misses), ("a change", &mut changes)] {
        println!("{what}: p50 {:?}, p99 {:?}", quantile(times, 0.5), quantile(times, 0.99));
    }
    let (p50, p99) = (quantile(&mut logouts, 0.5), quantile(&mut logouts, 0.99));
    println!("from the call of a logout until the other server refuses: p50 {p50:?}, p99 {p99:?}");
    Ok(())
}
