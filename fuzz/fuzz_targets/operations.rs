//! Any sequence of operations returns what it returns on a plain map. One shard, and sessions that come and go by the
//! dozen, so that it grows, is purged and shrinks all the time.
//!
//! A case is read from its first byte to its last, so seeds are written by hand: a byte each for the TTL (with the
//! absolute timeout and `max_attributes`), `max_sessions` and `max_session_bytes`, then the operations, each a byte and
//! what it takes. See [`operations`] and what it calls.

#![no_main]

#[path = "../../verify/support/model/mod.rs"]
mod model;
#[path = "../../verify/support/subject.rs"]
mod subject;

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use model::{NOTES, Operation, Settings, Step, Subject, Timeouts};

/// So many operations at most: a case should take milliseconds.
const MOST: usize = 1_000;

#[derive(Debug)]
struct Case {
    settings: Settings,
    operations: Vec<Operation>,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let settings = settings(u)?;
        let mut all = Vec::new();
        while !u.is_empty() && all.len() < MOST {
            operations(u, &mut all)?;
        }
        Ok(Self { settings, operations: all })
    }
}

fn settings(u: &mut Unstructured<'_>) -> Result<Settings> {
    const TTLS: [Duration; 4] = [Duration::ZERO, Duration::from_micros(2_500), Duration::from_millis(9), Duration::MAX];
    const ABSOLUTE: [Option<Duration>; 3] = [None, Some(Duration::from_micros(4_500)), Some(Duration::from_millis(30))];
    const MOST_ATTRIBUTES: [usize; 5] = [0, 1, 2, 3, 5];
    let which = usize::from(u.arbitrary::<u8>()?);
    let (ttl, absolute_timeout) = (TTLS[which % TTLS.len()], ABSOLUTE[which / TTLS.len() % ABSOLUTE.len()]);
    let max_sessions = *u.choose(&[0, 0, 1, 3, 13, 48, 200])?;
    let max_session_bytes = *u.choose(&[0, 7, 20, 135, 65_536])?;
    Ok(Settings {
        ttl,
        absolute_timeout,
        max_sessions,
        max_sessions_per_principal: 2,
        idlest_makes_room: which / (TTLS.len() * ABSOLUTE.len()) % 2 == 1,
        max_session_bytes,
        max_attributes: MOST_ATTRIBUTES[which / (2 * TTLS.len() * ABSOLUTE.len()) % MOST_ATTRIBUTES.len()],
        shards: 1,
    })
}

/// Reads one byte that says which, and what the operation takes. 14 and 15 stand for many; from 16 on there are those
/// of [`later`], from 224 on those of [`bound`], and from 248 on those of [`latest`].
fn operations(u: &mut Unstructured<'_>, all: &mut Vec<Operation>) -> Result<()> {
    let which = u.arbitrary::<u8>()?;
    if which >= 224 {
        all.push(if which >= 248 { latest(u, which)? } else { bound(u, which)? });
        return Ok(());
    }
    let operation = match which % 32 {
        0 => Operation::Create,
        1 => Operation::CreateWith((0..u.int_in_range(0..=3)?).map(|_| pair(u)).collect::<Result<_>>()?),
        2 | 3 => {
            let (subject, (key, value)) = (subject(u)?, pair(u)?);
            Operation::Set(subject, key, value)
        }
        4 | 5 => Operation::Get(subject(u)?, key(u)?),
        6 => Operation::Read(subject(u)?),
        7 => Operation::Exists(subject(u)?),
        8 | 9 => Operation::Delete(subject(u)?),
        10 => Operation::Count,
        11 => Operation::EvictExpired,
        12 => flush(all),
        13 => Operation::Advance(Duration::from_micros(u64::from(u.arbitrary::<u8>()?) * 50)),
        14 => return many(u, all, |_| Operation::Create),
        15 => return many(u, all, |back| Operation::Delete(Subject::Created(back))),
        which => later(u, which)?,
    };
    all.push(operation);
    Ok(())
}

