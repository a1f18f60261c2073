//! A directory is opened with all of its sessions, or refused, whatever is in its witness, its state and its records;
//! the pages of the database itself are intact. Snapshots of it and outlines of its sessions agree.
//!
//! A case is read from its first byte to its last: the witness, the state, and then sessions, of which each has a byte
//! for its key. See [`witness`], [`state`] and `fuzz/support/records.rs`.

#![no_main]

#[path = "../support/records.rs"]
mod records;

use arbitrary::{Result, Unstructured};
use cloakroom::{ManualClock, SessionStore};
use cloakroom_persist::snapshot::{self, SnapshotError};
use cloakroom_persist::{OpenError, Options, Persistence, Wall};
use libfuzzer_sys::fuzz_target;
use records::Form;
use redb::{Database, TableDefinition};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SESSIONS: TableDefinition<'_, &[u8; 24], &[u8]> = TableDefinition::new("sessions");
const STATE: TableDefinition<'_, (), &[u8]> = TableDefinition::new("state");

/// A wall clock that stands still.
#[derive(Debug)]
struct Still;

impl Wall for Still {
    fn now(&self) -> Duration {
        Duration::from_secs(1_000_000_000)
    }
}

fn options() -> Options {
    Options::new().store(SessionStore::builder().shards(1).clock(ManualClock::new())).wall(Still)
}

/// The number of the last commit behind its checksum; the same with another byte; any bytes; or no file. With the
/// number that it says, if it says one.
fn witness(u: &mut Unstructured<'_>) -> Result<Option<(Vec<u8>, Option<u64>)>> {
    let kind = u.arbitrary::<u8>()?;
    if kind < 16 {
        return Ok(None);
    }
    if kind < 64 {
        let len = usize::from(u.arbitrary::<u8>()? % 20).min(u.len());
        return Ok(Some((u.bytes(len)?.to_vec(), None)));
    }
    let number = if kind < 192 { u64::from(kind % 4) } else { records::number(u)? };
    let mut bytes = number.to_le_bytes().to_vec();
    let digest = Sha256::digest([b"cloakroom witness".as_slice(), &bytes].concat());
    bytes.extend(&digest[..8]);
    if kind % 16 == 15 {
        bytes[usize::from(u.arbitrary::<u8>()? % 16)] ^= 1 << (u.arbitrary::<u8>()? % 8);
        return Ok(Some((bytes, None)));
    }
    Ok(Some((bytes, Some(number))))
}

/// The format, the number of the last commit, whether the end was orderly, and the mark; any bytes; or none.
fn state(u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    let kind = u.arbitrary::<u8>()?;
    if kind < 16 {
        return Ok(None);
    }
    if kind < 48 {
        let len = usize::from(u.arbitrary::<u8>()? % 64).min(u.len());
        return Ok(Some(u.bytes(len)?.to_vec()));
    }
    let mut state = vec![if kind < 56 { u.arbitrary()? } else { 1 }];
    let commits = if kind < 96 { records::number(u)? } else { u64::from(kind % 4) };
    state.extend(commits.to_le_bytes());
    state.push(u.arbitrary()?);
    let at = if kind < 128 { records::number(u)? } else { 1 << 40 };
    state.extend(at.to_le_bytes());
    state.extend((1_000_000_000_000 - records::number(u)? % 100_000).to_le_bytes());
    state.extend([0; 24]);
    Ok(Some(state))
}

/// What has to become of the directory.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Opens(u64),
    /// It opens if the sessions whose attributes cannot be read have expired, and is unreadable otherwise.
    Either(u64),
    Damaged,
    Version,
    Unreadable,
}

fn fate(
    witness: Option<&(Vec<u8>, Option<u64>)>,
    state: Option<&Vec<u8>>,
    records: &BTreeMap<[u8; 24], Vec<u8>>,
) -> Fate {
    let Some((_, Some(least))) = witness else { return Fate::Damaged };
    let number = |at: usize| state.map_or(0, |state| u64::from_le_bytes(state[at..at + 8].try_into().unwrap()));
    match state.map(|state| (state.first(), state.len())) {
        Some((Some(2..), _)) => return Fate::Version,
        None | Some((Some(1), 50)) => {}
        Some(_) => return Fate::Damaged,
    }
    let commits = if state.is_some() { number(1) } else { 0 };
    if commits > u64::MAX / 2 || state.is_some() && number(10) > u64::MAX / 2 || commits < *least {
        return Fate::Damaged;
    }
    match records::forms(records.values()) {
        Form::None => Fate::Unreadable,
        Form::Content => Fate::Either(records.len() as u64),
        Form::Whole => Fate::Opens(records.len() as u64),
    }
}

