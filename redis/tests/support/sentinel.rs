//! Sentinels that tests start and stop.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use super::support::{Engine, free_port};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A sentinel on a free port, which watches a primary by the name `main`, and is killed when it is dropped.
pub struct Sentinel {
    pub port: u16,
    child: Child,
    directory: PathBuf,
}

impl Sentinel {
    /// One of three.
    pub fn start(primary: u16) -> Self {
        Self::with(primary, &[])
    }

    /// `settings`: further lines of its file.
    pub fn with(primary: u16, settings: &[String]) -> Self {
        let port = free_port();
        let directory = std::env::temp_dir().join(format!("cloakroom-sentinel-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n{}\n",
            directory.display(),
            settings.join("\n")
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(Engine::Redis.program());
        command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        Self { port, child: command.spawn().expect("a sentinel can be started"), directory }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
