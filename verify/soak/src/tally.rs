//! What was done, how long it took, and what was checked.

use std::process;
use std::sync::Mutex;
use std::time::{Duration, Instant};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

names! {
    /// A kind of operation.
    Kind {
        Create: "create",
        Get: "get",
        Read: "read",
        Set: "set",
        Exists: "exists",
        Delete: "delete",
        Count: "count",
    }
}

names! {
    /// What has to hold all the time.
    Invariant {
        Revoked: "an id that is gone never answers again",
        Expiry: "a session ends neither early nor late",
        Kept: "a session in use is never lost",
        Updates: "no update is lost",
        Versions: "a version is seen whole, and none older after it",
        Limit: "there are never more sessions than allowed",
        Count: "the count is exact at rest",
        Memory: "memory comes back",
        Progress: "operations go on",
    }
}

/// One thread's account, later that of all.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    operations: [u64; Kind::ALL.len()],
    longest: [Duration; Kind::ALL.len()],
    checks: [u64; Invariant::ALL.len()],
    pub(crate) created: u64,
    pub(crate) deleted: u64,
    /// How often there was no room.
    pub(crate) full: u64,
}

impl Tally {
    /// Does an operation, and times it.
    pub(crate) fn time<R>(&mut self, kind: Kind, operation: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = operation();
        let longest = &mut self.longest[kind as usize];
        *longest = start.elapsed().max(*longest);
        self.operations[kind as usize] += 1;
        result
    }

    /// Checks an invariant; the process ends here if it does not hold.
    pub(crate) fn check(&mut self, invariant: Invariant, holds: bool, what: impl FnOnce() -> String) {
        self.checks[invariant as usize] += 1;
        if !holds {
            violated(invariant, &what());
        }
    }

    pub(crate) fn operations(&self, kind: Kind) -> u64 {
        self.operations[kind as usize]
    }

    pub(crate) fn all_operations(&self) -> u64 {
        self.operations.iter().sum()
    }

    pub(crate) fn longest(&self, kind: Kind) -> Duration {
        self.longest[kind as usize]
    }

    pub(crate) fn checks(&self, invariant: Invariant) -> u64 {
        self.checks[invariant as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        sum(&mut self.operations, &other.operations);
        sum(&mut self.checks, &other.checks);
        self.longest.iter_mut().zip(other.longest).for_each(|(to, from)| *to = from.max(*to));
        self.created += other.created;
        self.deleted += other.deleted;
        self.full += other.full;
    }
}

/// Ends the process at once: the other threads, which may be waiting for this one, are not to be waited for.
pub(crate) fn violated(invariant: Invariant, what: &str) -> ! {
    // Kept locked, so that nobody else reports what may only follow from this.
    static FIRST: Mutex<()> = Mutex::new(());
    let _first = FIRST.lock();
    eprintln!("\nVIOLATED: {}: {what}", invariant.text());
    process::exit(1)
}
