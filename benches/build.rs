//! Passes the version of the compiler and the name of the profile to the binaries.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC")).arg("--version").output();
    let version = version.expect("the compiler runs").stdout;
    println!("cargo::rustc-env=COMPILER={}", String::from_utf8_lossy(&version).trim());
    // Cargo passes only the name of the built-in profile that this one inherits. The build directory has the full name.
    let directory = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let profile = Path::new(&directory).ancestors().nth(3).and_then(Path::file_name);
    println!(
        "cargo::rustc-env=PROFILE_NAME={}",
        profile.expect("OUT_DIR is below the directory of the profile").display()
    );
}
