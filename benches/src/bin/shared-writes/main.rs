//! Which lines of memory an operation writes that other threads see: the reason why a store does or does not scale.
//!
//! `benches/shared-writes.sh` builds and runs it; it has nothing to count without `--cfg cloakroom_count_writes`.

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
