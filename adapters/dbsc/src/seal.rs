//! Sealed texts, which the server recognises as its own: challenges and bound cookies. Nothing is stored for them.
//!
//! ```text
//! number (8 bytes) | time (8 bytes) | HMAC-SHA256(key, purpose | device | number | time)
//! ```
//!
//! as 64 characters of base64url. A text that was sealed for one purpose or device does not open for another. Without
//! the key, which is drawn for each [`Dbsc`](crate::Dbsc), the last 32 bytes cannot be told from random ones.

use base64ct::{Base64UrlUnpadded, Encoding};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a text is sealed for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Registration = 1,
    Refresh = 2,
    Cookie = 3,
}

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Grows from text to text.
    pub(crate) number: u64,
    /// The time after which the text is worthless, in milliseconds of the clock.
    pub(crate) end: u64,
}

/// Seals texts, and opens its own.
pub(crate) struct Sealer {
    mac: Hmac<Sha256>,
    /// The number of the last text. Relaxed: it only has to grow.
    last: AtomicU64,
}

const BYTES: usize = 16 + 32;
const LENGTH: usize = BYTES * 4 / 3;

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { mac: Hmac::new_from_slice(key).expect("any length will do"), last: AtomicU64::new(0) }
    }

    pub(crate) fn seal(&self, purpose: Purpose, device: &str, end: u64) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..16].copy_from_slice(&end.to_be_bytes());
        let tag = self.tag(purpose, device, &bytes[..16]).finalize().into_bytes();
        bytes[16..].copy_from_slice(&tag);
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// Opens a text that this sealer has sealed for this purpose and device. `None` for any other text.
    pub(crate) fn open(&self, purpose: Purpose, device: &str, text: &str) -> Option<Sealed> {
        if text.len() != LENGTH {
            return None;
        }
        let mut buffer = [0; BYTES];
        let bytes = Base64UrlUnpadded::decode(text, &mut buffer).ok()?;
        let (stated, tag) = bytes.split_at_checked(16)?;
        // In constant time.
        self.tag(purpose, device, stated).verify_slice(tag).ok()?;
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
        Some(Sealed { number: word(&stated[..8])?, end: word(&stated[8..])? })
    }

    fn tag(&self, purpose: Purpose, device: &str, stated: &[u8]) -> Hmac<Sha256> {
        // All devices' names have the same length, so no two inputs make the same text.
        let mac = self.mac.clone().chain_update([purpose as u8]);
        mac.chain_update(device.as_bytes()).chain_update(stated)
    }
}

/// A time of the clock in whole milliseconds.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_text_opens_for_its_own_purpose_and_device_only() {
        let (sealer, other) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        let text = sealer.seal(Purpose::Refresh, DEVICE, 77);
        assert_eq!(text.len(), LENGTH);
        assert_eq!(sealer.open(Purpose::Refresh, DEVICE, &text), Some(Sealed { number: 1, end: 77 }));
        assert_eq!(sealer.open(Purpose::Cookie, DEVICE, &text), None);
        assert_eq!(sealer.open(Purpose::Registration, DEVICE, &text), None);
        assert_eq!(sealer.open(Purpose::Refresh, "BAAAAAAAAAAAAAAAAAAAAA", &text), None);
        assert_eq!(other.open(Purpose::Refresh, DEVICE, &text), None);
    }

    #[test]
    fn no_character_of_a_text_may_change() {
        let sealer = Sealer::new(&[1; 32]);
        let text = sealer.seal(Purpose::Cookie, DEVICE, 77);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(sealer.open(Purpose::Cookie, DEVICE, &changed), None, "{at}");
        }
        assert_eq!(sealer.open(Purpose::Cookie, DEVICE, &text[1..]), None);
        assert_eq!(sealer.open(Purpose::Cookie, DEVICE, &format!("{text}A")), None);
        assert_eq!(sealer.open(Purpose::Cookie, DEVICE, ""), None);
    }

    #[test]
    fn no_two_texts_are_the_same() {
        let sealer = Sealer::new(&[1; 32]);
        let [first, second] = [(); 2].map(|()| sealer.seal(Purpose::Refresh, DEVICE, 77));
        assert_ne!(first, second);
        let number = |text| sealer.open(Purpose::Refresh, DEVICE, text).map(|sealed| sealed.number);
        assert_eq!((number(&first), number(&second)), (Some(1), Some(2)));
    }
}
