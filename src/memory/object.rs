//! A retired object, and the functions that drop and free objects of its kind.

use super::block::Block;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// How objects of one kind are freed. Each function may be called on any thread.
pub(crate) struct Kind {
    /// The contents that have to be dropped first; `None` if an object is mere memory.
    pub(crate) contents: Option<Contents>,
    /// Turns an object without contents into its block, or frees it and returns its size in bytes. Runs no user code.
    pub(crate) take_apart: unsafe fn(NonNull<()>) -> Result<Block, usize>,
}

/// How the contents of objects of one kind are dropped.
pub(crate) struct Contents {
    /// Drops the contents. May run user code, and does not unwind.
    pub(crate) drop: unsafe fn(NonNull<()>),
    /// The kind of an object whose contents have been dropped.
    pub(crate) bare: &'static Kind,
}

/// A retired object. Dropping it frees it.
pub(crate) struct RetiredObject {
    object: NonNull<()>,
    kind: &'static Kind,
}

// SAFETY: the caller of `new` has ensured that the functions of its kind may be called on any thread.
unsafe impl Send for RetiredObject {}

impl RetiredObject {
    /// # Safety
    ///
    /// The caller must ensure:
    /// * the functions of `kind` are sound for `object` on any thread once nothing uses the object any more;
    /// * nothing else calls them for this object;
    /// * the returned value is neither dropped nor changed before nothing uses the object any more.
    pub(crate) unsafe fn new(object: NonNull<()>, kind: &'static Kind) -> Self {
        Self { object, kind }
    }

    #[inline]
    pub(crate) fn object(&self) -> NonNull<()> {
        self.object
    }

    #[inline]
    pub(crate) fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Frees the object and returns its size in bytes.
    pub(crate) fn free(self) -> usize {
        match self.take_apart() {
            Ok(block) => block.size(),
            Err(bytes) => bytes,
        }
    }

    /// Whether there are contents to drop.
    #[inline]
    pub(crate) fn has_contents(&self) -> bool {
        self.kind.contents.is_some()
    }

    /// Drops the contents, if there are any.
    #[inline]
    pub(crate) fn drop_contents(&mut self) {
        if let Some(Contents { drop, bare }) = &self.kind.contents {
            // First, so that the contents are dropped once even if this call unwinds.
            self.kind = bare;
            // SAFETY: nothing uses the object, and its contents have not been dropped.
            unsafe { drop(self.object) }
        }
    }

    /// Turns the object into its block, or frees it and returns its size in bytes.
    #[inline]
    pub(crate) fn take_apart(self) -> Result<Block, usize> {
        let mut object = ManuallyDrop::new(self);
        object.drop_contents();
        // SAFETY: nothing uses the object, its contents have been dropped, and `ManuallyDrop` keeps it from being freed
        // twice.
        unsafe { (object.kind.take_apart)(object.object) }
    }
}

impl Drop for RetiredObject {
    fn drop(&mut self) {
        self.drop_contents();
        // SAFETY: nothing uses the object, and its contents have been dropped.
        drop(unsafe { (self.kind.take_apart)(self.object) });
    }
}
