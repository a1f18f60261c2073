//! Shows what is in a snapshot or a directory, without a secret; makes a snapshot of a directory that no process holds;
//! restores one.
//!
//! ```text
//! snapshot show FILE|DIRECTORY
//! snapshot make DIRECTORY FILE
//! snapshot restore FILE DIRECTORY [--replace]
//! ```
//!
//! **A snapshot revives what has ended since it was made.** So a directory that has a record of sessions is replaced
//! only with `--replace`. A directory has to be closed: stop the server first, or let it write a snapshot itself with
//! `snapshot::write`.
//!
//! With the feature `encrypt`, `CLOAKROOM_KEY` is the key, 64 hex digits: `make` seals the snapshot with it, `restore`
//! demands that it is sealed with it, and `show` looks into encrypted records.
//!
//! To see it with a few sessions:
//!
//! ```sh
//! cargo run -p cloakroom-persist --example snapshot demo
//! ```

use cloakroom::{Principal, SessionStore, Timeouts};
use cloakroom_persist::snapshot::{self, Existing, Outline, Summary};
use cloakroom_persist::{Options, Persistence};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

type Outcome<R = ()> = Result<R, Box<dyn Error>>;

const USAGE: &str = "usage: snapshot show FILE|DIRECTORY
       snapshot make DIRECTORY FILE
       snapshot restore FILE DIRECTORY [--replace]
       snapshot demo";

/// The upper ends of the columns of a histogram, in seconds, and their names.
const COLUMNS: [(u64, &str); 7] = [
    (60, "1 min"),
    (600, "10 min"),
    (3_600, "1 h"),
    (6 * 3_600, "6 h"),
    (24 * 3_600, "1 day"),
    (7 * 24 * 3_600, "1 week"),
    (u64::MAX, "more"),
];

/// Counts spans of time.
#[derive(Default)]
struct Histogram {
    columns: [u64; COLUMNS.len()],
    none: u64,
}

impl Histogram {
    fn count(&mut self, span: Option<Duration>) {
        let Some(span) = span else { return self.none += 1 };
        let column = COLUMNS.iter().position(|(end, _)| span.as_secs() <= *end);
        self.columns[column.expect("the last column has no end")] += 1;
    }

    fn show(&self, out: &mut dyn Write, title: &str, none: &str) -> io::Result<()> {
        writeln!(out, "{title}")?;
        let names = COLUMNS.iter().map(|(end, name)| match *end {
            u64::MAX => "more".to_owned(),
            _ => format!("up to {name}"),
        });
        for (name, count) in names.zip(self.columns).chain([(none.to_owned(), self.none)]) {
            if count > 0 {
                writeln!(out, "  {name:<22}{count:>12}")?;
            }
        }
        Ok(())
    }
}

/// What is told of all sessions together.
#[derive(Default)]
struct Tally {
    bound: u64,
    over: u64,
    locked: u64,
    longest: usize,
    idle: Histogram,
    timeouts: Histogram,
    left: Histogram,
    ends: Histogram,
}

impl Tally {
    fn add(&mut self, session: &Outline) {
        self.longest = self.longest.max(session.bytes);
        let Some(times) = session.times else { return self.locked += 1 };
        let left = times.idle_timeout.map(|timeout| timeout.saturating_sub(times.idle_for));
        let over = [left, times.ends_in].contains(&Some(Duration::ZERO));
        self.bound += u64::from(times.bound);
        self.over += u64::from(over);
        self.idle.count(Some(times.idle_for));
        self.timeouts.count(times.idle_timeout);
        self.left.count(left);
        self.ends.count(times.ends_in);
    }

    fn show(&self, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let Summary { format, sessions, bytes, encrypted, sealed, clean, age, .. } = *summary;
        let yes = |yes| if yes { "yes" } else { "no" };
        writeln!(out, "intact                  yes")?;
        writeln!(out, "format                  {format:>12}")?;
        writeln!(out, "age                     {:>10} s", age.as_secs())?;
        writeln!(out, "last uses complete      {:>12}", yes(clean))?;
        writeln!(out, "sessions                {sessions:>12}")?;
        writeln!(out, "  encrypted             {encrypted:>12}")?;
        writeln!(out, "sealed with a key       {:>12}", yes(sealed))?;
        writeln!(out, "bytes of records        {bytes:>12}")?;
        writeln!(out, "  the longest           {:>12}", self.longest)?;
        if self.locked == sessions && sessions > 0 {
            return writeln!(out, "without the key nothing else is known");
        }
        writeln!(out, "with a principal        {:>12}", self.bound)?;
        writeln!(out, "without a principal     {:>12}", sessions - self.locked - self.bound)?;
        writeln!(out, "expired meanwhile       {:>12}", self.over)?;
        self.idle.show(out, "time since the last use", "")?;
        self.timeouts.show(out, "idle timeout", "the store's")?;
        self.left.show(out, "time to the idle timeout", "by the store's timeout")?;
        self.ends.show(out, "time to the absolute timeout", "none")
    }
}

