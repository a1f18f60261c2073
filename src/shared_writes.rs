//! Counts writes to shared memory, under `--cfg cloakroom_count_writes` only: versions of the atomics of
//! [`crate::sync`] that record what they write.
//!
//! For `benches/shared-writes.sh`, which shows the cache lines that an operation writes. It has no other use, and may
//! change at any time. An operation that is not recorded does not exist here, so using one does not compile.

#![allow(missing_docs, reason = "it serves one tool of this repository")]

use core::sync::atomic::{self, Ordering};
use std::cell::RefCell;

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A store, atomic or not.
    Store,
    /// An atomic read-modify-write that succeeded.
    Exchange,
    /// A compare-and-swap that failed: it has fetched the cache line for writing too.
    Failed,
}

std::thread_local! {
    static LOG: RefCell<Option<Vec<(Write, usize)>>> = const { RefCell::new(None) };
}

/// Runs `f`, and returns its result and the writes of this thread during it, with their addresses.
pub fn record<R>(f: impl FnOnce() -> R) -> (R, Vec<(Write, usize)>) {
    LOG.set(Some(Vec::new()));
    let result = f();
    (result, LOG.take().unwrap_or_default())
}

/// Records a write.
pub fn note<T: ?Sized>(write: Write, place: &T) {
    // A thread that is exiting records nothing.
    let _ = LOG.try_with(|log| {
        if let Some(log) = &mut *log.borrow_mut() {
            log.push((write, core::ptr::from_ref(place).addr()));
        }
    });
}

/// An atomic of `core` that records its writes.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct Counted<A>(A);

pub(crate) type AtomicPtr<T> = Counted<atomic::AtomicPtr<T>>;
pub(crate) type AtomicU8 = Counted<atomic::AtomicU8>;
pub(crate) type AtomicU64 = Counted<atomic::AtomicU64>;
pub(crate) type AtomicUsize = Counted<atomic::AtomicUsize>;

impl<A> Counted<A> {
    fn exchanged<T>(&self, result: Result<T, T>) -> Result<T, T> {
        note(if result.is_ok() { Write::Exchange } else { Write::Failed }, &self.0);
        result
    }
}

macro_rules! operations {
    ($atomic:ty, $value:ty $(, $parameter:ident)?) => {
        impl$(<$parameter>)? Counted<$atomic> {
            pub(crate) const fn new(value: $value) -> Self {
                Self(<$atomic>::new(value))
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                self.0.load(ordering)
            }

            #[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            #[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                note(Write::Store, &self.0);
                self.0.store(value, ordering);
            }

            #[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                note(Write::Exchange, &self.0);
                self.0.swap(value, ordering)
            }

            #[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.exchanged(self.0.compare_exchange(current, new, success, failure))
            }

            #[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(failure);
                while let Some(new) = f(seen) {
                    match self.compare_exchange(seen, new, success, failure) {
                        Ok(before) => return Ok(before),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }
        }
    };
}

operations!(atomic::AtomicPtr<T>, *mut T, T);
operations!(atomic::AtomicU8, u8);
operations!(atomic::AtomicU64, u64);
operations!(atomic::AtomicUsize, usize);

macro_rules! arithmetic {
    ($atomic:ty, $value:ty: $($operation:ident)+) => {
        impl $atomic {
            $(#[allow(dead_code, reason = "not every type is used with every operation")]
            pub(crate) fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                note(Write::Exchange, &self.0);
                self.0.$operation(value, ordering)
            })+
        }
    };
}

arithmetic!(AtomicUsize, usize: fetch_add fetch_sub fetch_or fetch_max);
arithmetic!(AtomicU8, u8: fetch_or);
arithmetic!(AtomicU64, u64: fetch_add fetch_sub fetch_or fetch_and);
