//! Compares embedded stores on what `cloakroom-persist` asks of one: `engines [redb|fjall] [sessions]`. Works in the
//! folder `ENGINES_DIR`, or in the system's own for temporary files.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const VALUE: usize = 177;

/// What the writer of `cloakroom-persist` asks of a store.
trait Engine: Sized {
    fn open(dir: &Path) -> Result<Self>;
    /// Writes and removes in one batch, and returns when it is on disk.
    fn commit(&mut self, upserts: &[([u8; 32], Vec<u8>)], removals: &[[u8; 32]]) -> Result<()>;
    fn scan(&mut self) -> Result<(usize, usize)>;
    fn close(self) -> Result<()>;
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, &[u8; 32], &[u8]> = redb::TableDefinition::new("sessions");

impl Engine for Redb {
    fn open(dir: &Path) -> Result<Self> {
        // All checksums are compared, as `cloakroom-persist` does.
        Ok(Self(redb::Builder::new().set_check_integrity_on_open(true).create(dir.join("sessions.redb"))?))
    }

    fn commit(&mut self, upserts: &[([u8; 32], Vec<u8>)], removals: &[[u8; 32]]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in upserts {
                table.insert(key, value.as_slice())?;
            }
            for key in removals {
                table.remove(key)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn scan(&mut self) -> Result<(usize, usize)> {
        use redb::{ReadableDatabase, ReadableTable};
        let (mut sessions, mut bytes) = (0, 0);
        for entry in self.0.begin_read()?.open_table(TABLE)?.iter()? {
            let (key, value) = entry?;
            sessions += 1;
            bytes += key.value().len() + value.value().len();
        }
        Ok((sessions, bytes))
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

struct Fjall(fjall::Database, fjall::Keyspace);

impl Engine for Fjall {
    fn open(dir: &Path) -> Result<Self> {
        let database = fjall::Database::builder(dir).open()?;
        let keyspace = database.keyspace("sessions", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self(database, keyspace))
    }

    fn commit(&mut self, upserts: &[([u8; 32], Vec<u8>)], removals: &[[u8; 32]]) -> Result<()> {
        let mut batch = self.0.batch().durability(Some(fjall::PersistMode::SyncAll));
        for (key, value) in upserts {
            batch.insert(&self.1, &key[..], &value[..]);
        }
        for key in removals {
            batch.remove(&self.1, &key[..]);
        }
        Ok(batch.commit()?)
    }

    fn scan(&mut self) -> Result<(usize, usize)> {
        let (mut sessions, mut bytes) = (0, 0);
        for entry in self.1.iter() {
            let (key, value) = entry.into_inner()?;
            sessions += 1;
            bytes += key.len() + value.len();
        }
        Ok((sessions, bytes))
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Keys in the order of their numbers, and random to the store.
fn key(number: u64) -> [u8; 32] {
    let mut key = [0; 32];
    let mut state = number;
    for part in key.chunks_exact_mut(8) {
        // Splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes());
    }
    key
}

fn value(number: u64) -> Vec<u8> {
    let mut value = Vec::new();
    for part in 0.. {
        if value.len() >= VALUE {
            break;
        }
        value.extend_from_slice(&key(number ^ part << 40 ^ 1 << 63));
    }
    value.truncate(VALUE);
    value
}

fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
}

fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

fn percentiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn play<E: Engine>(name: &str, dir: &Path, sessions: u64) -> Result<()> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir)?;
    let mut engine = E::open(dir)?;
    let begun = Instant::now();
    let numbers: Vec<u64> = (0..sessions).collect();
    for part in numbers.chunks(10_000) {
        engine.commit(&part.iter().map(|&number| (key(number), value(number))).collect::<Vec<_>>(), &[])?;
    }
    println!(
        "{name}: fill {sessions} in batches of 10,000: {:.2?}, {} bytes a session on disk",
        begun.elapsed(),
        size(dir) / sessions
    );

    let (before, mut times) = (written(), Vec::new());
    for round in 0..15_u64 {
        let mut changes: Vec<_> = (0..10_000_u64)
            .map(|change| (key((round * 7_919 + change * 104_729) % sessions), value(change + round)))
            .collect();
        changes.sort_unstable();
        let begun = Instant::now();
        engine.commit(&changes, &[])?;
        times.push(begun.elapsed());
    }
    let (p50, p99) = percentiles(&mut times);
    let bytes = (written() - before) / 15 / 10_000;
    println!(
        "{name}: 10,000 changes: p50 {p50:.2?}, p99 {p99:.2?}, {bytes} bytes written each, {} bytes a session",
        size(dir) / sessions
    );

    let mut next = 0;
    for (batch, rounds) in [(1, 300), (16, 200), (256, 100)] {
        let (before, mut times) = (written(), Vec::new());
        for _ in 0..rounds {
            let removals: Vec<_> = (next..next + batch).map(key).collect();
            next += batch;
            let begun = Instant::now();
            engine.commit(&[], &removals)?;
            times.push(begun.elapsed());
        }
        let (p50, p99) = percentiles(&mut times);
        let bytes = (written() - before) / rounds;
        println!(
            "{name}: {batch} durable deletes in a batch: p50 {p50:.2?}, p99 {p99:.2?}, {bytes} bytes written a batch"
        );
    }
    let begun = Instant::now();
    engine.close()?;
    println!("{name}: close {:.2?}, {} bytes a session", begun.elapsed(), size(dir) / (sessions - next));
    let begun = Instant::now();
    let mut engine = E::open(dir)?;
    let opened = begun.elapsed();
    let (found, bytes) = engine.scan()?;
    println!(
        "{name}: open {opened:.2?}, open and read all: {:.2?}, {found} sessions of {} bytes",
        begun.elapsed(),
        bytes / found
    );
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let engine = arguments.next().unwrap_or_default();
    let sessions = arguments.next().map_or(Ok(200_000), |sessions| sessions.parse())?;
    let dir = std::env::var_os("ENGINES_DIR").map_or_else(std::env::temp_dir, Into::into).join("cloakroom-engines");
    match engine.as_str() {
        "redb" => play::<Redb>("redb", &dir, sessions),
        "fjall" => play::<Fjall>("fjall", &dir, sessions),
        other => Err(format!("no such engine: {other:?}").into()),
    }?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
