//! The example `handover` as processes: a supervisor, and the servers that it starts.
#![cfg(unix)]

#[path = "support/build.rs"]
mod build;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// A supervisor, which is stopped when it is dropped.
struct Supervisor {
    process: Child,
    lines: mpsc::Receiver<String>,
    address: SocketAddr,
    /// Of the server that was started last.
    server: String,
    program: PathBuf,
    _parent: tempfile::TempDir,
}

impl Supervisor {
    fn start(linger: Duration) -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let built = BUILT.get_or_init(|| build::build("handover"));
        let parent = tempfile::tempdir().expect("a directory");
        // A copy, in whose place a test puts another program.
        let program = parent.path().join("handover");
        copy(built, &program);
        let mut command = Command::new(&program);
        command.arg("supervise").env("ADDRESS", "127.0.0.1:0").env("PERSIST", parent.path().join("sessions"));
        command.env("LINGER_MS", linger.as_millis().to_string()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the example runs");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (line, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let address = ([127, 0, 0, 1], 0).into();
        let mut supervisor = Self { process, lines, address, server: String::new(), program, _parent: parent };
        let line = supervisor.says("listening on http://");
        supervisor.address = line.trim_start_matches("listening on http://").parse().expect("an address");
        supervisor.says("server 1 accepts");
        supervisor
    }

    /// The next line that begins so.
    fn says(&mut self, begin: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("it does not say: {begin}"));
            if let Some((_, process)) = line.split_once(" is process ") {
                self.server = process.to_owned();
            }
            if line.starts_with(begin) {
                return line;
            }
        }
    }

    fn replace(&self) {
        signal("-HUP", &self.process.id().to_string());
    }

    /// Puts a program in the place of the one that the supervisor starts.
    fn install(&self, program: &Path) {
        let aside = self.program.with_extension("new");
        copy(program, &aside);
        fs::rename(&aside, &self.program).expect("it is ours");
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        Connection(BufReader::new(stream))
    }

    /// Logs in on a connection of its own, and returns the cookie.
    fn log_in(&self) -> String {
        self.log_in_again("")
    }

    fn log_in_again(&self, cookie: &str) -> String {
        let answer = self.connect().send("POST /login", cookie, "ada");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let cookies = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.len() > 64);
        cookie.expect("a cookie").to_owned()
    }

    fn is_logged_in(&self, cookie: &str) -> bool {
        self.connect().send("GET /profile", cookie, "").starts_with("HTTP/1.1 200 ")
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        signal("-TERM", &self.process.id().to_string());
        let end = Instant::now() + DEADLINE;
        while self.process.try_wait().expect("a child").is_none() {
            if Instant::now() > end {
                let _ = self.process.kill();
                panic!("the supervisor does not end");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A connection that is kept open.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn write(&mut self, request: &str, cookie: &str, body: &str) {
        let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).expect("an open connection");
    }

    /// The head of the next response, whose body is read too.
    fn read(&mut self) -> String {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let before = head.len();
            assert_ne!(self.0.read_line(&mut head).expect("a response"), 0, "no response: {head:?}");
            if let Some(value) = head[before..].strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a number");
            }
        }
        self.0.read_exact(&mut vec![0; length]).expect("a body");
        head
    }

    fn send(&mut self, request: &str, cookie: &str, body: &str) -> String {
        self.write(request, cookie, body);
        self.read()
    }

    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).expect("an end") == 0
    }
}

/// Copies a program. Not in this process, of which another thread may be making a child that has the copy open: nobody
/// could run it then.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().expect("cp runs").success());
}

fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().expect("kill runs").success());
}

#[test]
fn an_open_connection_is_answered_once_more_and_a_request_in_flight_completes() {
    let mut supervisor = Supervisor::start(DEADLINE);
    let cookie = supervisor.log_in();
    let (mut idle, mut busy) = (supervisor.connect(), supervisor.connect());
    let first = idle.send("GET /profile", &cookie, "");
    assert!(first.starts_with("HTTP/1.1 200 ") && !first.contains("connection: close"), "{first}");
    busy.write("GET /slow", &cookie, "");
    supervisor.replace();

    // The server before goes on until it has answered all of its connections. So a new one is answered by it too.
    let answer = busy.read();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    assert!(busy.is_closed() && supervisor.is_logged_in(&cookie));
    let last = idle.send("POST /logout", &cookie, "");
    assert!(last.starts_with("HTTP/1.1 204 ") && last.contains("connection: close"), "{last}");
    assert!(idle.is_closed());
    supervisor.says("handover 1 took");
    assert!(!supervisor.is_logged_in(&cookie), "a logout during the handover is lost");
}

#[test]
fn an_idle_connection_does_not_hold_the_handover_up() {
    let mut supervisor = Supervisor::start(Duration::from_millis(200));
    let cookie = supervisor.log_in();
    let mut idle = supervisor.connect();
    assert!(idle.send("GET /profile", &cookie, "").starts_with("HTTP/1.1 200 "));
    supervisor.replace();
    let line = supervisor.says("handover 1 took");
    let took: u32 = line.split(' ').nth(3).and_then(|took| took.parse().ok()).expect("a number");
    // Ten seconds more are for requests in flight.
    assert!((200..9_000).contains(&took), "{line}");
    assert!(idle.is_closed() && supervisor.is_logged_in(&cookie));
}

#[test]
fn a_successor_that_does_not_start_changes_nothing() {
    let mut supervisor = Supervisor::start(Duration::from_millis(200));
    let cookie = supervisor.log_in();
    let (good, bad) = (supervisor.program.with_extension("good"), supervisor.program.with_extension("bad"));
    copy(&supervisor.program, &good);
    fs::write(&bad, "#!/bin/sh\nexit 7\n").expect("room on the disk");
    fs::set_permissions(&bad, Permissions::from_mode(0o755)).expect("it is ours");
    supervisor.install(&bad);
    supervisor.replace();
    let line = supervisor.says("the successor has failed, and the server goes on");
    assert!(line.ends_with("exit status: 7"), "{line}");
    let answer = supervisor.connect().send("GET /profile", &cookie, "");
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("connection: close"), "{answer}");
    supervisor.install(&good);
    supervisor.replace();
    supervisor.says("handover 1 took");
    assert!(supervisor.is_logged_in(&cookie));
}

#[test]
fn a_server_that_crashes_is_followed_by_another_and_a_logout_holds() {
    let mut supervisor = Supervisor::start(Duration::from_millis(200));
    // The second login gives the session another id, which is on disk at once. A new session would be within a second.
    let (ada, gone) = (supervisor.log_in_again(&supervisor.log_in()), supervisor.log_in());
    assert!(supervisor.connect().send("POST /logout", &gone, "").starts_with("HTTP/1.1 204 "));
    signal("-KILL", &supervisor.server);
    // It waits in the backlog.
    assert!(supervisor.is_logged_in(&ada));
    assert!(!supervisor.is_logged_in(&gone), "the logout is lost");
    supervisor.says("server 1 has ended by itself: signal: 9");
    supervisor.says("server 2 accepts");
}
