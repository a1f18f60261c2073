//! A session's record in the engine, which the scripts write and this crate reads.
//!
//! ```text
//! | 1 | flags | version (4) | absolute deadline (8) | idle timeout (8) | created (8) | lifetime of the cookie (8) |
//! | generation (8) | audience (16) | SHA-256 of the principal (32) | principal (32) | content |
//! ```
//!
//! Numbers are little-endian. Those of 8 bytes are floating-point numbers, as Lua has them, and hold integers below
//! 2^53: milliseconds of the engine's clock or of a span. 0 is no deadline, and no lifetime. Flag 1: bound to the
//! principal. An audience of zeros is none.

use crate::names::Hash;
use cloakroom::{Audience, Principal};
use core::time::Duration;

/// The longest span in milliseconds, a hundred years.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60 * 1_000;

/// A span as the scripts take it: at least 1, because 0 means that there is none.
pub(crate) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) version: u32,
    /// Milliseconds of the engine's clock.
    pub(crate) deadline: Option<u64>,
    pub(crate) idle: u64,
    pub(crate) cookie: Option<Duration>,
    pub(crate) audience: Option<Audience>,
    /// The principal, and its generation when the session was bound.
    pub(crate) owner: Option<Owner>,
    pub(crate) content: &'a [u8],
}

/// To whom a session belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) hash: Hash,
    pub(crate) principal: Principal,
    pub(crate) generation: u64,
}

/// The generation of a principal, as its key holds it.
pub(crate) fn generation(value: &[u8]) -> Option<u64> {
    let digits = value.split(|byte| *byte == b'|').next()?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let number = f64::from_le_bytes(take(bytes)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    (number.fract() == 0.0 && (0.0..9.0e15).contains(&number)).then_some(number as u64)
}

impl<'a> Record<'a> {
    /// `None` if the bytes are not a record.
    pub(crate) fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let [format, flags] = take(&mut bytes)?;
        if format != 1 || flags > 1 {
            return None;
        }
        let version = u32::from_le_bytes(take(&mut bytes)?);
        let [deadline, idle, _created, cookie, generation] = {
            let mut numbers = [0; 5];
            for place in &mut numbers {
                *place = number(&mut bytes)?;
            }
            numbers
        };
        let audience = Audience::from_bytes(take(&mut bytes)?);
        let (hash, principal) = (take(&mut bytes)?, Principal::from_bytes(take(&mut bytes)?));
        Some(Self {
            version,
            deadline: (deadline > 0).then_some(deadline),
            idle,
            cookie: (cookie > 0).then(|| Duration::from_millis(cookie)),
            audience,
            owner: (flags == 1).then_some(Owner { hash, principal, generation }),
            content: bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bound: bool) -> Vec<u8> {
        let mut record = vec![1, u8::from(bound)];
        record.extend_from_slice(&7_u32.to_le_bytes());
        for number in [5_000.0, 60_000.0, 1_000.0, 9_000.0, 3.0_f64] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.extend_from_slice(&Audience::new("site").to_bytes());
        record.extend_from_slice(&[4; 32]);
        record.extend_from_slice(&Principal::new("ada").to_bytes());
        record.extend_from_slice(b"content");
        record
    }

    #[test]
    fn every_part_is_read() {
        let bytes = written(true);
        let record = Record::read(&bytes).unwrap();
        assert_eq!((record.version, record.deadline, record.idle), (7, Some(5_000), 60_000));
        assert_eq!((record.cookie, record.audience), (Some(Duration::from_secs(9)), Some(Audience::new("site"))));
        let owner = Owner { hash: [4; 32], principal: Principal::new("ada"), generation: 3 };
        assert_eq!((record.owner, record.content), (Some(owner), b"content".as_slice()));
        assert_eq!(Record::read(&written(false)).unwrap().owner, None);
    }

    #[test]
    fn what_is_cut_off_or_of_another_format_is_refused() {
        let bytes = written(true);
        let header = bytes.len() - b"content".len();
        assert_eq!(header, 126, "the scripts know where the content begins");
        for len in 0..header {
            assert_eq!(Record::read(&bytes[..len]), None, "{len}");
        }
        assert_eq!(Record::read(&[&[2], &bytes[1..]].concat()), None);
        assert_eq!(Record::read(&[&[1, 2], &bytes[2..]].concat()), None);
        let nan = [&bytes[..6], &f64::NAN.to_le_bytes(), &bytes[14..]].concat();
        assert_eq!(Record::read(&nan), None);
    }

    #[test]
    fn a_generation_comes_before_the_name_of_its_operation() {
        assert_eq!([generation(b"12|"), generation(b"12|x|y"), generation(b"|x")], [Some(12), Some(12), None]);
    }

    #[test]
    fn spans_are_never_zero_and_never_too_long_for_the_scripts() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_secs(60)), 60_000);
        assert!(milliseconds(Duration::MAX) * 9 / 8 * 16 < 1 << 53);
    }
}
