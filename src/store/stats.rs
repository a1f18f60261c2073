//! Figures on how a store is doing.

use super::SessionStore;
use crate::content::Content;
use crate::error::CreateError;
use crate::events::RemovalCause;
use crate::memory;
use crate::sync::{AtomicU64, Ordering};
use crate::table::Counts;
use core::fmt;
use crossbeam_utils::CachePadded;

/// Holds figures on how a store is doing, as of about now: see [`SessionStore::stats`].
///
/// What is counted since the store was made comes round after 2^64.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that there are, including expired ones that nobody has met or evicted yet: [`SessionStore::count`].
    pub live: usize,
    /// Sessions that have been created since the store was made. A rotation creates none, nor does a login; but one to
    /// a session of another principal, which ends.
    pub created: u64,
    /// Creations refused because the store was [full](CreateError::Full).
    pub rejected_full: u64,
    /// Creations refused because their principal had [no room](CreateError::PrincipalFull) for another session. A
    /// [`bind`](SessionStore::bind) or a login that is refused is no creation, and not counted.
    pub rejected_principal_full: u64,
    /// Creations refused because the attributes were [too large](CreateError::TooLarge).
    pub rejected_too_large: u64,
    /// Creations refused because there were [too many](CreateError::TooManyAttributes) attributes.
    pub rejected_too_many_attributes: u64,
    /// Creations that failed because the operating system gave [no random bytes](CreateError::Random).
    pub rejected_random: u64,
    /// Bytes that the sessions' entries take, as asked of the allocator: what is behind pointers in a value is not in
    /// it, nor are the slots of the table (eight bytes each), nor entries that wait to be freed: those are in
    /// [`retired_bytes`](Self::retired_bytes).
    pub bytes: u64,
    /// Bytes of ended sessions, replaced versions and left parts of the table that are not freed yet, of all stores of
    /// the process: because a [`read`](SessionStore::read) somewhere may be looking at them, because nobody has come to
    /// free them, or because they are kept to be used again.
    ///
    /// Without a `read` that stays inside its closure this is a few hundred kilobytes for each thread that changes
    /// sessions at the most; [`flush`](SessionStore::flush) frees nearly all of it. What is behind pointers in a value
    /// is not in it.
    pub retired_bytes: u64,
    /// Slots that the table has for sessions.
    pub slots: usize,
    /// Slots that are taken: by sessions, by ids that lead to other ones after a rotation, by what has just ended.
    pub slots_taken: usize,
    /// How many times a part of the table has been left for a larger or smaller one, or for one of the same size
    /// without the traces of deleted sessions.
    pub growth_steps: u64,
    /// How many slots were tried at the most to find a place for a session, in the table as it is now.
    pub longest_probe: usize,
    counts: Counts,
}

impl Stats {
    /// How many sessions have ended for this cause since the store was made. Sessions that
    /// [`end_sessions_of`](SessionStore::end_sessions_of) has ended are counted one by one afterwards, as they leave
    /// the table.
    ///
    /// [`Rotated`](RemovalCause::Rotated) counts ids, not sessions: those go on under other ones.
    #[must_use]
    pub fn removed(&self, cause: RemovalCause) -> u64 {
        self.counts.removed(cause)
    }

    /// What part of the table's slots is taken: 0 to 1. A part of the table grows at 3/4 or before.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.slots_taken as f64 / self.slots as f64
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, created, rejected_full, rejected_principal_full, .. } = self;
        let Self { rejected_too_large, rejected_too_many_attributes, rejected_random, .. } = self;
        let Self { bytes, retired_bytes, slots, slots_taken, growth_steps, longest_probe, .. } = self;
        let removed = RemovalCause::ALL.map(|cause| (cause, self.removed(cause)));
        f.debug_struct("Stats")
            .field("live", live)
            .field("created", created)
            .field("removed", &removed)
            .field("rejected_full", rejected_full)
            .field("rejected_principal_full", rejected_principal_full)
            .field("rejected_too_large", rejected_too_large)
            .field("rejected_too_many_attributes", rejected_too_many_attributes)
            .field("rejected_random", rejected_random)
            .field("bytes", bytes)
            .field("retired_bytes", retired_bytes)
            .field("slots", slots)
            .field("slots_taken", slots_taken)
            .field("growth_steps", growth_steps)
            .field("longest_probe", longest_probe)
            .finish()
    }
}

/// Counts of refused creations. On a line of their own, so that a client that floods a full store disturbs no reader.
#[derive(Default)]
pub(super) struct Rejections(CachePadded<RefusalCounts>);

#[derive(Default)]
struct RefusalCounts {
    full: AtomicU64,
    principal_full: AtomicU64,
    too_large: AtomicU64,
    too_many_attributes: AtomicU64,
    random: AtomicU64,
}

impl Rejections {
    /// Counts a refused creation.
    pub(super) fn note(&self, error: CreateError) {
        let count = match error {
            CreateError::Full => &self.0.full,
            CreateError::PrincipalFull => &self.0.principal_full,
            CreateError::TooLarge { .. } => &self.0.too_large,
            CreateError::TooManyAttributes { .. } => &self.0.too_many_attributes,
            CreateError::Random(_) => &self.0.random,
        };
        count.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number, as below.
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns figures on how the store is doing: sessions, creations, ends by cause, refusals, memory, the state of
    /// the table.
    ///
    /// They are kept always, for next to nothing: they are counted where something is written anyway, part by part of
    /// the store, and by no [`get`](Self::get), [`read`](Self::read) or [`exists`](Self::exists) of a live session.
    /// Each figure is exact when no operation is under way. While some are, what is just happening may be in some
    /// figures and not in others: `created` may differ from the sum of `live` and all that have ended by as many.
    ///
    /// Reads a few lines of memory for each of the store's [parts](crate::SessionConfig::shards), and one for each
    /// thread of the process that has changed sessions. Wait-free; allocates nothing.
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
    pub fn stats(&self) -> Stats {
        let (table, counts, rejected) = (&self.table, self.table.counts(), &self.rejections.0);
        Stats {
            live: table.len(),
            created: counts.created,
            rejected_full: rejected.full.load(Ordering::Relaxed),
            rejected_principal_full: rejected.principal_full.load(Ordering::Relaxed),
            rejected_too_large: rejected.too_large.load(Ordering::Relaxed),
            rejected_too_many_attributes: rejected.too_many_attributes.load(Ordering::Relaxed),
            rejected_random: rejected.random.load(Ordering::Relaxed),
            bytes: counts.bytes(),
            retired_bytes: memory::retired_bytes() as u64,
            slots: table.capacity(),
            slots_taken: table.occupied(),
            growth_steps: counts.arrays_left,
            longest_probe: table.longest_probe(),
            counts,
        }
    }
}