fn show(path: &Path, options: &Options, out: &mut dyn Write) -> Outcome {
    let mut tally = Tally::default();
    let summary = if path.is_dir() {
        writeln!(out, "a directory")?;
        snapshot::inspect_dir(path, options, |session| tally.add(session))
    } else {
        writeln!(out, "a snapshot")?;
        snapshot::inspect(File::open(path)?, options, |session| tally.add(session))
    };
    let summary = summary.inspect_err(|_| drop(writeln!(out, "intact                  no")))?;
    Ok(tally.show(&summary, out)?)
}

/// Makes a file that only this user can read, and that is there as a whole or not at all.
fn make(dir: &Path, file: &Path, options: &Options, out: &mut dyn Write) -> Outcome {
    if file.exists() {
        return Err("the file exists already".into());
    }
    let mut partial = file.to_owned().into_os_string();
    partial.push(".part");
    let mut create = OpenOptions::new();
    create.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    let mut written = create.open(&partial)?;
    let summary = snapshot::write_dir(dir, &mut written, options).inspect_err(|_| drop(fs::remove_file(&partial)))?;
    written.sync_all()?;
    fs::rename(&partial, file)?;
    if cfg!(unix) {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    writeln!(out, "{} sessions in the snapshot", summary.sessions)?;
    Ok(())
}

fn restore(file: &Path, dir: &Path, existing: Existing, options: &Options, out: &mut dyn Write) -> Outcome {
    let summary = snapshot::restore(File::open(file)?, dir, options, existing)?;
    writeln!(out, "{} sessions in the directory", summary.sessions)?;
    writeln!(out, "sessions that have ended since the snapshot was made have come back")?;
    Ok(())
}

/// Plays all of it in a directory of its own.
fn demo(out: &mut dyn Write) -> Outcome {
    let parent = tempfile::tempdir()?;
    let [dir, file, moved] = ["sessions", "snapshot", "moved"].map(|name| parent.path().join(name));
    let options = Options::new().store(SessionStore::builder().ttl(Duration::from_secs(1_800)));
    let sessions = Persistence::open(&dir, options.clone())?;
    let id = sessions.store().create_with([("theme", "dark")])?;
    let ada = sessions.store().new_session().principal(Principal::new("ada"));
    ada.timeouts(Timeouts::default().absolute(Duration::from_secs(8 * 3_600))).create()?;
    sessions.close()?;

    make(&dir, &file, &options, out)?;
    show(&file, &options, out)?;
    restore(&file, &moved, Existing::Refuse, &options, out)?;
    assert!(restore(&file, &moved, Existing::Refuse, &options, out).is_err());
    let sessions = Persistence::open(&moved, options)?;
    assert_eq!(sessions.store().get(&id, "theme").as_deref(), Some("dark"));
    writeln!(out, "everything held")?;
    Ok(())
}

/// Does what the arguments say.
pub(crate) fn run(arguments: &[&str], options: &Options, out: &mut dyn Write) -> Outcome {
    match *arguments {
        ["show", path] => show(path.as_ref(), options, out),
        ["make", dir, file] => make(dir.as_ref(), file.as_ref(), options, out),
        ["restore", file, dir] => restore(file.as_ref(), dir.as_ref(), Existing::Refuse, options, out),
        ["restore", file, dir, "--replace"] => restore(file.as_ref(), dir.as_ref(), Existing::Replace, options, out),
        ["demo"] => demo(out),
        _ => Err(USAGE.into()),
    }
}

#[cfg(feature = "encrypt")]
fn options() -> Outcome<Options> {
    let Ok(digits) = std::env::var("CLOAKROOM_KEY") else { return Ok(Options::new()) };
    // An id has 32 bytes and 64 hex digits, as a key has.
    let key: cloakroom::SessionId = digits.parse().map_err(|_| "CLOAKROOM_KEY must have 64 hex digits")?;
    Ok(Options::new().key(*key.as_bytes()))
}

#[cfg(not(feature = "encrypt"))]
fn options() -> Outcome<Options> {
    Ok(Options::new())
}

fn main() -> Outcome {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    run(&arguments, &options()?, &mut io::stdout().lock())
}
