//! An engine of the test's own on a free port: `redis-server` or `valkey-server`, as `CLOAKROOM_ENGINE` says, or else
//! the first one on the path.

use std::env;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest time that an engine may take to start, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running engine, which is killed when it is dropped, together with its files.
pub(crate) struct Engine {
    process: Child,
    port: u16,
    dir: PathBuf,
    options: Vec<String>,
}

/// What it has answered is in its file.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[allow(dead_code, reason = "each test binary uses a part")]
impl Engine {
    pub(crate) fn start() -> Self {
        Self::start_with(&DURABLE)
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("cloakroom-engine-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("a bound socket").port();
        drop(free);
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let engine = Self { process: run(port, &dir, &options), port, dir, options };
        engine.is_up();
        engine
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn is_up(&self) {
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() || !self.tell("PING").contains("PONG") {
            assert!(start.elapsed() < DEADLINE, "the engine does not start");
            sleep(Duration::from_millis(20));
        }
    }

    /// Sends a command, and returns the answer as it comes.
    pub(crate) fn tell(&self, command: &str) -> String {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the engine listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        // The engine closes the connection after its answer to the second command.
        write!(socket, "{command}\r\nQUIT\r\n").expect("the engine listens");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The number of commands that the engine has run, those of scripts among them, without pings and what this asks.
    pub(crate) fn commands(&self) -> u64 {
        let said = self.tell("INFO commandstats");
        let of = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls: u64 = rest.split(',').next()?.parse().ok()?;
            (!["ping", "info", "quit"].contains(&name)).then_some(calls)
        };
        said.lines().filter_map(of).sum()
    }

    /// Stops the process where it is (`-STOP`), lets it go on (`-CONT`), or kills it (`-KILL`).
    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }

    /// Kills the process, and starts another one with its files.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    pub(crate) fn start_again(&mut self) {
        self.process = run(self.port, &self.dir, &self.options);
        self.is_up();
    }
}

fn run(port: u16, dir: &PathBuf, options: &[String]) -> Child {
    let program = env::var_os("CLOAKROOM_ENGINE").map(PathBuf::from);
    let programs = program.map_or_else(|| vec!["redis-server".into(), "valkey-server".into()], |program| vec![program]);
    let start = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction"]).args(options);
        command.arg("--dir").arg(dir).stdout(Stdio::null()).spawn().ok()
    };
    programs.iter().find_map(start).expect("redis-server or valkey-server is installed: see ci/shared.sh")
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
