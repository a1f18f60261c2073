//! The machine, the system and the crates with which the figures were measured.

use cloakroom_benches::contenders::ALL;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::thread;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gb: u64,
    pub(crate) kernel: String,
    /// The mode of transparent huge pages.
    pub(crate) huge_pages: String,
    pub(crate) clock_source: String,
    pub(crate) c_library: String,
    pub(crate) compiler: String,
    pub(crate) profile: String,
    pub(crate) allocator: String,
    /// The version of each contender's crate.
    pub(crate) versions: BTreeMap<String, String>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let processor = field(&read("/proc/cpuinfo"), "model name");
        let kilobytes = field(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            processor,
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory_gb: kilobytes.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease"),
            huge_pages: chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled")),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            c_library: c_library(),
            compiler: env!("COMPILER").to_owned(),
            profile: env!("PROFILE_NAME").to_owned(),
            allocator: "the C library's".to_owned(),
            versions: versions(include_str!("../../../../../Cargo.lock")),
        }
    }
}

/// The value of the first line of the form `name : value`.
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// The choice in brackets: `madvise` of `always [madvise] never`.
fn chosen(choices: &str) -> String {
    choices.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(chosen, _)| chosen).to_owned()
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a call of the C library")]
fn c_library() -> String {
    // SAFETY: `gnu_get_libc_version` has no preconditions.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: the string ends in a NUL and is static.
    let version = unsafe { std::ffi::CStr::from_ptr(version) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(target_env = "gnu"))]
fn c_library() -> String {
    String::new()
}

/// The versions of the contenders' crates in a lock file. Of a crate that is listed twice, the newer version.
fn versions(lock: &str) -> BTreeMap<String, String> {
    let wanted: Vec<&str> = ALL.iter().filter_map(|contender| contender.package).collect();
    let quoted = |line: &str, name: &str| Some(line.strip_prefix(name)?.trim_matches('"').to_owned());
    let mut versions = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |name: &str| package.lines().find_map(|line| quoted(line, name));
        if let (Some(name), Some(version)) = (value("name = "), value("version = "))
            && wanted.contains(&&*name)
        {
            versions.insert(name, version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_a_contender_has_a_version() {
        let versions = versions(include_str!("../../../../../Cargo.lock"));
        for package in ALL.iter().filter_map(|contender| contender.package) {
            assert!(versions.get(package).is_some_and(|version| version.contains('.')), "{package}");
        }
    }

    #[test]
    fn choices_and_fields_are_read_as_the_kernel_writes_them() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(field("a\t: 1\nmodel name\t: X 7\n", "model name"), "X 7");
    }
}
