//! The example as a process that keeps its sessions on disk: what an orderly end and a kill leave.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::raw_blocking;
use crate::process::{Process, example, fails};

/// A directory that is removed in the end, and one in it for the sessions.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("sessions");
    (parent, path)
}

/// The response to a request with this cookie.
fn send(server: &Process, request: &str, cookie: &str, body: &str) -> String {
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n");
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let request = format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
    raw_blocking(server.address, request.as_bytes())
}

/// Logs in, and returns the new cookie.
fn log_in(server: &Process, cookie: &str) -> String {
    let answer = send(server, "POST /login", cookie, "user=ada");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let cookies = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: __Host-session_id="));
    let id = cookies.map(|cookie| cookie.split(';').next().expect("a first part")).next().expect("a cookie");
    format!("__Host-session_id={id}")
}

fn is_logged_in(server: &Process, cookie: &str) -> bool {
    let answer = send(server, "GET /profile", cookie, "");
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 401 "), "{answer}");
    answer.starts_with("HTTP/1.1 200 ")
}

/// The figures about the disk, if there are any.
fn figures(server: &Process, cookie: &str) -> Value {
    let answer = send(server, "GET /live", cookie, "");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str::<Value>(body).expect("JSON")["disk"].clone()
}

fn killed(mut server: Process, directory: &Path) -> Process {
    server.signal("-KILL");
    assert!(!server.wait().success());
    Process::keeping_in(directory)
}

#[test]
fn a_restart_logs_nobody_out() {
    let (_parent, directory) = directory();
    let mut server = Process::keeping_in(&directory);
    let cookie = log_in(&server, "");
    assert_eq!(figures(&server, &cookie), serde_json::json!({ "restored": 0, "failing": null }));
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let said = ["sessions restored from disk: 0", "stopping", "goodbye; sessions kept on disk: 1"];
    assert_eq!(server.rest_of_output(), said);

    let server = Process::keeping_in(&directory);
    assert!(is_logged_in(&server, &cookie));
    assert_eq!(figures(&server, &cookie)["restored"], 1);
}

#[test]
fn a_logout_and_a_login_that_were_answered_hold_after_a_kill() {
    let (_parent, directory) = directory();
    let server = Process::keeping_in(&directory);
    let first = log_in(&server, "");
    // The login gives the session another id.
    let second = log_in(&server, &first);
    let server = killed(server, &directory);
    assert!(!is_logged_in(&server, &first), "the id before the login works again");
    assert!(is_logged_in(&server, &second), "the login is lost");
    let answer = send(&server, "POST /logout", &second, "");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let server = killed(server, &directory);
    assert!(!is_logged_in(&server, &second), "the logout is lost");
}

#[test]
fn a_directory_that_others_can_read_is_refused() {
    let (_parent, directory) = directory();
    fs::create_dir(&directory).expect("a directory");
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = example("0");
    command.env("PERSIST", &directory);
    let (status, errors) = fails(command);
    assert_eq!(status.code(), Some(1));
    let reason = "the directory or a file in it is accessible to other users";
    assert_eq!(errors, format!("cannot keep sessions in {}: {reason}\n", directory.display()));
}

#[test]
fn without_the_variable_nothing_is_kept() {
    let mut command = example("0");
    command.env("PERSIST", "");
    let server = Process::run(command);
    let cookie = log_in(&server, "");
    assert_eq!(figures(&server, &cookie), Value::Null);
}
