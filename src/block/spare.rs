//! An object that its thread has retired, and what is to be done with it.

use super::Block;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// What objects of one kind need when nobody uses them any more. Each function may be called on any thread.
pub(crate) struct Kind {
    /// What is more than memory, if anything is.
    pub(crate) contents: Option<Contents>,
    /// Makes of an object without content its block, or frees it and says how many bytes it took. Runs no code of the
    /// user's.
    pub(crate) take_apart: unsafe fn(NonNull<()>) -> Result<Block, usize>,
}

/// How the content of objects is dropped.
pub(crate) struct Contents {
    /// May run code of the user's, and does not unwind.
    pub(crate) drop: unsafe fn(NonNull<()>),
    /// What an object is of that is left without content.
    pub(crate) bare: &'static Kind,
}

/// An object that has been retired. Dropping it frees it.
pub(crate) struct Spare {
    object: NonNull<()>,
    kind: &'static Kind,
}

// SAFETY: the functions of its kind may be called on any thread, as `new` was promised.
unsafe impl Send for Spare {}

impl Spare {
    /// # Safety
    ///
    /// The caller must ensure that the functions of `kind` are sound for `object` on any thread once nobody uses the
    /// object any more, and that they are not called otherwise; and that the spare is neither dropped nor changed
    /// before.
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

    /// Frees the object, and says how many bytes it took.
    pub(crate) fn free(self) -> usize {
        match self.take_apart() {
            Ok(block) => block.size(),
            Err(bytes) => bytes,
        }
    }

    /// Whether there is code to run before the object is mere memory.
    #[inline]
    pub(crate) fn has_contents(&self) -> bool {
        self.kind.contents.is_some()
    }

    /// Ends the content, if there is any.
    #[inline]
    pub(crate) fn drop_contents(&mut self) {
        if let Some(Contents { drop, bare }) = &self.kind.contents {
            // From here on, so that whatever happens the content is dropped once.
            self.kind = bare;
            // SAFETY: what `new` was promised, and the content is there until now.
            unsafe { drop(self.object) }
        }
    }

    /// Makes of the object its block, or frees it and says how many bytes it took.
    #[inline]
    pub(crate) fn take_apart(self) -> Result<Block, usize> {
        let mut spare = ManuallyDrop::new(self);
        spare.drop_contents();
        // SAFETY: what `new` was promised, the content has been dropped; and the spare is not dropped.
        unsafe { (spare.kind.take_apart)(spare.object) }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.drop_contents();
        // SAFETY: what `new` was promised, and the content has been dropped.
        drop(unsafe { (self.kind.take_apart)(self.object) });
    }
}
