//! The source of the memory of sessions.

use core::sync::atomic::{AtomicU8, Ordering};

static CHOSEN: AtomicU8 = AtomicU8::new(Memory::HugePages as u8);

/// Chooses the source of the memory of sessions, for all stores of the process.
///
/// On 64-bit Linux the crate takes the memory of sessions and tables from the system, in huge pages, which makes
/// reading a large store faster. It reserves 64 GiB of address space, which shows as virtual memory, and takes real
/// memory only as sessions need it. On other systems, and if there is not enough address space, all memory comes from
/// the program's allocator.
///
/// Choose [`Memory::Allocator`] if the process has a limit on its address space (`ulimit -v`) or locks its memory
/// (`mlockall`). The reservation counts towards the former. Locked memory does not go back to the system.
///
/// This is a setting of the process, because stores share free memory.
///
/// # Examples
///
/// ```
/// use cloakroom::{Memory, SessionStore};
///
/// // A counting allocator then sees the memory of sessions.
/// Memory::Allocator.choose();
/// let store = SessionStore::builder().build()?;
/// # assert_eq!(Memory::chosen(), Memory::Allocator);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// From the system, in huge pages from 2 MiB on, if the system has them. `madvise` in
    /// `/sys/kernel/mm/transparent_hugepage/enabled` is enough.
    #[default]
    HugePages = 0,
    /// From the system, in pages of the usual size.
    Pages = 1,
    /// From the program's allocator.
    Allocator = 2,
}

impl Memory {
    /// Makes this the source of future allocations. Call it before the first store is made: threads use up the blocks
    /// that they have cached first, and existing memory stays where it is.
    ///
    /// Wait-free.
    pub fn choose(self) {
        CHOSEN.store(self as u8, Ordering::Relaxed); // Relaxed: nothing depends on when it is seen.
    }

    /// Returns the source that was [chosen](Self::choose) last. [`Memory::HugePages`] by default.
    ///
    /// Wait-free.
    pub fn chosen() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            0 => Self::HugePages,
            1 => Self::Pages,
            _ => Self::Allocator,
        }
    }
}
