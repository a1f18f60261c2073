//! An example as a process.

use super::build::build;
use super::{Browser, DEADLINE, LoginBy};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// A running example, which is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(example: &str, insecure_cookies: bool) -> Self {
        let mut command = Command::new(build(example));
        command.arg("127.0.0.1:0").env("INSECURE_COOKIES", if insecure_cookies { "1" } else { "0" });
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = mpsc::channel();
        // All output is read, so that the example can always write.
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|text| drop(line.send(text))));
        let first = lines.recv_timeout(DEADLINE).expect("a line in time");
        let address = first.strip_prefix("listening on http://").expect("the address").parse();
        Self { child, address: address.expect("an address and a port") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that the unchanged example serves clients, with both kinds of cookie.
pub(crate) async fn serves_as_it_is(example: &str, login_by: LoginBy) {
    let insecure = Process::start(example, true);
    let browser = Browser::new(insecure.address, login_by, "laptop");
    browser.log_in("ada").await;
    assert_eq!(browser.profile().await, Some(("ada".to_owned(), 1)));
    assert_eq!(browser.post("/logout").await.status(), 204);
    assert_eq!(browser.profile().await, None);

    let secure = Process::start(example, false);
    let browser = Browser::new(secure.address, login_by, "laptop");
    let login = browser.request_to_log_in("ada", "engine").send().await.expect("an answer");
    let cookie = super::set_cookie(&login);
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    assert!(pair.starts_with("__Host-session_id="));
    assert_eq!(browser.get_with("/profile", pair).await.status(), 200);
}
