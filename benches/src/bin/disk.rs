//! Compares `cloakroom-persist` with the SQLite store of tower-sessions on one disk: `disk [sessions] [rounds]`, in a
//! directory below the present one.
//!
//! The stores take turns within each round, so that a disturbance of the machine affects all of them.

use cloakroom::SessionId;
use cloakroom_persist::{Options, Persistence, Waiting};
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_sqlx_store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::SqlitePool;
use tower_sessions_sqlx_store::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLIENTS: [usize; 3] = [1, 8, 64];

/// Attributes of a session, about 145 bytes.
fn attributes(number: usize) -> [(&'static str, String); 4] {
    let text = |len| format!("{number:0len$}");
    [("user", text(12)), ("name", text(24)), ("csrf", text(64)), ("locale", text(5))]
}

/// A store whose sessions are on disk.
trait OnDisk: Clone + Send + Sync + 'static {
    type Session: Send + Sync + 'static;

    fn create(&self, number: usize) -> impl Future<Output = Self::Session> + Send;
    /// Changes an attribute.
    fn set(&self, session: &mut Self::Session, value: String) -> impl Future<Output = ()> + Send;
    /// Returns when the end is on disk.
    fn delete(&self, session: Self::Session) -> impl Future<Output = ()> + Send;
    /// Returns when all changes are on disk.
    fn flush(&self);
    fn close(self) -> impl Future<Output = ()> + Send;
}

#[derive(Clone)]
struct Cloakroom(Arc<Persistence>);

impl Cloakroom {
    fn open(dir: &Path) -> Result<Self> {
        Ok(Self(Arc::new(Persistence::open(dir, Options::new().waiting(Waiting::WhereAsked))?)))
    }
}

impl OnDisk for Cloakroom {
    type Session = SessionId;

    async fn create(&self, number: usize) -> SessionId {
        self.0.store().create_with(attributes(number)).expect("there is room")
    }

    async fn set(&self, session: &mut SessionId, value: String) {
        self.0.store().set(session, "user", &value).expect("it is live");
    }

    async fn delete(&self, session: SessionId) {
        assert!(self.0.deferred(|store| store.delete(&session)).await.expect("the disk works"));
    }

    fn flush(&self) {
        self.0.flush().expect("the disk works");
    }

    async fn close(self) {
        Arc::into_inner(self.0).expect("all clients have ended").close().expect("the disk works");
    }
}

/// `sqlx` forces each transaction to disk by default, which is SQLite's own default too.
#[derive(Clone)]
struct Sqlite(SqliteStore, SqlitePool);

impl Sqlite {
    async fn open(dir: &Path, wal: bool) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let url = format!("sqlite://{}", dir.join("sessions.sqlite").display());
        let mut options = SqliteConnectOptions::from_str(&url)?.create_if_missing(true);
        if wal {
            options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        }
        let pool = SqlitePool::connect_with(options).await?;
        let store = SqliteStore::new(pool.clone());
        store.migrate().await?;
        Ok(Self(store, pool))
    }
}

impl OnDisk for Sqlite {
    type Session = Record;

    async fn create(&self, number: usize) -> Record {
        let data: HashMap<_, _> =
            attributes(number).into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let expiry_date = OffsetDateTime::now_utc() + Duration::from_secs(1_800);
        let mut record = Record { id: Id::default(), data, expiry_date };
        self.0.create(&mut record).await.expect("the disk works");
        record
    }

    async fn set(&self, session: &mut Record, value: String) {
        session.data.insert("user".to_owned(), value.into());
        self.0.save(session).await.expect("the disk works");
    }

    async fn delete(&self, session: Record) {
        self.0.delete(&session.id).await.expect("the disk works");
    }

    fn flush(&self) {}

    async fn close(self) {
        self.1.close().await;
    }
}

/// The times of single operations, and how long all of them took.
#[derive(Default)]
struct Times {
    single: Vec<Duration>,
    all: Duration,
}

