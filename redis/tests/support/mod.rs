//! Engines that tests start and stop.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use cloakroom_redis::{SharedOptions, SharedStore};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    /// The server, or a panic that says how to install it.
    pub fn program(self) -> PathBuf {
        let (variable, name, install) = match self {
            Self::Redis => ("REDIS_SERVER", "redis-server", "apt-get install redis-server redis-sentinel"),
            Self::Valkey => ("VALKEY_SERVER", "valkey-server", "bash ci/redis.sh, which gets it from PyPI"),
        };
        let mut places: Vec<PathBuf> = env::var_os(variable).map(PathBuf::from).into_iter().collect();
        places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()).map(|place| place.join(name)));
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
        places.push(target.join("engines").join(name));
        let found = places.into_iter().find(|place| place.is_file());
        found.unwrap_or_else(|| panic!("there is no {name}, which these tests need: {install}"))
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An engine on a free port, which is killed when it is dropped.
pub struct Server {
    pub engine: Engine,
    pub port: u16,
    child: Child,
    directory: PathBuf,
    options: Vec<String>,
}

impl Server {
    pub fn start(engine: Engine) -> Self {
        Self::with(engine, &[])
    }

    pub fn with(engine: Engine, options: &[&str]) -> Self {
        let port = free_port();
        let directory = env::temp_dir().join(format!("cloakroom-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(engine, port, &directory, &options);
        let server = Self { engine, port, child, directory, options };
        server.wait();
        server
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !self
            .try_command(&["PING"])
            .is_some_and(|answer| answer == Reply::text("PONG") || answer.is_error("NOAUTH"))
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "the engine does not start");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, and starts it again on the same port: empty, because it saves nothing.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.engine, self.port, &self.directory, &self.options);
        self.wait();
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the process where it is: connections stay, and nothing is answered.
    pub fn suspend(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn options(&self) -> SharedOptions {
        SharedOptions::new(self.url())
    }

    pub async fn store(&self) -> SharedStore {
        SharedStore::connect(self.options()).await.expect("the engine is there")
    }

    /// Runs a command on a connection of its own.
    pub fn command(&self, words: &[&str]) -> Reply {
        self.try_command(words).expect("the engine answers")
    }

    fn try_command(&self, words: &[&str]) -> Option<Reply> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        try_bytes(self.port, &words)
    }

    pub fn bytes(&self, words: &[&[u8]]) -> Reply {
        try_bytes(self.port, words).expect("the engine answers")
    }

    /// All keys.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let Reply::List(keys) = self.command(&["KEYS", "*"]) else { panic!("no list of keys") };
        keys.into_iter().map(Reply::into_bytes).collect()
    }

    /// A figure of `INFO`.
    pub fn figure(&self, section: &str, name: &str) -> u64 {
        let info = String::from_utf8(self.command(&["INFO", section]).into_bytes()).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name}")).trim_start_matches(':');
        line.split(',').next().unwrap().trim().parse().unwrap()
    }
}

/// Runs a command on a connection of its own.
pub fn command(port: u16, words: &[&str]) -> Reply {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    try_bytes(port, &words).expect("the engine answers")
}

fn try_bytes(port: u16, words: &[&[u8]]) -> Option<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    stream.write_all(&command).ok()?;
    Reply::read(&mut BufReader::new(stream))
}

fn spawn(engine: Engine, port: u16, directory: &Path, options: &[String]) -> Child {
    let mut command = Command::new(engine.program());
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(directory).args(options).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    command.spawn().expect("the engine can be started")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A reply in RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Error(String),
    List(Vec<Self>),
}

impl Reply {
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    pub fn is_error(&self, code: &str) -> bool {
        matches!(self, Self::Error(error) if error.starts_with(code))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("not a string: {other:?}"),
        }
    }

    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            other => panic!("not a number: {other:?}"),
        }
    }

    fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1)?;
        Some(match kind {
            "+" => Self::text(rest),
            "-" => Self::Error(rest.to_owned()),
            ":" => Self::Int(rest.parse().ok()?),
            "$" if rest == "-1" => Self::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().ok()? + 2];
                from.read_exact(&mut bytes).ok()?;
                bytes.truncate(bytes.len() - 2);
                Self::Bytes(bytes)
            }
            "*" => Self::List((0..rest.parse::<i64>().ok()?.max(0)).map(|_| Self::read(from)).collect::<Option<_>>()?),
            _ => return None,
        })
    }
}

/// Waits until something is so, and fails if it is not within the time.
pub async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs each test on each engine.
#[macro_export]
macro_rules! on_each_engine {
    ($($name:ident)*) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Engine::Redis).await;
            })*
        }
        mod valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Engine::Valkey).await;
            })*
        }
    };
}
