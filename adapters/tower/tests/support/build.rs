//! Builds an example for a test that runs it.

use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the example with the target directory, profile, target and features of this test. Does nothing if it is up to
/// date.
pub(crate) fn build(example: &str) -> PathBuf {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp lies in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--message-format=json", "--example", example]);
    if cfg!(feature = "json") {
        // The only feature that the dev-dependencies do not turn on.
        cargo.arg("--all-features");
    }
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
