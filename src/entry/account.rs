//! The account of a principal, which its sessions share, and a session's reference to it.
//!
//! An account is the payload of an entry in a table of its own, under the principal's key. Each session of the
//! principal has a [`Binding`], which has the address of the account and two numbers:
//!
//! * The *generation* of the account when the session was bound. Ending all sessions raises the account's generation by
//!   one exchange. At that instant every session of an older generation is [revoked](Standing::includes), and a look-up
//!   sees that without reading any list.
//! * A *serial number*, which identifies the session whatever its id. A revocation may exempt one session: the
//!   account's word holds its serial number beside the generation.
//!
//! # When an account is freed
//!
//! An account counts its users: the sessions bound to it, sessions that are about to be bound, and operations on it.
//! The last user closes the account and removes it from its table, which retires it. A thread that has seen a version
//! of a session live under a guard may use the session's account until it drops the guard, because the account was not
//! retired before.

use super::{Entry, EntryRef, Key, Owned};
use crate::memory::{self, Guard};
use crate::sync::{AtomicU64, AtomicUsize, Ordering, ordered};
use core::ptr::NonNull;

/// Set in the count of users once an account is closed.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// A serial number that no session has.
pub(crate) const NOBODY: u32 = 0;

/// The payload of an account's entry.
pub(crate) struct Account {
    /// Identifies the account within its index.
    pub(crate) number: u64,
    standing: AtomicU64,
    users: AtomicUsize,
    /// The next serial number. Wraps after 2^32.
    serials: AtomicUsize,
    /// The number of segments of the index that may hold a member of this principal.
    segments: AtomicUsize,
}

/// Which sessions of a principal are not revoked: those of this generation, and the one that the last revocation
/// exempted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing(u64);

impl Standing {
    fn new(generation: u32, exempt: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(exempt))
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether a session of this generation and serial number is not revoked.
    #[inline]
    pub(crate) fn includes(self, generation: u32, serial: u32) -> bool {
        self.generation() == generation || self.0 as u32 == serial
    }

    /// The standing after a revocation that exempts the session of this serial number.
    pub(crate) fn after_revocation(self, exempt: u32) -> Self {
        Self::new(self.generation().wrapping_add(1), exempt)
    }
}

impl Account {
    /// An account with one user.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            standing: AtomicU64::new(Standing::new(0, NOBODY).0),
            users: AtomicUsize::new(1),
            serials: AtomicUsize::new(0),
            segments: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(crate) fn standing(&self) -> Standing {
        // Relaxed: only the word itself matters, and every thread sees its values in one order.
        Standing(self.standing.load(Ordering::Relaxed))
    }

    /// Replaces the word that says which sessions are not revoked, for all sessions at once. False if it was not `seen`
    /// any more.
    pub(crate) fn revoke(&self, seen: Standing, next: Standing) -> bool {
        // Release and acquire: pairs with C2. If a session is arriving, either the revoking thread finds the session
        // afterwards, or the thread that brings the session finds it revoked.
        // Relaxed on failure: the caller loads the word again.
        let swap = self.standing.compare_exchange(seen.0, next.0, ordered("C1", Ordering::AcqRel), Ordering::Relaxed);
        swap.is_ok()
    }

    /// The standing, for a thread that has just inserted a session.
    pub(crate) fn standing_after_arrival(&self) -> Standing {
        // A write that changes nothing, because a load could return an outdated word. Release and acquire: pairs with
        // C1.
        Standing(self.standing.fetch_or(0, ordered("C2", Ordering::AcqRel)))
    }

    /// Registers a user, unless the account is closed.
    pub(crate) fn enter(&self) -> bool {
        let one_more = |users: usize| (users & CLOSED == 0).then(|| users + 1);
        // Relaxed: only pinned threads use an account, and the pin keeps it allocated.
        self.users.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Removes a user. True for the last one, which has closed the account.
    pub(crate) fn leave(&self) -> bool {
        let one_less = |users: usize| Some(if users == 1 { CLOSED } else { users - 1 });
        // Release and acquire: the ends of all sessions come before the account is retired, so that no thread that pins
        // itself later sees one of them live. (The guard does not order this if the thread was pinned before it ended
        // the session.) Relaxed on failure: the exchange is tried again.
        self.users.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_less) == Ok(1)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.users.load(Ordering::Relaxed) & CLOSED != 0 // Relaxed: as above.
    }

    /// Returns a serial number that no session of this account has.
    pub(crate) fn next_serial(&self) -> u32 {
        loop {
            // Relaxed: a mere number.
            let serial = self.serials.fetch_add(1, Ordering::Relaxed) as u32;
            if serial != NOBODY {
                return serial;
            }
        }
    }

    pub(crate) fn segments(&self) -> usize {
        // Relaxed: a thread that has seen a session has seen the count that covers its segment.
        self.segments.load(Ordering::Relaxed)
    }

