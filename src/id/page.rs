//! A page of memory that the kernel wipes in a forked child and leaves out of core dumps.
//!
//! `batch.rs` keeps a thread's unused ids in this page. The page holds three things: a mark, the number of ids
//! that are left, and the ids. All of them are zero when the page is mapped, and in a child that was forked meanwhile.
//!
//! Each access is volatile, for two reasons:
//!
//! * Nothing reads the zeros with which an id is erased, so the compiler would be free to drop an ordinary write. It
//!   must perform a volatile one.
//! * The kernel can wipe the page between any two accesses, because a signal handler can fork. So the compiler must
//!   neither merge two reads of the mark nor move a read of the mark across an access to the ids. It keeps the order of
//!   volatile accesses.

use core::array;
use core::ptr::{self, NonNull};
use core::slice;

/// How many ids a batch has. Their 256 bytes are the most that Linux's `getrandom` always returns in full: a signal
/// does not interrupt it.
pub(super) const IDS: usize = 8;

const ID_BYTES: usize = 32;
const ID_WORDS: usize = ID_BYTES / size_of::<u64>();

// The words of the page.
const MARK: usize = 0;
const LEFT: usize = 1;
const FIRST_ID: usize = 2;
const WORDS: usize = FIRST_ID + IDS * ID_WORDS;

/// The number of bytes to map. The kernel rounds it up to whole pages, in `mmap` and in `madvise`.
const BYTES: usize = WORDS * size_of::<u64>();

/// Advice that no kernel knows.
const UNKNOWN_ADVICE: libc::c_int = -1;

/// Owns a mapping of [`WORDS`] words, which no other part of the program knows.
pub(super) struct Page(NonNull<u64>);

impl Page {
    /// Maps a page of zeros. `None` if the system does not promise to wipe it in a forked child and to leave it out of
    /// core dumps.
    pub(super) fn map() -> Option<Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: the kernel chooses the address, so no memory that the program uses is replaced.
        let address = unsafe { libc::mmap(ptr::null_mut(), BYTES, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return None;
        }
        let page = Self(NonNull::new(address.cast())?);
        // SAFETY: the mapping is `page`'s, which nothing refers to yet; the advice changes nothing in it now.
        let takes = |advice| unsafe { libc::madvise(address, BYTES, advice) } == 0;
        // QEMU's user mode has answered 0 to any advice and followed none.
        let is_honest = !takes(UNKNOWN_ADVICE);
        (is_honest && takes(libc::MADV_WIPEONFORK) && takes(libc::MADV_DONTDUMP)).then_some(page)
    }

    pub(super) fn mark(&self) -> u64 {
        self.read(MARK)
    }

    pub(super) fn set_mark(&mut self, mark: u64) {
        self.write(MARK, mark);
    }

    pub(super) fn left(&self) -> usize {
        self.read(LEFT) as usize
    }

    pub(super) fn set_left(&mut self, left: usize) {
        self.write(LEFT, left as u64);
    }

    /// Has `source` write all ids.
    pub(super) fn fill<E>(&mut self, source: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
        let first = self.word(FIRST_ID).cast::<u8>();
        // SAFETY: these bytes belong to the mapping and are initialised; `self` is borrowed exclusively until `source`
        // has returned.
        source(unsafe { slice::from_raw_parts_mut(first, IDS * ID_BYTES) })
    }

    /// Copies an id out of the page and erases it there.
    pub(super) fn take(&mut self, id: usize) -> [u8; ID_BYTES] {
        let first = FIRST_ID + id * ID_WORDS;
        let words: [u64; ID_WORDS] = array::from_fn(|word| self.read(first + word));
        (first..first + ID_WORDS).for_each(|word| self.write(word, 0));
        let mut bytes = [0; ID_BYTES];
        bytes.as_chunks_mut().0.iter_mut().zip(words).for_each(|(chunk, word)| *chunk = word.to_ne_bytes());
        bytes
    }

    /// Erases all that is in the page.
    pub(super) fn erase(&mut self) {
        (0..WORDS).for_each(|word| self.write(word, 0));
    }

    fn read(&self, word: usize) -> u64 {
        // SAFETY: the word belongs to the mapping, which is initialised and which no other thread knows.
        unsafe { self.word(word).read_volatile() }
    }

    fn write(&mut self, word: usize, value: u64) {
        // SAFETY: as for `read`; `self` is borrowed exclusively.
        unsafe { self.word(word).write_volatile(value) }
    }

    fn word(&self, word: usize) -> *mut u64 {
        assert!(word < WORDS, "the mapping has {WORDS} words");
        self.0.as_ptr().wrapping_add(word)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.erase();
        crate::sync::step("batch erased");
        // It can fail where the process has as many mappings as it may have. Then an erased page stays mapped.
        // SAFETY: the mapping is this page's, and nothing refers to it any more.
        let _ = unsafe { libc::munmap(self.0.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
impl Page {
    /// A second owner, by which a test looks at the page and wipes it as a fork does. The test must not use it once the
    /// first owner has been dropped.
    pub(super) fn alias(&self) -> core::mem::ManuallyDrop<Self> {
        core::mem::ManuallyDrop::new(Self(self.0))
    }

    pub(super) fn words(&self) -> [u64; WORDS] {
        array::from_fn(|word| self.read(word))
    }

    /// How many ids are in the page.
    pub(super) fn ids(&self) -> usize {
        self.words()[FIRST_ID..].chunks(ID_WORDS).filter(|id| id.iter().any(|word| *word != 0)).count()
    }
}
