//! A text that saves a cache miss if it is short.

/// The longest text that is in a [`Text`] itself. With it, a snapshot takes 144 bytes.
const SHORT: usize = 134;

/// A text that cannot be changed. A short one is where its owner is, which saves a cache miss.
#[derive(Clone)]
pub(crate) struct Text(Place);

#[derive(Clone)]
enum Place {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Self(Place::Short { len, bytes })
            }
            _ => Self(Place::Long(text.into())),
        }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            // SAFETY: only `new` makes one, of as many bytes of a `str`, and nothing changes them.
            Place::Short { len, bytes } => unsafe { core::str::from_utf8_unchecked(&bytes[..usize::from(*len)]) },
            Place::Long(text) => text,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_wherever_it_is() {
        for len in [0, 1, SHORT - 2, SHORT - 1, SHORT, SHORT + 1, 255, 256, 256 + SHORT, 1_000] {
            // Of two bytes each, so that half of one would be seen.
            let text = "ä".repeat(len / 2) + &"x".repeat(len % 2);
            let kept = Text::new(&text);
            assert_eq!((kept.as_str(), matches!(kept.0, Place::Short { .. })), (text.as_str(), len <= SHORT), "{len}");
            assert_eq!(kept.clone().as_str(), text);
        }
    }
}
