//! Faults of what the store depends on leave it usable and lose nothing: a clock that panics at any reading
//! ([`clock`]), callers' code that panics or calls back in the middle of an operation ([`iterators`], [`reentry`]),
//! values that do something when they are dropped ([`destructors`]), threads that end ([`thread_exit`]), processes that
//! are forked (`fork`), and an operating system without randomness ([`randomness`]).

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
