//! The example as a process: how it starts, and how it stops.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::build::build;
use crate::harness::{DEADLINE, profile_request, raw_blocking};

#[test]
fn an_interrupt_stops_the_server_cleanly() {
    logs_in_and_stops_on("-INT");
}

#[test]
fn a_termination_signal_stops_the_server_cleanly() {
    logs_in_and_stops_on("-TERM");
}

fn logs_in_and_stops_on(signal: &str) {
    let mut server = Process::start();
    let login = b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nuser=ada";
    let answer = raw_blocking(server.address, login);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a Set-Cookie");
    let (cookie, attributes) = cookie.split_once(';').expect("attributes");
    assert!(cookie.starts_with("__Host-session_id="), "another name");
    assert_eq!(attributes, " HttpOnly; SameSite=Lax; Secure; Path=/");
    let answer = raw_blocking(server.address, &profile_request(cookie.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"user\":\"ada\""), "{answer}");

    // An idle connection must not delay the end.
    let idle = TcpStream::connect(server.address).expect("the server listens");
    server.signal(signal);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.rest_of_output(), ["stopping", "goodbye; sessions ended with the server: 1"]);
    drop(idle);
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("a bound socket").port();
    let (status, errors) = fails_to_start(&port.to_string());
    assert_eq!(status.code(), Some(1));
    assert!(errors.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{errors}");
}

#[test]
fn an_invalid_port_is_reported() {
    for port in ["65536", "-1", "http", ""] {
        let (status, errors) = fails_to_start(port);
        assert_eq!(status.code(), Some(1));
        assert_eq!(errors, format!("PORT is not a number in range: {port}\n"));
    }
}

fn fails_to_start(port: &str) -> (ExitStatus, String) {
    fails(example(port))
}

pub(crate) fn fails(mut command: Command) -> (ExitStatus, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the example runs");
    let status = wait(&mut child);
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    (status, errors)
}

/// A running example, which is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: mpsc::Receiver<String>,
}

impl Process {
    fn start() -> Process {
        Process::run(example("0"))
    }

    /// Starts the example with its sessions in this directory.
    pub(crate) fn keeping_in(directory: &Path) -> Process {
        let mut command = example("0");
        command.env("PERSIST", directory);
        Process::run(command)
    }

    pub(crate) fn run(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut process = Process { child, address: (Ipv4Addr::LOCALHOST, 0).into(), lines };
        let first = process.lines.recv_timeout(DEADLINE).expect("a line in time");
        let address = first.strip_prefix("listening on http://").expect("the address");
        process.address = address.parse().expect("an address and a port");
        while !process.lines.recv_timeout(DEADLINE).expect("a line in time").starts_with("Ctrl-C ") {}
        process
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// The lines after the start-up message that are not blank. The process must have ended.
    pub(crate) fn rest_of_output(&self) -> Vec<String> {
        self.lines.iter().filter(|line| !line.is_empty()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("the process did not end in time");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn example(port: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BUILT.get_or_init(|| build("server")));
    command.env("PORT", port);
    for setting in ["SESSION_TTL", "INSECURE_COOKIES", "PERSIST", "REDIS_URL"] {
        command.env_remove(setting);
    }
    command
}
