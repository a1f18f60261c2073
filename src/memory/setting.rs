//! Where the memory of sessions comes from.

use core::sync::atomic::{AtomicU8, Ordering};

static CHOSEN: AtomicU8 = AtomicU8::new(Memory::HugePages as u8);

/// Where the memory of sessions comes from, for all stores of the process.
///
/// On 64-bit Linux the crate takes the memory of sessions, and of the tables that find them, from the system by
/// itself: reading a large store is up to a quarter faster where its pages are huge. For that it reserves 64 GiB of
/// address space, which shows as virtual memory; it takes real memory only as sessions need it. Elsewhere, and where
/// that much address space is not to be had, all memory comes from the program's allocator.
///
/// This is a setting of the process, because stores share what is free.
///
/// # Examples
///
/// ```
/// use cloakroom::{Memory, SessionStore};
///
/// // An allocator that counts sees what sessions take.
/// Memory::Allocator.choose();
/// let store = SessionStore::builder().build()?;
/// # assert_eq!(Memory::chosen(), Memory::Allocator);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// From the system, in huge pages from 2 MiB on where the system has them. It need not be told to use them for all
    /// programs: `madvise` in `/sys/kernel/mm/transparent_hugepage/enabled` will do.
    #[default]
    HugePages = 0,
    /// From the system, in pages of the ordinary size.
    Pages = 1,
    /// From the program's allocator.
    Allocator = 2,
}

impl Memory {
    /// Makes this the source of what is allocated from now on, best before the first store is made. What threads have
    /// in stock is used up first, and what there is stays where it is.
    ///
    /// Wait-free.
    pub fn choose(self) {
        CHOSEN.store(self as u8, Ordering::Relaxed); // Relaxed: nothing depends on when it is seen.
    }

    /// What was [chosen](Self::choose) last; [`Memory::HugePages`] if nothing was.
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
