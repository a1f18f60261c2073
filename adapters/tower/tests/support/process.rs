//! An example as a process of its own.

use super::{Browser, DEADLINE, LoginBy};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// Killed when it is dropped.
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
        // As long as it is read, the example can write.
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

/// The example serves clients as it is, with either kind of cookie.
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

/// Builds the example as this test was built: same target directory, profile and target. Free if it is built already.
fn build(example: &str) -> PathBuf {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp lies in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--message-format=json", "--all-features", "--example", example]);
    cargo.arg("--target-dir").arg(target_dir);
    // <target dir>/[<target>/]<profile>/deps/<this test>
    let this_test = env::current_exe().expect("a path");
    let inside = this_test.strip_prefix(target_dir).map(|path| path.iter().collect::<Vec<_>>()).unwrap_or_default();
    if let [target @ .., profile, _deps, _name] = inside.as_slice() {
        cargo.arg("--profile").arg(if *profile == OsStr::new("debug") { OsStr::new("dev") } else { profile });
        if let [target] = target {
            cargo.arg("--target").arg(target);
        }
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the example does not build");
    let messages = output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let mut executables = messages.filter(|message: &Value| message["target"]["name"] == example);
    executables.find_map(|message| Some(message["executable"].as_str()?.into())).expect("an executable")
}
