//! Figures about a store.

use super::SessionStore;
use crate::content::Content;
use crate::error::CreateError;
use crate::events::RemovalCause;
use crate::memory;
use crate::sync::{AtomicU64, Ordering};
use crate::table::Counts;
use core::fmt;
use crossbeam_utils::CachePadded;

/// Holds figures about a store: see [`SessionStore::stats`].
///
/// The counts since the store was made wrap around at 2^64.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions in the store, including expired sessions that are not removed yet: [`SessionStore::count`].
    pub live: usize,
    /// [Reservations](SessionStore::reserve), including expired ones that are not removed yet.
    pub reservations: usize,
    /// Sessions created since the store was made. A rotation creates none. A login creates one only if it ends a
    /// session of another principal.
    pub created: u64,
    /// Creations refused because the store was [full](CreateError::Full).
    pub rejected_full: u64,
    /// Creations refused because the sessions took [too many bytes](CreateError::BytesFull).
    pub rejected_bytes_full: u64,
    /// Creations refused because their principal had [no room](CreateError::PrincipalFull) for another session. Refused
    /// calls of [`bind`](SessionStore::bind) and [`login`](SessionStore#method.login) are not counted, because they are
    /// not creations.
    pub rejected_principal_full: u64,
    /// Creations refused because the attributes were [too large](CreateError::TooLarge).
    pub rejected_too_large: u64,
    /// Creations refused because there were [too many](CreateError::TooManyAttributes) attributes.
    pub rejected_too_many_attributes: u64,
    /// Creations that failed because the operating system gave [no random bytes](CreateError::Random).
    pub rejected_random: u64,
    /// Changes and rotations that were refused because they would have made a session larger, and the sessions took
    /// [too many bytes](crate::SetError::BytesFull).
    pub rejected_changes: u64,
    /// How many times [`lookup`](SessionStore::lookup) was given an id that had been
    /// [replaced](crate::MissingError::Replaced) or [logged out](crate::MissingError::LoggedOut) a short while before.
    pub replays: u64,
    /// Replaced and logged-out ids that the store remembers, including those whose time is over that are not removed
    /// yet: [`remember_replaced`](crate::SessionConfig#structfield.remember_replaced). Their memory is not in
    /// [`bytes`](Self::bytes).
    pub remembered: usize,
    /// Bytes of the sessions' entries, as requested from the allocator. Not included: memory that a value points to,
    /// the slots of the table (nine bytes each), and the entries in [`retired_bytes`](Self::retired_bytes).
    pub bytes: u64,
    /// Bytes that count against [`max_bytes`](crate::SessionConfig#structfield.max_bytes), which says what counts. At
    /// no instant more than the limit, bytes that operations in progress have reserved included. 0 if there is no such
    /// limit. A limit of [`usize::MAX`] counts and refuses nothing.
    pub counted_bytes: u64,
    /// Bytes of ended sessions, replaced versions and former arrays of the table that are not freed yet, of all stores
    /// of the process. They wait because a [`read`](SessionStore::read) closure on some thread may be looking at them,
    /// because no operation has freed them yet, or because a thread keeps them for reuse.
    ///
    /// Unless a `read` closure runs for long, this is at most a few hundred kilobytes for each thread that changes
    /// sessions; [`flush`](SessionStore::flush) frees nearly all of it. Memory that a value points to is not included.
    pub retired_bytes: u64,
    /// Slots of the table.
    pub slots: usize,
    /// Slots that are taken: by sessions, by former ids that forward to a session, and by entries that have just ended.
    pub slots_taken: usize,
    /// How many times a shard of the table moved to a larger or smaller array, or to one of the same size without the
    /// tombstones of deleted sessions.
    pub growth_steps: u64,
    /// The most slots that were tried to find a place for a session, in the present arrays of the table.
    pub longest_probe: usize,
    counts: Counts,
}

impl Stats {
    /// Returns the number of sessions that have ended with this cause since the store was made. The sessions that
    /// [`end_sessions_of`](SessionStore::end_sessions_of) ends are counted one by one after their end, as they leave
    /// the table.
    ///
    /// [`Rotated`](RemovalCause::Rotated) counts former ids, not sessions. Wait-free; allocates nothing.
    #[must_use]
    pub fn removed(&self, cause: RemovalCause) -> u64 {
        self.counts.removed(cause)
    }

