//! The memory of an array's slots and tags: zeroed, and each line of slots on one cache line.
//!
//! The allocator returns zeroed memory. For a large array these are untouched pages, so making one takes constant time.
//! With the alignment of a cache line the allocator would clear the memory itself. So the array asks for one line more,
//! and its slots begin at the first cache line within.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use memory::Zeroed;

/// Marks a type for which all zeros is a valid value: the one of a new array.
///
/// # Safety
///
/// The implementer must ensure that zeroed memory is a valid value, that the type needs no drop, and that threads may
/// share it.
pub(crate) unsafe trait FromZeros: Sync {
    /// The same value in a model, because a model checker's atomics cannot be made of zeroed memory.
    #[cfg(any(loom, shuttle))]
    fn zeroed() -> Self;
}

#[cfg(not(any(loom, shuttle)))]
mod memory {
    use super::FromZeros;
    use crate::memory::heap;
    use core::alloc::Layout;
    use core::ptr::NonNull;
    use core::slice;
    use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

    const CACHE_LINE: usize = 64;

    /// A fixed number of values, a power of two, which are zero at first.
    pub(crate) struct Zeroed<T: FromZeros> {
        first: NonNull<T>,
        len: usize,
        memory: NonNull<u8>,
    }

    // SAFETY: it owns its memory, and threads may share the values.
    unsafe impl<T: FromZeros> Send for Zeroed<T> {}
    // SAFETY: as above.
    unsafe impl<T: FromZeros> Sync for Zeroed<T> {}

    impl<T: FromZeros> Zeroed<T> {
        pub(crate) fn new(len: usize) -> Self {
            if let Some(memory) = heap::take_zeroed(Self::bytes(len)) {
                return Self { first: memory.cast(), len, memory };
            }
            let layout = Self::layout(len);
            // SAFETY: the layout's size is not zero.
            let memory = unsafe { alloc_zeroed(layout) };
            let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
            let skip = memory.align_offset(CACHE_LINE);
            assert!(skip < CACHE_LINE, "the start of a line is less than a line away");
            // SAFETY: the layout has that many bytes before the values.
            let first = unsafe { memory.add(skip) }.cast();
            Self { first, len, memory }
        }

        /// The bytes that are taken from the heap. A block that does not fill a cache line may begin within one.
        fn bytes(len: usize) -> usize {
            (len * size_of::<T>()).max(CACHE_LINE)
        }

        fn layout(len: usize) -> Layout {
            let values = Layout::array::<T>(len).expect("an array this large has no memory");
            let size = values.size().checked_add(CACHE_LINE).expect("an array this large has no memory");
            Layout::from_size_align(size, align_of::<T>()).expect("an array this large has no memory")
        }

        #[inline]
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        #[inline]
        pub(crate) fn as_slice(&self) -> &[T] {
            // SAFETY: `len` values from `first` on, zeroed, which is a valid value, and owned by `self`.
            unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len) }
        }

        pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
            // SAFETY: as above, and borrowed exclusively.
            unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }.iter_mut()
        }
    }

    impl<T: FromZeros> Drop for Zeroed<T> {
        fn drop(&mut self) {
            // SAFETY: nobody uses them any more, and they need no drop.
            if !unsafe { heap::give_zeroed(self.memory, Self::bytes(self.len)) } {
                // SAFETY: as above, and allocated with this layout, for it is not of the heap.
                unsafe { dealloc(self.memory.as_ptr(), Self::layout(self.len)) }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use core::sync::atomic::{AtomicUsize, Ordering};

        struct Word(AtomicUsize);

        // SAFETY: an atomic integer.
        unsafe impl FromZeros for Word {}

        #[test]
        fn values_are_zero_and_begin_at_a_cache_line() {
            for len in [8, 64, 1 << 16] {
                let words = Zeroed::<Word>::new(len);
                assert_eq!(words.first.addr().get() % CACHE_LINE, 0);
                assert!(words.as_slice().iter().all(|Word(word)| word.load(Ordering::Relaxed) == 0));
            }
        }
    }
}

/// The same values in a model.
#[cfg(any(loom, shuttle))]
pub(crate) struct Zeroed<T>(Box<[T]>);

#[cfg(any(loom, shuttle))]
impl<T: FromZeros> Zeroed<T> {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len).map(|_| T::zeroed()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.0
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}
