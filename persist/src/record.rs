//! A session's record on disk.
//!
//! ```text
//! | 1 | flags | last use (8) | version (4) | serial (8) | idle timeout (8)? | end (8)? | principal (32)? | audience (16)? |
//! | life of the cookie (8)? | when it was sent (8)? | content |
//! | 2 | name of the key (4) | nonce (24) | the same, encrypted, and its tag (16) |
//! ```
//!
//! Times are milliseconds of the [timeline](crate::time), the idle timeout is milliseconds. Numbers are little-endian.

use crate::keys::{Keys, Unreadable};
use crate::names::DiskKey;
use crate::time::milliseconds;
use cloakroom::{Audience, Carried, Principal};
use std::time::Duration;

const PLAIN: u8 = 1;
const ENCRYPTED: u8 = 2;

const IDLE: u8 = 1;
const END: u8 = 2;
const PRINCIPAL: u8 = 4;
const AUDIENCE: u8 = 8;
const COOKIE: u8 = 16;
const SENT: u8 = 32;

/// What a record says, and the content of the session in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) last_use: u64,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) end: Option<u64>,
    pub(crate) principal: Option<Principal>,
    pub(crate) audience: Option<Audience>,
    pub(crate) cookie_life: Option<Duration>,
    /// When the cookie was sent.
    pub(crate) cookie_sent: Option<u64>,
    pub(crate) version: u32,
    pub(crate) serial: u64,
    pub(crate) content: &'a [u8],
}

impl Record<'_> {
    /// What belongs to the session at `now`, or `None` if its end is over. The session may have been used up to
    /// `unknown` milliseconds later than the record says.
    pub(crate) fn carried(&self, now: u64, unknown: u64) -> Option<Carried> {
        if self.end.is_some_and(|end| end < now) {
            return None;
        }
        let last_use = self.last_use.saturating_add(unknown).min(now);
        let mut carried = Carried::default();
        carried.idle_for = Duration::from_millis(now - last_use);
        carried.idle_timeout = self.idle_timeout;
        carried.ends_in = self.end.map(|end| Duration::from_millis(end.saturating_sub(now)));
        (carried.principal, carried.version, carried.serial) = (self.principal, self.version, self.serial);
        (carried.audience, carried.cookie_life) = (self.audience, self.cookie_life);
        carried.cookie_sent = self.cookie_sent.map(|sent| Duration::from_millis(now.saturating_sub(sent)));
        Some(carried)
    }
}

/// Writes a record of a session as it is at `now`. `content` appends the content.
pub(crate) fn write(
    key: &DiskKey,
    carried: &Carried,
    now: u64,
    keys: &Keys,
    content: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut record = Vec::with_capacity(128);
    record.push(PLAIN);
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    record.push(
        flag(carried.idle_timeout.is_some(), IDLE)
            | flag(carried.ends_in.is_some(), END)
            | flag(carried.principal.is_some(), PRINCIPAL)
            | flag(carried.audience.is_some(), AUDIENCE)
            | flag(carried.cookie_life.is_some(), COOKIE)
            | flag(carried.cookie_sent.is_some(), SENT),
    );
    // A session that was used before the timeline began was used at its beginning.
    record.extend_from_slice(&now.saturating_sub(milliseconds(carried.idle_for)).to_le_bytes());
    record.extend_from_slice(&carried.version.to_le_bytes());
    record.extend_from_slice(&carried.serial.to_le_bytes());
    if let Some(timeout) = carried.idle_timeout {
        record.extend_from_slice(&milliseconds(timeout).to_le_bytes());
    }
    if let Some(left) = carried.ends_in {
        record.extend_from_slice(&now.saturating_add(milliseconds(left)).to_le_bytes());
    }
    if let Some(principal) = carried.principal {
        record.extend_from_slice(&principal.to_bytes());
    }
    if let Some(audience) = carried.audience {
        record.extend_from_slice(&audience.to_bytes());
    }
    if let Some(life) = carried.cookie_life {
        record.extend_from_slice(&milliseconds(life).to_le_bytes());
    }
    if let Some(ago) = carried.cookie_sent {
        record.extend_from_slice(&now.saturating_sub(milliseconds(ago)).to_le_bytes());
    }
    content(&mut record);
    keys.seal(key, record, ENCRYPTED)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::Format)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.take().map(u64::from_le_bytes)
    }

    fn maybe<R>(
        &mut self,
        there: bool,
        read: impl FnOnce(&mut Self) -> Result<R, Unreadable>,
    ) -> Result<Option<R>, Unreadable> {
        if there { read(self).map(Some) } else { Ok(None) }
    }
}

/// Decrypts a record into `buffer` if it is encrypted. Returns also whether it should be written again, because it is
/// not under the present key.
pub(crate) fn unseal<'a>(
    key: &DiskKey,
    record: &'a [u8],
    keys: &Keys,
    buffer: &'a mut Vec<u8>,
) -> Result<(&'a [u8], bool), Unreadable> {
    let (format, sealed) = record.split_first().ok_or(Unreadable::Format)?;
    match *format {
        PLAIN => Ok((record, keys.is_encrypting())),
        ENCRYPTED => {
            let stale = keys.open(key, sealed, buffer)?;
            Ok((buffer.as_slice(), stale))
        }
        _ => Err(Unreadable::Format),
    }
}

