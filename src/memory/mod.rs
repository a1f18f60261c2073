//! The memory of entries and arrays: allocation, and reclamation by epochs.
//!
//! | file | what it has |
//! |---|---|
//! | `setting` | where the memory comes from: a setting of the process |
//! | `prefetch` | prefetching |
//! | `text` | a text that is where its owner is, if it is short |
//! | `heap` | memory from the system, in huge pages |
//! | `block` | blocks of memory, from the heap or the allocator |
//! | `object` | a retired object, and how its kind is freed |
//! | `epoch` | pinning, and deferring a call until no thread can hold what was loaded before |
//! | `batch` | up to 64 objects that one thread retires together |
//! | `record` | the part of a thread's state that other threads can reach |
//! | `cache` | a thread's open batch, and the blocks that it keeps for its next allocations |
//! | `retire` | the operations: retire, collect, flush |
//!
//! Each file imports only files above it.
//!
//! A thread [`pin`]s itself before it loads a pointer that other threads may retire, and keeps the [`Guard`] for as
//! long as it uses what it loaded. A [retired](Guard::retire) object is freed once every thread has unpinned that was
//! pinned when the object was retired.
//!
//! # Why there is a cache
//!
//! Freeing entries by the hundred overflows the C library's cache of free blocks, so that both freeing and allocating
//! take the slow path. Freeing on one thread and allocating on another also bounces cache lines. So a thread retires
//! objects in batches of up to 64. A batch [returns](record) to its thread once its objects may be freed, and the
//! thread caches them. [`allocate`] takes the youngest cached object apart and uses its block if the size is right, and
//! frees it otherwise. A thread that retires an object while it has more than 64 cached ones frees one. The rest is
//! freed when the thread [collects](collect) or exits.
//!
//! A thread's open batch and cache are bounded by bytes ([`cache`]), and only memory is cached: the thread that finds
//! an object reclaimable drops its contents. A [`flush`] by any thread reaches all open and returned batches. It does
//! not reach the caches, which belong to their threads.

// The models free what is retired as early as possible, on the thread that explores it. `loom-tests/tests/batches.rs`
// explores batches and records.
#[cfg_attr(any(loom, shuttle), allow(dead_code, unreachable_pub))]
pub(crate) mod batch;
mod block;
#[cfg_attr(any(loom, shuttle), path = "uncached.rs")]
mod cache;
mod epoch;
// Not where a tool has to see each block, nor in the models of the table, nor on other systems.
#[cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64", not(any(loom, shuttle, miri, crossbeam_sanitize)))),
    path = "no_heap.rs"
)]
pub(crate) mod heap;
mod object;
mod prefetch;
#[cfg_attr(any(loom, shuttle), allow(dead_code, unreachable_pub))]
pub(crate) mod record;
mod retire;
mod setting;
mod text;

pub(crate) use batch::BATCH;
pub(crate) use block::{Block, UPPER_BITS_FREE};
pub(crate) use cache::{FreesMany, allocate, free_owned, retired_bytes};
pub(crate) use epoch::{Guard, pin, prepare};
pub(crate) use heap::footprint;
pub(crate) use object::{Contents, Kind, RetiredObject};
pub(crate) use prefetch::prefetch;
pub(crate) use retire::{collect, flush};
#[cfg_attr(any(loom, shuttle), allow(unused_imports, reason = "the models have no such setting"))]
pub use setting::Memory;
pub(crate) use text::Text;

#[cfg(all(test, not(any(loom, crossbeam_sanitize))))]
mod tests;