/// One directory for all cases, in memory where that is possible.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    parent.join(format!("cloakroom-fuzz-{}", std::process::id()))
}

fn make(dir: &Path, witness: Option<&[u8]>, state: Option<&[u8]>, records: &BTreeMap<[u8; 24], Vec<u8>>) {
    let _ = fs::remove_dir_all(dir);
    fs::DirBuilder::new().mode(0o700).create(dir).unwrap();
    let database = Database::create(dir.join("sessions.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(SESSIONS).unwrap();
        records.iter().for_each(|(key, record)| drop(table.insert(key, record.as_slice()).unwrap()));
        if let Some(state) = state {
            write.open_table(STATE).unwrap().insert((), state).unwrap();
        }
    }
    write.commit().unwrap();
    drop(database);
    if let Some(witness) = witness {
        fs::write(dir.join("witness"), witness).unwrap();
    }
    for entry in fs::read_dir(dir).unwrap() {
        fs::set_permissions(entry.unwrap().path(), PermissionsExt::from_mode(0o600)).unwrap();
    }
}

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let (witness, state) = (witness(u)?, state(u)?);
    let mut records = BTreeMap::new();
    while !u.is_empty() && records.len() < 64 {
        let key = [u.arbitrary::<u8>()?; 24];
        records.insert(key, records::record(u)?);
    }
    let dir = place();
    make(&dir, witness.as_ref().map(|(bytes, _)| &**bytes), state.as_deref(), &records);
    let expected = fate(witness.as_ref(), state.as_ref(), &records);

    // What only reads, first.
    let mut bytes = Vec::new();
    match snapshot::write_dir(&dir, &mut bytes, &options()) {
        Ok(summary) => {
            assert_eq!(summary.sessions, records.len() as u64);
            assert_eq!(snapshot::inspect(&*bytes, &options(), |_| ()).map(|of| of.sessions).unwrap(), summary.sessions);
            let opened = snapshot::open(&*bytes, &options());
            match expected {
                Fate::Opens(_) => assert!(opened.is_ok()),
                Fate::Either(_) => assert!(matches!(opened, Ok(_) | Err(SnapshotError::Content))),
                // Encrypted records are copied without a key, and not opened.
                Fate::Unreadable => assert!(matches!(opened, Err(SnapshotError::Key | SnapshotError::Content))),
                Fate::Damaged | Fate::Version => panic!("{expected:?}"),
            }
        }
        Err(SnapshotError::Content) => assert_eq!(expected, Fate::Unreadable),
        Err(SnapshotError::Directory(OpenError::Damaged)) => assert_eq!(expected, Fate::Damaged),
        Err(SnapshotError::Directory(OpenError::Version)) => assert_eq!(expected, Fate::Version),
        Err(other) => panic!("{other:?}"),
    }
    let found = match Persistence::open(&dir, options()) {
        Ok(sessions) => {
            let restored = sessions.restored();
            assert_eq!(sessions.store().count() as u64, restored.sessions);
            sessions.close().expect("the disk works");
            // And again: what was written is right.
            let again = Persistence::open(&dir, options()).expect("it was closed in order");
            let again = again.restored();
            assert!(again.clean && again.sessions + again.expired == restored.sessions);
            Fate::Opens(restored.sessions + restored.expired + restored.refused)
        }
        Err(OpenError::Damaged) => Fate::Damaged,
        Err(OpenError::Version) => Fate::Version,
        Err(OpenError::Unreadable) => Fate::Unreadable,
        Err(other) => panic!("{other:?}"),
    };
    match (&found, &expected) {
        (Fate::Unreadable, Fate::Either(_)) => {}
        (Fate::Opens(sessions), Fate::Either(all)) => assert_eq!(sessions, all),
        _ => assert_eq!(found, expected),
    }
    let _ = fs::remove_dir_all(&dir);
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = check(&mut Unstructured::new(data));
});