impl Times {
    fn add(&mut self, other: Self) {
        self.single.extend(other.single);
        self.all += other.all;
    }

    fn show(&mut self, what: &str) {
        self.single.sort_unstable();
        let at = |percent: usize| self.single[self.single.len() * percent / 100].as_secs_f64() * 1e3;
        let a_second = self.single.len() as f64 / self.all.as_secs_f64();
        println!("{what}: p50 {:.3} ms, p99 {:.3} ms, {a_second:.0} a second", at(50), at(99));
    }
}

/// What was measured of one store.
#[derive(Default)]
struct Figures {
    create: Times,
    set: Times,
    delete: [Times; CLIENTS.len()],
    bytes: u64,
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|entry| entry.metadata().map_or(0, |file| file.len())).sum()
}

async fn delete<S: OnDisk>(store: &S, sessions: Vec<S::Session>, clients: usize) -> Times {
    let (each, begun, mut sessions) = (sessions.len() / clients, Instant::now(), sessions.into_iter());
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (store, own) = (store.clone(), sessions.by_ref().take(each).collect::<Vec<_>>());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for session in own {
                    let begun = Instant::now();
                    store.delete(session).await;
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Times::default();
    for client in clients {
        times.single.extend(client.await.expect("no client panics"));
    }
    times.all = begun.elapsed();
    times
}

/// Plays one round.
async fn play<S: OnDisk>(store: S, dir: PathBuf, sessions: usize, figures: &mut Figures) {
    let (mut live, mut times, begun) = (Vec::new(), Times::default(), Instant::now());
    for number in 0..sessions {
        let begun = Instant::now();
        live.push(store.create(number).await);
        times.single.push(begun.elapsed());
    }
    times.all = begun.elapsed();
    figures.create.add(times);
    let (mut times, begun) = (Times::default(), Instant::now());
    for (number, session) in live.iter_mut().enumerate() {
        let begun = Instant::now();
        // Another value than before.
        store.set(session, format!("{:012}", number + 1)).await;
        times.single.push(begun.elapsed());
    }
    times.all = begun.elapsed();
    figures.set.add(times);
    store.flush();
    figures.bytes = size(&dir) / sessions as u64;
    for (clients, times) in CLIENTS.into_iter().zip(&mut figures.delete) {
        let ended = live.split_off(live.len() - (sessions / 5).max(clients));
        times.add(delete(&store, ended, clients).await);
    }
    store.close().await;
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let sessions = arguments.next().transpose()?.unwrap_or(2_000).max(400);
    let rounds = arguments.next().transpose()?.unwrap_or(5);
    // Not in the system's own folder for temporary files, which may be in memory.
    let parent = tempfile::tempdir_in(".")?;
    let names = ["cloakroom-persist", "SQLite, as it comes", "SQLite, WAL and synchronous=FULL"];
    let mut figures = names.map(|_| Figures::default());
    let runtime = Runtime::new()?;
    for round in 0..rounds {
        for turn in 0..names.len() {
            // Each round begins with another store.
            let which = (round + turn) % names.len();
            let (dir, figures) = (parent.path().join(format!("{round}-{which}")), &mut figures[which]);
            runtime.block_on(async {
                match which {
                    0 => play(Cloakroom::open(&dir)?, dir, sessions, figures).await,
                    _ => play(Sqlite::open(&dir, which == 2).await?, dir, sessions, figures).await,
                }
                Ok::<_, Box<dyn Error>>(())
            })?;
        }
    }
    for (name, figures) in names.iter().zip(&mut figures) {
        figures.create.show(&format!("{name}: create"));
        figures.set.show(&format!("{name}: set"));
        for (clients, times) in CLIENTS.iter().zip(&mut figures.delete) {
            times.show(&format!("{name}: delete on disk, {clients} clients"));
        }
        println!("{name}: {} bytes a session on disk", figures.bytes);
    }
    Ok(())
}
