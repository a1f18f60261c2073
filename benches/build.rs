//! Tells the runner which compiler and which profile it is built with.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = Command::new(env::var_os("RUSTC").expect("cargo says which")).arg("--version").output();
    let version = version.expect("the compiler runs").stdout;
    println!("cargo::rustc-env=COMPILER={}", String::from_utf8_lossy(&version).trim());
    // Cargo names the profile's kin only; the directory of the build bears its own name.
    let directory = env::var_os("OUT_DIR").expect("cargo says where");
    let profile = Path::new(&directory).ancestors().nth(3).and_then(Path::file_name);
    println!("cargo::rustc-env=PROFILE_NAME={}", profile.expect("the directory lies in target").display());
}