/// Reads a record that is not encrypted.
pub(crate) fn parse(plain: &[u8]) -> Result<Record<'_>, Unreadable> {
    let mut reader = Reader(plain);
    let [format, flags] = reader.take()?;
    if format != PLAIN || flags & !(IDLE | END | PRINCIPAL | AUDIENCE | COOKIE | SENT) != 0 {
        return Err(Unreadable::Format);
    }
    let last_use = reader.number()?;
    let version = u32::from_le_bytes(reader.take()?);
    let serial = reader.number()?;
    let idle_timeout = reader.maybe(flags & IDLE != 0, Reader::number)?.map(|ticks| match ticks {
        u64::MAX => Duration::MAX,
        ticks => Duration::from_millis(ticks),
    });
    let end = reader.maybe(flags & END != 0, Reader::number)?;
    let principal = reader.maybe(flags & PRINCIPAL != 0, Reader::take)?.map(Principal::from_bytes);
    let audience = reader.maybe(flags & AUDIENCE != 0, Reader::take)?.and_then(Audience::from_bytes);
    let cookie_life = reader.maybe(flags & COOKIE != 0, Reader::number)?.map(Duration::from_millis);
    let cookie_sent = reader.maybe(flags & SENT != 0, Reader::number)?;
    let content = reader.0;
    Ok(Record { last_use, idle_timeout, end, principal, audience, cookie_life, cookie_sent, version, serial, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(bits: u8) -> Carried {
        let mut carried = Carried::default();
        carried.idle_for = Duration::from_millis(300);
        carried.idle_timeout = (bits & 1 != 0).then_some(Duration::from_secs(9));
        carried.ends_in = (bits & 2 != 0).then_some(Duration::from_secs(8));
        carried.principal = (bits & 4 != 0).then(|| Principal::new("ada"));
        carried.audience = (bits & 8 != 0).then(|| Audience::new("site"));
        carried.cookie_life = (bits & 16 != 0).then_some(Duration::from_secs(7));
        carried.cookie_sent = (bits & 32 != 0).then_some(Duration::from_millis(100));
        (carried.version, carried.serial) = (7, 11);
        carried
    }

    fn read<'a>(
        key: &DiskKey,
        record: &'a [u8],
        keys: &Keys,
        buffer: &'a mut Vec<u8>,
    ) -> Result<(Record<'a>, bool), Unreadable> {
        let (plain, stale) = unseal(key, record, keys, buffer)?;
        Ok((parse(plain)?, stale))
    }

    fn written(bits: u8, keys: &Keys) -> Vec<u8> {
        write(&[1; 24], &carried(bits), 1_000, keys, |content| content.extend_from_slice(b"content"))
    }

    #[test]
    fn every_combination_of_parts_is_read_back() {
        for bits in 0..64 {
            let record = written(bits, &Keys::none());
            let mut buffer = Vec::new();
            let (read, stale) = read(&[1; 24], &record, &Keys::none(), &mut buffer).unwrap();
            let carried = carried(bits);
            let end = carried.ends_in.map(|_| 9_000);
            assert_eq!((read.last_use, read.end, read.idle_timeout), (700, end, carried.idle_timeout));
            assert_eq!((read.principal, read.version, read.serial), (carried.principal, 7, 11));
            let sent = carried.cookie_sent.map(|_| 900);
            assert_eq!(
                (read.audience, read.cookie_life, read.cookie_sent),
                (carried.audience, carried.cookie_life, sent)
            );
            assert_eq!((read.content, stale), (b"content".as_slice(), false));
        }
    }

    #[test]
    fn a_record_that_is_cut_off_before_its_content_is_refused() {
        let record = written(63, &Keys::none());
        for len in 0..record.len() - b"content".len() {
            assert_eq!(read(&[1; 24], &record[..len], &Keys::none(), &mut Vec::new()), Err(Unreadable::Format));
        }
        assert_eq!(read(&[1; 24], &[9, 0], &Keys::none(), &mut Vec::new()), Err(Unreadable::Format));
    }

    #[cfg(feature = "encrypt")]
    #[test]
    fn an_encrypted_record_is_read_with_its_key_only_and_under_its_session_only() {
        let keys = Keys::none().with([5; 32]);
        let record = written(63, &keys);
        assert!(!record.windows(7).any(|bytes| bytes == b"content"));
        let mut buffer = Vec::new();
        assert_eq!(read(&[1; 24], &record, &keys, &mut buffer).unwrap().0.content, b"content");
        let other = Keys::none().with([6; 32]);
        assert_eq!(read(&[1; 24], &record, &other, &mut Vec::new()), Err(Unreadable::Key));
        assert_eq!(read(&[1; 24], &record, &Keys::none(), &mut Vec::new()), Err(Unreadable::Key));
        assert_eq!(read(&[2; 24], &record, &keys, &mut Vec::new()), Err(Unreadable::Key));
        for at in 0..record.len() {
            let mut altered = record.clone();
            altered[at] ^= 1;
            assert!(read(&[1; 24], &altered, &keys, &mut Vec::new()).is_err(), "byte {at}");
        }
    }

    #[cfg(feature = "encrypt")]
    #[test]
    fn a_record_under_a_former_key_is_read_and_written_again() {
        let (former, rotated) = (Keys::none().with([5; 32]), Keys::none().with([6; 32]).and_former([5; 32]));
        let mut buffer = Vec::new();
        assert!(read(&[1; 24], &written(63, &former), &rotated, &mut buffer).unwrap().1);
        assert!(!read(&[1; 24], &written(63, &rotated), &rotated, &mut Vec::new()).unwrap().1);
        assert!(read(&[1; 24], &written(63, &Keys::none()), &rotated, &mut Vec::new()).unwrap().1);
    }
}
