//! Measures what keeping sessions on disk costs: `figures [sessions]`, in a directory below the present one.
//!
//! ```sh
//! cargo run --release -p cloakroom-persist --example figures 1000000
//! ```

use cloakroom::{Principal, SessionId, SessionStore};
use cloakroom_persist::{Options, Persistence};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Attributes of a session, about 145 bytes.
fn attributes(number: usize) -> [(&'static str, String); 4] {
    let text = |len| format!("{number:0len$}");
    [("user", text(12)), ("name", text(24)), ("csrf", text(64)), ("locale", text(5))]
}

fn fill(store: &SessionStore, sessions: usize) -> Vec<SessionId> {
    (0..sessions).map(|number| store.create_with(attributes(number)).expect("there is room")).collect()
}

/// The time of one `set` of a new value, the median of rounds over all sessions.
fn set(store: &SessionStore, ids: &[SessionId]) -> f64 {
    let rounds = (0..9).map(|round| {
        let (begun, value) = (Instant::now(), format!("{round:012}"));
        ids.iter().for_each(|id| store.set(id, "user", &value).expect("it is live"));
        begun.elapsed().as_secs_f64() * 1e9 / ids.len() as f64
    });
    let mut rounds: Vec<_> = rounds.collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Ends sessions by so many threads, and prints how long that takes.
fn delete(store: &SessionStore, ids: &[SessionId], threads: usize) {
    let (times, begun) = (Mutex::new(Vec::new()), Instant::now());
    let noted = &times;
    thread::scope(|scope| {
        for part in ids.chunks(ids.len().div_ceil(threads)) {
            scope.spawn(move || {
                for id in part {
                    let begun = Instant::now();
                    assert!(store.delete(id));
                    let took = begun.elapsed();
                    noted.lock().expect("no thread panics").push(took);
                }
            });
        }
    });
    let all = begun.elapsed();
    let mut times = times.into_inner().expect("no thread panics");
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100];
    let a_second = times.len() as f64 / all.as_secs_f64();
    println!("durable delete, {threads:3} threads: p50 {:.2?}, p99 {:.2?}, {a_second:.0} a second", at(50), at(99));
}

/// Opens the directory, and looks sessions up while all are restored. The ids are in the order of the restoration.
fn restart(dir: &Path, ids: &[SessionId]) -> Result<Persistence, Box<dyn Error>> {
    let begun = Instant::now();
    let kept = Persistence::open(dir, Options::new().restore_first(0))?;
    println!("restart: open after {:.2?}, {} of {} restored", begun.elapsed(), kept.restored().sessions, ids.len());
    let (sessions, restoration) = (&kept, kept.restoration());
    let (took, mut latencies) = thread::scope(|scope| {
        let looking = scope.spawn(move || look_up(sessions, ids));
        let restored = restoration.wait();
        assert_eq!(restored.sessions, ids.len() as u64);
        (begun.elapsed(), looking.join().expect("no look-up panics"))
    });
    println!("all restored after {took:.2?}, {:.1} µs each", took.as_secs_f64() * 1e6 / ids.len() as f64);
    for (what, latencies) in KINDS.iter().zip(&mut latencies) {
        latencies.sort_unstable();
        if let Some(longest) = latencies.last() {
            let at = |percent: usize| latencies[latencies.len() * percent / 100];
            let count = latencies.len();
            println!("meanwhile, {what}: p50 {:.1?}, p99 {:.1?}, max {longest:.1?} of {count}", at(50), at(99));
        }
    }
    Ok(kept)
}

const KINDS: [&str; 3] = ["not restored yet", "restored, first look-up", "looked up before"];

/// The times of look-ups while sessions are restored: from the end of the order, and twice from the beginning.
fn look_up(kept: &Persistence, ids: &[SessionId]) -> [Vec<Duration>; 3] {
    let mut latencies = [const { Vec::new() }; 3];
    let mut look = |kind: usize, id| {
        let begun = Instant::now();
        let found = kept.store().get(id, "user").is_some();
        let took = begun.elapsed();
        assert!(found);
        latencies[kind].push(took);
    };
    for number in 0.. {
        let (early, late) = (number, ids.len().saturating_sub(number + 1));
        let restored = kept.restored().sessions as usize;
        // Those from the end are among the restored ones too.
        if late <= restored {
            break;
        }
        look(0, &ids[late]);
        if restored > 2 * (early + 1) {
            look(1, &ids[early]);
            look(2, &ids[early]);
        }
        thread::sleep(Duration::from_micros(50));
    }
    latencies
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("it is there").flatten();
    entries.map(|entry| entry.metadata().map_or(0, |file| file.len())).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let sessions = std::env::args().nth(1).map_or(Ok(200_000), |sessions| sessions.parse())?;
    // Not in the system's own folder for temporary files, which may be in memory.
    let parent = tempfile::tempdir_in(".")?;
    let dir = parent.path().join("sessions");

    let memory = SessionStore::default();
    let ids = fill(&memory, sessions.min(50_000));
    let alone = set(&memory, &ids);
    drop(memory);

    let kept = Persistence::open(&dir, Options::new())?;
    let ids = fill(kept.store(), sessions.min(50_000));
    kept.flush()?;
    let with = set(kept.store(), &ids);
    println!("set: {alone:.0} ns in memory, {with:.0} ns kept on disk, {:.2} times as long", with / alone);
    let begun = Instant::now();
    kept.flush()?;
    println!("flush of {} changed sessions: {:.2?}", ids.len(), begun.elapsed());

    for threads in [1, 8, 64] {
        let ended: Vec<_> = (0..10 * threads.max(10)).map(|_| kept.store().create()).collect::<Result<_, _>>()?;
        kept.flush()?;
        delete(kept.store(), &ended, threads);
    }

    let ada = Principal::new("ada");
    for _ in 0..sessions.min(10_000) {
        kept.store().new_session().principal(ada).create()?;
    }
    kept.flush()?;
    let begun = Instant::now();
    let ended = kept.end_sessions_of(&ada)?;
    let took = begun.elapsed();
    println!(
        "durable end of {ended} sessions in one call: {took:.2?}, {:.0} a second",
        ended as f64 / took.as_secs_f64()
    );

    let mut all = ids;
    all.extend(fill(kept.store(), sessions - all.len()));
    kept.flush()?;
    let begun = Instant::now();
    kept.close()?;
    println!("close: {:.2?}, {} bytes a session on disk", begun.elapsed(), size(&dir) / sessions as u64);

    all.sort_by_cached_key(|id| Sha256::digest(id.as_bytes()));
    let kept = restart(&dir, &all)?;
    for round in ["first", "next"] {
        let begun = Instant::now();
        assert!(all.iter().all(|id| kept.store().touch(id)));
        let each = begun.elapsed() / u32::try_from(sessions)?;
        println!("{round} look-up of a restored session: {each:.0?}");
    }
    drop(kept);
    Ok(())
}
