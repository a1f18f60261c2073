//! The system's calls: address space, memory for it, and advice about its pages.

use crate::memory::setting::Memory;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};

/// At least as large as a page of any target.
pub(super) const PAGE: usize = 64 * 1024;

/// Reserved address space without memory.
pub(super) struct Space {
    pub(super) start: NonNull<u8>,
    bytes: usize,
}

impl Space {
    pub(super) fn reserve(bytes: usize) -> Option<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping where there is none.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }.ok()?;
        NonNull::new(start.cast()).map(|start| Self { start, bytes })
    }

    pub(super) fn give_back(self) {
        // SAFETY: reserved by this thread, and not published.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Makes chunks and their words writable, which gives them memory. Returns whether the system has agreed.
///
/// # Safety
///
/// The caller must ensure that both ranges are the arena's.
pub(super) unsafe fn map(chunks: NonNull<u8>, bytes: usize, known: NonNull<u8>, known_bytes: usize) -> bool {
    // Words of neighbouring chunks may be on the same pages. This does not change them.
    let before = known.addr().get() % PAGE;
    // SAFETY: within the arena, which begins at a page.
    let first_page = unsafe { known.sub(before) };
    // SAFETY: the caller's promise.
    let known_is_mapped = unsafe { allow_writing(first_page, (before + known_bytes).next_multiple_of(PAGE)) };
    // SAFETY: the caller's promise.
    known_is_mapped && unsafe { allow_writing(chunks, bytes) }
}

/// Makes a range writable.
///
/// # Safety
///
/// The caller must ensure that the range is the arena's.
pub(super) unsafe fn allow_writing(start: NonNull<u8>, bytes: usize) -> bool {
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: the caller's promise.
    unsafe { mprotect(start.as_ptr().cast(), bytes, flags) }.is_ok()
}

/// Asks for huge pages, if the setting wants them.
pub(super) fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    let huge = Memory::chosen() == Memory::HugePages;
    // Either way the memory is usable.
    let _ = advise(start, bytes, if huge { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage });
}

/// Returns memory to the system. It is zero when it is read again. Returns false if the system keeps some of it.
pub(super) fn release(start: NonNull<u8>, bytes: usize) -> bool {
    advise(start, bytes, Advice::LinuxDontNeed)
}

/// Whether the system takes memory back and makes it zero. Systems that emulate Linux may not.
///
/// # Safety
///
/// The caller must ensure that the first page of the range is writable, zeroed and used by nothing else.
pub(super) unsafe fn can_release(start: NonNull<u8>) -> bool {
    let word = start.cast::<u64>().as_ptr();
    // SAFETY: the caller's promise. Volatile, as below: the compiler does not know what the system does.
    unsafe { word.write_volatile(u64::MAX) };
    // SAFETY: as above.
    let is_zero = release(start, PAGE) && unsafe { word.read_volatile() } == 0;
    // SAFETY: as above.
    unsafe { word.write_volatile(0) };
    is_zero
}

/// Asks for small pages.
pub(super) fn advise_small_pages(start: NonNull<u8>, bytes: usize) {
    // Either way the memory is usable.
    let _ = advise(start, bytes, Advice::LinuxNoHugepage);
}

/// Gives advice. Returns whether the system has accepted it.
fn advise(start: NonNull<u8>, bytes: usize, advice: Advice) -> bool {
    let start: *mut c_void = start.as_ptr().cast();
    // SAFETY: the callers discard only memory that they own; other advice changes no memory.
    unsafe { madvise(start, bytes, advice) }.is_ok()
}
