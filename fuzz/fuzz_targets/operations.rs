//! Any sequence of operations returns what it returns on a plain map. One shard, and sessions that come and go by the dozen, so that
//! it grows, is purged and shrinks all the time.
//!
//! A case is read from its first byte to its last, so seeds are written by hand: a byte each for the TTL, `max_sessions` and
//! `max_session_bytes`, then the operations, each a byte and what it takes. See [`operations`] and what it calls.

#![no_main]

#[path = "../../tests/support/model.rs"]
mod model;
#[path = "../../tests/support/subject.rs"]
mod subject;

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use model::{Operation, Settings, Subject};

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
    let ttl = *u.choose(&[Duration::ZERO, Duration::from_micros(2_500), Duration::from_millis(9), Duration::MAX])?;
    let max_sessions = *u.choose(&[0, 0, 1, 3, 13, 48, 200])?;
    let max_session_bytes = *u.choose(&[0, 7, 20, 135, 65_536])?;
    Ok(Settings { ttl, max_sessions, max_session_bytes, shards: 1 })
}

/// Reads one byte that says which, and what the operation takes. `O` and `P` stand for many.
fn operations(u: &mut Unstructured<'_>, all: &mut Vec<Operation>) -> Result<()> {
    let operation = match u.arbitrary::<u8>()? % 16 {
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
        _ => return many(u, all, |back| Operation::Delete(Subject::Created(back))),
    };
    all.push(operation);
    Ok(())
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

fn value(u: &mut Unstructured<'_>) -> Result<String> {
    let byte = u.arbitrary::<u8>()?;
    Ok("é".repeat(usize::from(byte / 4)) + &"x".repeat(usize::from(byte % 4)))
}

fuzz_target!(|case: Case| subject::assert_agreement(case.settings, &case.operations));
