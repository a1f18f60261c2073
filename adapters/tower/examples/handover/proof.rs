//! Handovers under load: nothing may fail, nobody may be logged out, and no logout may be lost.

use crate::load::{Client, Habit, Seen, visit};
use crate::say;
use cloakroom_persist::{Options, Persistence};
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// For how long an old server waits for the next request of an idle connection.
const LINGER: Duration = Duration::from_secs(1);

/// The longest pauses are shorter than that. A client that pauses longer may lose its connection at any time.
const HABITS: [Habit; 4] = [
    Habit { keeps_alive: true, path: "/profile", pause: Duration::from_millis(10) },
    Habit { keeps_alive: false, path: "/profile", pause: Duration::from_millis(10) },
    Habit { keeps_alive: true, path: "/profile", pause: Duration::from_millis(700) },
    Habit { keeps_alive: true, path: "/slow", pause: Duration::from_millis(10) },
];

const CLIENTS: usize = 32;
/// Users who are logged in all the time.
const RESIDENTS: usize = 50;
const DEADLINE: Duration = Duration::from_secs(120);

/// A supervisor under test.
struct Supervised {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Supervised {
    async fn start(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("supervise").env("ADDRESS", "127.0.0.1:0").env("PERSIST", directory);
        command.env("LINGER_MS", LINGER.as_millis().to_string()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let line = line_with(&mut output, "listening on http://").await?;
        let address = line.trim_start_matches("listening on http://").parse()?;
        line_with(&mut output, "server 1 accepts").await?;
        Ok(Self { process, output, address })
    }

    fn signal(&self, signal: Signal) -> Result<(), Box<dyn Error>> {
        let process = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(kill_process(process.ok_or("the supervisor has ended")?, signal)?)
    }
}

/// The next line that begins so.
async fn line_with(output: &mut Lines<BufReader<ChildStdout>>, begin: &str) -> Result<String, Box<dyn Error>> {
    let search = async {
        while let Some(line) = output.next_line().await? {
            if line.starts_with(begin) {
                return Ok(line);
            }
        }
        Err(format!("the supervisor has ended, and has not said: {begin}").into())
    };
    timeout(DEADLINE, search).await?
}

pub(crate) async fn run(numbers: &[&str]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize, default| numbers.get(at).map_or(Ok(default), |text| text.parse());
    let (handovers, sessions) = (number(0, 10)?, number(1, 10_000)?);
    // Not in the system's folder for temporary files, which may be in memory.
    let parent = tempfile::tempdir_in(".")?;
    let directory = parent.path().canonicalize()?.join("sessions");
    let kept = Persistence::open(&directory, Options::new())?;
    for _ in 0..sessions {
        kept.store().create_with([("user", "somebody"), ("theme", "dark")])?;
    }
    kept.close()?;

    let mut supervised = Supervised::start(&directory).await?;
    let address = supervised.address;
    let mut watcher = Client::new(address, true);
    let mut residents = Vec::new();
    for number in 0..RESIDENTS {
        let user = format!("resident {number}");
        residents.push((watcher.log_in(&user).await.ok_or("a resident cannot log in")?, user));
    }
    let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for number in 0..CLIENTS {
        clients.spawn(visit(address, number, HABITS[number % HABITS.len()], Arc::clone(&stop)));
    }

    let (begun, mut during) = (Instant::now(), Vec::new());
    for number in 1..=handovers {
        sleep(Duration::from_millis(500)).await;
        let begun = Instant::now();
        supervised.signal(Signal::HUP)?;
        say(&line_with(&mut supervised.output, "closed the directory").await?);
        say(&line_with(&mut supervised.output, "had the directory").await?);
        say(&line_with(&mut supervised.output, &format!("handover {number} took")).await?);
        during.push((begun, Instant::now()));
        for (cookie, user) in &residents {
            watcher.reads("/profile", cookie, user).await;
        }
    }
    sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    while let Some(client) = clients.join_next().await {
        seen.add(client?);
    }
    let took = begun.elapsed();
    for cookie in &seen.logged_out {
        watcher.is_refused(cookie).await;
    }
    seen.add(watcher.seen);
    supervised.signal(Signal::TERM)?;
    let status = timeout(DEADLINE, supervised.process.wait()).await??;
    if !status.success() {
        return Err(format!("the supervisor has ended with {status}").into());
    }
    report(&seen, &during, took)
}

/// Prints the figures. An error if anything was wrong.
fn report(seen: &Seen, during: &[(Instant, Instant)], took: Duration) -> Result<(), Box<dyn Error>> {
    let overlaps = |(sent, took): &&(Instant, Duration)| {
        during.iter().any(|(begun, ended)| sent <= ended && *sent + *took >= *begun)
    };
    let (within, others): (Vec<_>, Vec<_>) = seen.requests.iter().partition(overlaps);
    say(&format!("{} handovers in {took:.1?}, {CLIENTS} clients, {} logouts", during.len(), seen.logged_out.len()));
    say(&format!("{} responses have ended their connection, {} took 300 ms each", seen.closed, seen.slow));
    for (name, requests) in [("during a handover", within), ("otherwise", others)] {
        let mut times: Vec<_> = requests.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let at = |permille: usize| times.get(times.len() * permille / 1_000).copied().unwrap_or_default();
        let (half, most, longest) = (at(500), at(990), times.last().copied().unwrap_or_default());
        say(&format!("{name}: {} requests, p50 {half:.1?}, p99 {most:.1?}, longest {longest:.1?}", times.len()));
    }
    if !seen.failures.is_empty() {
        let some = seen.failures.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        return Err(format!("{} requests have failed:\n{some}", seen.failures.len()).into());
    }
    say("no request has failed, nobody was logged out, and every logout held");
    Ok(())
}
