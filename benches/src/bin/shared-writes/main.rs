//! Counts the cache lines that an operation writes and other threads see. They decide whether a store scales.
//!
//! `benches/shared-writes.sh` builds and runs it with `--cfg cloakroom_count_writes`, without which it counts nothing.

#[cfg(cloakroom_count_writes)]
mod count;
#[cfg(cloakroom_count_writes)]
mod locks;

#[cfg(cloakroom_count_writes)]
fn main() {
    count::print();
}

#[cfg(not(cloakroom_count_writes))]
fn main() -> std::process::ExitCode {
    eprintln!("error: built without --cfg cloakroom_count_writes: use benches/shared-writes.sh");
    std::process::ExitCode::FAILURE
}