    /// Returns the fraction of the table's slots that are taken, from 0 to 1. A shard grows at 3/4 or earlier.
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// assert_eq!(store.stats().load(), 0.0);
    /// store.create()?;
    /// assert!(store.stats().load() > 0.0);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn load(&self) -> f64 {
        self.slots_taken as f64 / self.slots as f64
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, reservations, created, rejected_full, rejected_bytes_full, rejected_principal_full, .. } =
            self;
        let Self { rejected_too_large, rejected_too_many_attributes, rejected_random, rejected_changes, .. } = self;
        let Self { replays, remembered, bytes, counted_bytes, retired_bytes, .. } = self;
        let Self { slots, slots_taken, growth_steps, longest_probe, .. } = self;
        let removed = RemovalCause::ALL.map(|cause| (cause, self.removed(cause)));
        f.debug_struct("Stats")
            .field("live", live)
            .field("reservations", reservations)
            .field("created", created)
            .field("removed", &removed)
            .field("rejected_full", rejected_full)
            .field("rejected_bytes_full", rejected_bytes_full)
            .field("rejected_principal_full", rejected_principal_full)
            .field("rejected_too_large", rejected_too_large)
            .field("rejected_too_many_attributes", rejected_too_many_attributes)
            .field("rejected_random", rejected_random)
            .field("rejected_changes", rejected_changes)
            .field("replays", replays)
            .field("remembered", remembered)
            .field("bytes", bytes)
            .field("counted_bytes", counted_bytes)
            .field("retired_bytes", retired_bytes)
            .field("slots", slots)
            .field("slots_taken", slots_taken)
            .field("growth_steps", growth_steps)
            .field("longest_probe", longest_probe)
            .finish()
    }
}

/// Counts refused creations. It has a cache line of its own, so that a client that floods a full store slows down no
/// reader.
#[derive(Default)]
pub(super) struct Rejections(CachePadded<RefusalCounts>);

#[derive(Default)]
struct RefusalCounts {
    full: AtomicU64,
    bytes_full: AtomicU64,
    principal_full: AtomicU64,
    too_large: AtomicU64,
    too_many_attributes: AtomicU64,
    random: AtomicU64,
    changes: AtomicU64,
}

impl Rejections {
    /// Counts a refused creation.
    pub(super) fn note(&self, error: CreateError) {
        let count = match error {
            CreateError::Full => &self.0.full,
            CreateError::BytesFull => &self.0.bytes_full,
            CreateError::PrincipalFull => &self.0.principal_full,
            CreateError::TooLarge { .. } => &self.0.too_large,
            CreateError::TooManyAttributes { .. } => &self.0.too_many_attributes,
            CreateError::Random(_) => &self.0.random,
        };
        // Relaxed: only the number matters, and it publishes nothing.
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a change that was refused because of the limit in bytes.
    pub(super) fn note_change(&self) {
        self.0.changes.fetch_add(1, Ordering::Relaxed); // Relaxed: as above.
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns figures about the store: sessions, creations, ends by cause, refusals, memory, the state of the table.
    ///
    /// The store always keeps them, at next to no cost: the counters are in memory that the counted operation writes
    /// anyway, and [`get`](Self::get), [`read`](Self::read) and [`exists`](Self::exists) of a live session count
    /// nothing. Each figure is exact while no other operation is in progress. During operations, some figures may
    /// include an operation and others not: `created` may differ from the sum of `live` and all ended sessions by the
    /// number of operations in progress.
    ///
    /// Reads a few cache lines for each [shard](crate::SessionConfig#structfield.shards), and one for each thread of
    /// the process that has changed sessions. Wait-free; allocates nothing. The figures are read one after the other,
    /// so there is no single instant of effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::RemovalCause;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// store.create()?;
    /// store.delete(&id);
    /// let stats = store.stats();
    /// assert_eq!((stats.live, stats.created, stats.removed(RemovalCause::Deleted)), (1, 2, 1));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (table, counts, rejected) = (&self.table, self.table.counts(), &self.rejections.0);
        // Relaxed: the counts are independent of each other, and of everything else.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            live: table.len(),
            reservations: table.reservations(),
            created: counts.created,
            rejected_full: read(&rejected.full),
            rejected_bytes_full: read(&rejected.bytes_full),
            rejected_principal_full: read(&rejected.principal_full),
            rejected_too_large: read(&rejected.too_large),
            rejected_too_many_attributes: read(&rejected.too_many_attributes),
            rejected_random: read(&rejected.random),
            rejected_changes: read(&rejected.changes),
            replays: self.replaced.replays(),
            remembered: self.replaced.len(),
            bytes: counts.bytes(),
            counted_bytes: table.bytes_taken() as u64,
            retired_bytes: memory::retired_bytes() as u64,
            slots: table.capacity(),
            slots_taken: table.occupied(),
            growth_steps: counts.migrations,
            longest_probe: table.longest_probe(),
            counts,
        }
    }
}