fn later(u: &mut Unstructured<'_>, which: u8) -> Result<Operation> {
    Ok(match which {
        16 => Operation::Remove(subject(u)?, key(u)?),
        17 => Operation::Take(subject(u)?, key(u)?),
        18 => Operation::Clear(subject(u)?),
        19 => Operation::Increment(subject(u)?, key(u)?, *u.choose(&[1, -1, 0, 10, i64::MAX, i64::MIN])?),
        20 => Operation::Update(subject(u)?, (0..u.int_in_range(0..=3)?).map(|_| step(u)).collect::<Result<_>>()?),
        21 => {
            let (place, subject, (key, value)) = (place(u)?, subject(u)?, pair(u)?);
            Operation::SetIf(place, subject, key, value)
        }
        22 => Operation::Note(place(u)?, subject(u)?),
        23 => Operation::Snapshot(place(u)?, subject(u)?),
        24 => Operation::SetEach(subject(u)?, (0..u.int_in_range(0..=3)?).map(|_| pair(u)).collect::<Result<_>>()?),
        25 => Operation::SetTimeouts(subject(u)?, timeouts(u)?),
        26 => Operation::CreateFor(timeouts(u)?, vec![pair(u)?]),
        27 => Operation::ExpiresIn(subject(u)?),
        28 => Operation::Lookup(subject(u)?),
        29 => Operation::Rotate(subject(u)?, Duration::ZERO),
        30 => Operation::Rotate(subject(u)?, timeout(u)?.unwrap_or_default()),
        _ => match u.arbitrary::<bool>()? {
            true => Operation::Touch(subject(u)?),
            false => Operation::Contains(subject(u)?, key(u)?),
        },
    })
}

/// Of three principals.
fn bound(u: &mut Unstructured<'_>, which: u8) -> Result<Operation> {
    let principal = u.arbitrary::<u8>()? % 3;
    Ok(match which % 9 {
        0 | 1 => Operation::CreateBound(principal, vec![pair(u)?]),
        2 => Operation::Bind(subject(u)?, principal),
        3 => Operation::Login(subject(u)?, principal),
        4 => Operation::SessionsOf(principal),
        5 => Operation::EndSessionsOf(principal),
        6 => Operation::EndOthersOf(principal, subject(u)?),
        7 => Operation::Unbind(subject(u)?, key(u)?),
        _ => Operation::DeleteWhere(key(u)?),
    })
}

fn latest(u: &mut Unstructured<'_>, which: u8) -> Result<Operation> {
    Ok(match which % 8 {
        0 | 1 => Operation::ForEach,
        2 | 3 => Operation::EvictInPieces,
        4 => Operation::DeleteWhere(key(u)?),
        _ => {
            let (place, subject) = (place(u)?, subject(u)?);
            Operation::UpdateIf(place, subject, (0..u.int_in_range(0..=3)?).map(|_| step(u)).collect::<Result<_>>()?)
        }
    })
}

fn place(u: &mut Unstructured<'_>) -> Result<usize> {
    u.int_in_range(0..=NOTES - 1)
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u.arbitrary::<u8>()? % 8 {
        0..4 => {
            let (key, value) = pair(u)?;
            Step::Set(key, value)
        }
        4..6 => Step::Remove(key(u)?),
        6 => Step::Clear,
        _ => Step::Abandon,
    })
}

fn timeouts(u: &mut Unstructured<'_>) -> Result<Timeouts> {
    Ok(Timeouts { idle: timeout(u)?, absolute: timeout(u)? })
}

/// None, for ever, or up to 25 milliseconds.
fn timeout(u: &mut Unstructured<'_>) -> Result<Option<Duration>> {
    Ok(match u.arbitrary::<u8>()? {
        255 => None,
        254 => Some(Duration::MAX),
        byte => Some(Duration::from_micros(u64::from(byte) * 100)),
    })
}

/// Only one for each case: it takes as long as hundreds of others.
fn flush(all: &[Operation]) -> Operation {
    if all.contains(&Operation::Flush) { Operation::Count } else { Operation::Flush }
}

fn many(u: &mut Unstructured<'_>, all: &mut Vec<Operation>, operation: impl Fn(usize) -> Operation) -> Result<()> {
    let number = usize::from(u.arbitrary::<u8>()?);
    all.extend((0..number).map(operation).take(MOST - all.len()));
    Ok(())
}

fn subject(u: &mut Unstructured<'_>) -> Result<Subject> {
    Ok(match u.arbitrary()? {
        byte @ 250.. => Subject::Unknown(byte),
        back => Subject::Created(usize::from(back)),
    })
}

fn pair(u: &mut Unstructured<'_>) -> Result<(String, String)> {
    Ok((key(u)?, value(u)?))
}

/// Few different keys, so that they meet.
fn key(u: &mut Unstructured<'_>) -> Result<String> {
    let key = u.choose(&["a", "b", "c", ""])?;
    Ok((*key).to_owned())
}

/// Some of them numbers.
fn value(u: &mut Unstructured<'_>) -> Result<String> {
    let byte = u.arbitrary::<u8>()?;
    if byte >= 248 {
        return Ok((byte - 248).to_string());
    }
    Ok("é".repeat(usize::from(byte / 4)) + &"x".repeat(usize::from(byte % 4)))
}

fuzz_target!(|case: Case| subject::assert_agreement(case.settings, &case.operations));
