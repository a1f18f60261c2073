//! The charge of a version: the bytes that it counts against the limit of a store in bytes.
//!
//! It depends on nothing that changes during the life of the version, so the thread that ends the version knows what to
//! give back. Counted are:
//!
//! * the block of the entry, as large as it would be with limits of its own. So a change of a session's timeouts never
//!   needs more bytes.
//! * the block of the forward that leads from the session's former key to the session. It counts as long as the version
//!   names the former key: until the session's next rotation without grace, or its end.

use super::overrides::Shape;
use super::{Entry, EntryRef, Payload};
use crate::memory::footprint;

impl<P: Payload> Entry<P> {
    /// The charge of a session's first version. `bound` says whether it is bound to a principal, and `numbered` whether
    /// it has a serial number.
    pub(crate) fn charge_of_first(bound: bool, numbered: bool, text_len: u32) -> usize {
        Self::charge_of(Shape::of_first(bound, numbered, text_len), false)
    }

    fn charge_of(shape: Shape, forwarded: bool) -> usize {
        let block = |tail_len| footprint(Self::layout(tail_len));
        block(shape.tail_len_with_limits()) + if forwarded { block(Shape::FORWARD.tail_len()) } else { 0 }
    }
}

impl<P: Payload> EntryRef<'_, P> {
    /// The bytes that the version counts. Not for forwards.
    pub(crate) fn charge(self) -> usize {
        debug_assert!(!self.is_forward(), "a forward counts with its session");
        let forwarded = !self.is_plain() && self.overrides().former.is_some();
        Entry::<P>::charge_of(self.header().shape, forwarded)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::entry::{Head, Overrides, Owned};
    use crate::expiry::{Limits, Tick};

    fn charge(overrides: &Overrides, text_len: u32) -> usize {
        Owned::new(Head::first([1; 32], Tick::new(0), overrides), (), text_len, |_| {}).borrow().charge()
    }

    #[test]
    fn a_version_counts_at_least_its_block_and_with_limits_of_its_own_exactly_its_block() {
        let limits = Some(Limits { idle: 7, end: Tick::new(9) });
        for text_len in (0..2_000).chain([16_384, 65_536, 1 << 20]) {
            let limited = Overrides { limits, ..Overrides::NONE };
            let entry = Owned::new(Head::first([1; 32], Tick::new(0), &limited), (), text_len, |_| {});
            let layout = Entry::<()>::layout(entry.borrow().header().shape.tail_len());
            assert_eq!(entry.borrow().charge(), footprint(layout));
            assert!(footprint(layout) >= entry.borrow().size());
            assert_eq!(charge(&Overrides::NONE, text_len), entry.borrow().charge(), "other timeouts cost nothing");
        }
    }

    #[test]
    fn the_charge_of_a_first_version_is_known_before_it_is_made() {
        for text_len in [0, 1, 100, 70_000] {
            for serial in [0, 1] {
                let overrides = Overrides { serial, ..Overrides::NONE };
                let known = Entry::<()>::charge_of_first(false, serial > 0, text_len);
                assert_eq!(known, charge(&overrides, text_len));
            }
        }
    }

    #[test]
    fn a_former_key_counts_with_its_forward() {
        let forwarded = Overrides { former: Some([2; 32]), ..Overrides::NONE };
        let numbered = Overrides { serial: 1, ..Overrides::NONE };
        let version = Owned::new(Head::first([1; 32], Tick::new(0), &Overrides::NONE), (), 9, |_| {});
        let forward = Owned::forward(version.borrow(), Tick::new(0), (), &[2; 32], Tick::new(9));
        let block = footprint(Entry::<()>::layout(Shape::FORWARD.tail_len()));
        assert!(block >= forward.borrow().size());
        assert_eq!(charge(&forwarded, 9), charge(&numbered, 9) + block);
    }
}
