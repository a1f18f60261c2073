//! The memory of an array's slots: zeroed, and each line of slots on one cache line.
//!
//! The allocator returns zeroed memory. For a large array these are untouched pages, so making one takes constant time.
//! With the alignment of a cache line the allocator would clear the memory itself. So the array asks for one line more,
//! and its slots begin at the first cache line within.

use crate::table::structure::slot::Slot;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use memory::Slots;

#[cfg(not(any(loom, shuttle)))]
mod memory {
    use super::Slot;
    use crate::memory::heap;
    use core::alloc::Layout;
    use core::ptr::NonNull;
    use core::slice;
    use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

    const CACHE_LINE: usize = 64;

    /// A fixed number of slots.
    pub(crate) struct Slots {
        first: NonNull<Slot>,
        len: usize,
        memory: NonNull<u8>,
    }

    // SAFETY: it owns its memory, and slots are atomics.
    unsafe impl Send for Slots {}
    // SAFETY: as above.
    unsafe impl Sync for Slots {}

    impl Slots {
        pub(crate) fn new(len: usize) -> Self {
            if let Some(memory) = heap::take_zeroed(len * size_of::<Slot>()) {
                return Self { first: memory.cast(), len, memory };
            }
            let layout = Self::layout(len);
            // SAFETY: the layout's size is not zero.
            let memory = unsafe { alloc_zeroed(layout) };
            let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
            let skip = memory.align_offset(CACHE_LINE);
            assert!(skip < CACHE_LINE, "the start of a line is less than a line away");
            // SAFETY: the layout has that many bytes before the slots.
            let first = unsafe { memory.add(skip) }.cast();
            Self { first, len, memory }
        }

        fn layout(len: usize) -> Layout {
            let slots = Layout::array::<Slot>(len).expect("an array this large has no memory");
            let size = slots.size().checked_add(CACHE_LINE).expect("an array this large has no memory");
            Layout::from_size_align(size, align_of::<Slot>()).expect("an array this large has no memory")
        }

        #[inline]
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        #[inline]
        pub(crate) fn get(&self, index: usize) -> &Slot {
            &self.as_slice()[index]
        }

        #[inline]
        pub(crate) fn as_slice(&self) -> &[Slot] {
            // SAFETY: `len` slots from `first` on, zeroed, which is a valid slot, and owned by `self`.
            unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len) }
        }

        pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
            // SAFETY: as above, and borrowed exclusively.
            unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }.iter_mut()
        }
    }

    impl Drop for Slots {
        fn drop(&mut self) {
            // SAFETY: nobody uses them any more, and slots need no drop.
            if !unsafe { heap::give_zeroed(self.memory, self.len * size_of::<Slot>()) } {
                // SAFETY: as above, and allocated with this layout, for it is not of the heap.
                unsafe { dealloc(self.memory.as_ptr(), Self::layout(self.len)) }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_of_slots_is_a_cache_line() {
            for len in [8, 64, 1 << 16] {
                let slots = Slots::new(len);
                assert_eq!(slots.first.addr().get() % CACHE_LINE, 0);
                assert!((0..len).all(|index| slots.get(index).load().is_empty()));
            }
        }
    }
}

/// Slots in a model, because a model checker's atomics cannot be made of zeroed memory.
#[cfg(any(loom, shuttle))]
pub(crate) struct Slots(Box<[Slot]>);

#[cfg(any(loom, shuttle))]
impl Slots {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len).map(|_| Slot::new()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, index: usize) -> &Slot {
        &self.0[index]
    }

    pub(crate) fn as_slice(&self) -> &[Slot] {
        &self.0
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.0.iter_mut()
    }
}
