//! Text for packing attributes: a thread uses the memory of its last one again, so that a creation allocates no more than
//! the session.

use core::cell::Cell;
use core::ops::{Deref, DerefMut};

/// Enough bytes for the attributes of most sessions.
const USUAL_SIZE: usize = 512;

/// The most bytes that a thread keeps.
const MOST: usize = 4 * USUAL_SIZE;

std::thread_local! {
    /// Empty while it is in use.
    static KEPT: Cell<String> = const { Cell::new(String::new()) };
}

/// A short-lived string. When it is dropped, the thread keeps its memory, which is not overwritten.
#[derive(Default)]
pub(crate) struct Scratch(String);

impl Scratch {
    /// An empty string, with room for `limit` bytes or for as many as most sessions need. So much room is better than
    /// moving the text as it grows.
    #[inline]
    pub(super) fn with_room(limit: usize) -> Self {
        // A thread that is exiting keeps nothing any more.
        let mut text = KEPT.try_with(Cell::take).unwrap_or_default();
        text.reserve(USUAL_SIZE.min(limit));
        Self(text)
    }

    pub(super) fn into_string(mut self) -> String {
        core::mem::take(&mut self.0)
    }
}

impl From<String> for Scratch {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        if (1..=MOST).contains(&self.0.capacity()) {
            let mut text = core::mem::take(&mut self.0);
            text.clear();
            _ = KEPT.try_with(|kept| kept.set(text));
        }
    }
}

impl Deref for Scratch {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut String {
        &mut self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_unless_there_is_much_of_it() {
        let mut text = Scratch::with_room(usize::MAX);
        text.push_str("text");
        let (place, capacity) = (text.as_ptr(), text.capacity());
        assert!(Scratch::with_room(10).capacity() < capacity, "two texts have one memory");
        drop(text);
        let again = Scratch::with_room(usize::MAX);
        assert_eq!((again.as_ptr(), &**again), (place, ""));
        drop(Scratch::from(String::with_capacity(MOST + 1)));
        assert!(Scratch::with_room(1).capacity() <= MOST);
    }
}
