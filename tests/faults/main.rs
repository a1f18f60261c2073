//! Faults of the code around the store leave it usable and lose no session: a clock that panics at any reading
//! ([`clock`]), callers' code that panics or calls the store during an operation ([`iterators`], [`reentry`]), values
//! that do something when they are dropped ([`destructors`]), threads that end ([`thread_exit`]), forked processes
//! (`fork`), and an operating system without randomness ([`randomness`]).

mod clock;
mod destructors;
#[cfg(all(unix, not(miri)))]
mod fork;
mod iterators;
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
mod randomness;
mod reentry;
mod support;
mod thread_exit;