    /// Adds a segment, if there are `segments`.
    pub(crate) fn add_segment(&self, segments: usize) {
        // Relaxed: as above. If another thread was first, it has added a segment.
        let _ = self.segments.compare_exchange(segments, segments + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A session's reference to its principal's account.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    account: NonNull<Entry<Account>>,
    pub(crate) generation: u32,
    pub(crate) serial: u32,
    /// The segment of the index that lists the session.
    pub(crate) segment: u32,
}

// SAFETY: all threads may share an account, and `account` asks the caller to ensure that it is allocated.
unsafe impl Send for Binding {}
// SAFETY: as above.
unsafe impl Sync for Binding {}

impl Binding {
    /// Its size in an entry, in bytes.
    pub(super) const LEN: usize = 20;

    #[cfg(any(test, loom))]
    pub(crate) fn new(account: NonNull<Entry<Account>>, generation: u32, serial: u32, segment: u32) -> Self {
        Self { account, generation, serial, segment }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let address = self.account.as_ptr().expose_provenance() as u64;
        bytes[..8].copy_from_slice(&address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.generation.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.serial.to_le_bytes());
        bytes[16..].copy_from_slice(&self.segment.to_le_bytes());
        bytes
    }

    /// # Safety
    ///
    /// The caller must ensure that the bytes came out of [`to_bytes`](Self::to_bytes).
    #[inline]
    pub(super) unsafe fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let address = u64::from(number(4)) << 32 | u64::from(number(0));
        let account = core::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: the caller's promise, so the address is not null.
        let account = unsafe { NonNull::new_unchecked(account) };
        Self { account, generation: number(8), serial: number(12), segment: number(16) }
    }

    /// The account's entry.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the account had a user (the session of this binding, or another one) at some time
    /// while the thread was pinned under `guard`.
    #[inline]
    pub(crate) unsafe fn account(self, guard: &Guard) -> EntryRef<'_, Account> {
        guard.assert_usable(self.account.as_ptr());
        // SAFETY: it was published before the session, and is retired after its last user.
        unsafe { EntryRef::new(self.account) }
    }

    /// Takes over the session's use of its account.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the session uses its account, and that its use passes to the returned one.
    pub(crate) unsafe fn into_use(self) -> Use {
        Use(self.account)
    }

    /// Whether the session is not revoked.
    #[inline]
    pub(crate) fn is_included(self, standing: Standing) -> bool {
        standing.includes(self.generation, self.serial)
    }

    /// A binding to no account.
    #[cfg(test)]
    pub(super) fn dangling() -> Self {
        Self::new(NonNull::dangling(), 5, 6, 7)
    }
}

/// One use of an account, which keeps the account open. It has to be [ended](Self::end) or passed to a session.
pub(crate) struct Use(NonNull<Entry<Account>>);

// SAFETY: all threads may share an account, and this keeps it open.
unsafe impl Send for Use {}
// SAFETY: as above.
unsafe impl Sync for Use {}

impl Use {
    /// The first use of an account that is about to be published. It must not be ended if the account is not published.
    pub(crate) fn first(account: &Owned<Account>) -> Self {
        Self(account.pointer())
    }

    /// Another use of an account, unless the account is closed.
    pub(crate) fn enter(account: EntryRef<'_, Account>) -> Option<Self> {
        account.payload().enter().then(|| Self(account.pointer()))
    }

    /// Another use of the same account.
    pub(crate) fn again(&self) -> Self {
        self.with(Self::enter).expect("this use keeps the account open")
    }

    /// Shows the account.
    pub(crate) fn with<R>(&self, f: impl FnOnce(EntryRef<'_, Account>) -> R) -> R {
        let guard = memory::pin();
        guard.assert_usable(self.0.as_ptr());
        // SAFETY: this use keeps the account open, and so allocated while the guard is held.
        f(unsafe { EntryRef::new(self.0) })
    }

    /// The binding of a session to the account.
    pub(crate) fn bind(&self, generation: u32, serial: u32, segment: u32) -> Binding {
        Binding { account: self.0, generation, serial, segment }
    }

    pub(crate) fn is_of(&self, binding: Binding) -> bool {
        self.0 == binding.account
    }

    /// Ends the use. If it was the last one, the account is now closed, and its key is returned.
    pub(crate) fn end(self) -> Option<Key> {
        self.with(|account| account.payload().leave().then(|| *account.key()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_leaves_the_exempt_session_and_those_that_come_later() {
        let account = Account::new(0);
        let (first, second) = (account.next_serial(), account.next_serial());
        let before = account.standing();
        assert!(before.includes(0, first) && before.includes(0, second));
        assert!(account.revoke(before, before.after_revocation(second)));
        let after = account.standing();
        assert!(!after.includes(0, first) && after.includes(0, second) && after.includes(1, first));
        assert!(!account.revoke(before, before.after_revocation(NOBODY)), "it has been moved on");
        assert!(account.revoke(after, after.after_revocation(NOBODY)));
        assert!(!account.standing().includes(0, second) && !account.standing().includes(1, first));
    }

    #[test]
    fn the_last_user_closes_an_account_for_good() {
        let account = Account::new(0);
        assert!(account.enter() && !account.leave() && !account.is_closed());
        assert!(account.leave() && account.is_closed());
        assert!(!account.enter());
    }

    #[test]
    fn no_serial_number_is_that_of_nobody() {
        let account = Account::new(0);
        account.serials.store(u32::MAX as usize, Ordering::Relaxed);
        assert_eq!([account.next_serial(), account.next_serial()], [u32::MAX, 1]);
    }

    #[test]
    fn a_binding_survives_its_bytes() {
        let account = Box::new(0_u64);
        let binding = Binding::new(NonNull::from(&*account).cast(), u32::MAX, 6, 7);
        // SAFETY: just made.
        let read = unsafe { Binding::from_bytes(&binding.to_bytes()) };
        assert!(read.account == binding.account);
        assert_eq!((read.generation, read.serial, read.segment), (u32::MAX, 6, 7));
    }
}
