//! A snapshot is read as it was written, or refused: arbitrary bytes, arbitrary sessions with checksums that are right,
//! and snapshots of stores, whole, with one byte altered, and cut off; in clear and encrypted.
//!
//! A case is read from its first byte to its last. The first one chooses: `0` bytes of a snapshot, `1` sessions, `2` a
//! store. See [`bytes`], [`forged`] and [`stored`].

#![no_main]

#[path = "../../persist/tests/support/forge.rs"]
mod forge;
#[path = "../support/records.rs"]
mod records;

use arbitrary::{Result, Unstructured};
use cloakroom::{Audience, Carried, ManualClock, Principal, SessionId, SessionStore, SessionStoreBuilder};
use cloakroom_persist::snapshot::{self, SnapshotError};
use cloakroom_persist::{Options, Wall};
use forge::{Session, Snapshot};
use libfuzzer_sys::fuzz_target;
use records::Form;
use std::sync::Arc;
use std::time::Duration;

/// A wall clock that stands still.
#[derive(Debug)]
struct Still;

impl Wall for Still {
    fn now(&self) -> Duration {
        Duration::from_secs(1_000_000_000)
    }
}

const WALL: u64 = 1_000_000_000_000;
const KEY: [u8; 32] = [7; 32];
const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

fn builder() -> SessionStoreBuilder {
    SessionStore::builder().shards(1).clock(ManualClock::new()).max_sessions_per_principal(2)
}

fn options(key: bool) -> Options {
    let options = Options::new().store(builder()).wall(Still);
    if key { options.key(KEY) } else { options }
}

/// What becomes of a snapshot: how many sessions were in it, if it was read.
fn open(bytes: &[u8], key: bool) -> std::result::Result<(Arc<SessionStore>, u64), SnapshotError> {
    let inspected = snapshot::inspect(bytes, &options(key), |_| ());
    let opened = snapshot::open(bytes, &options(key));
    match (&opened, &inspected) {
        (Ok((store, restored)), Ok(summary)) => {
            assert_eq!(store.count() as u64, restored.sessions);
            assert_eq!(summary.sessions, restored.sessions + restored.expired + restored.refused);
        }
        // Content is looked at by those that make a store, and so are records that are encrypted.
        (Err(SnapshotError::Content | SnapshotError::Key), _) => {}
        (Err(error), Err(other)) => assert_eq!(format!("{error:?}"), format!("{other:?}")),
        (opened, inspected) => panic!("{:?}, {inspected:?}", opened.as_ref().map(|(store, _)| store)),
    }
    opened.map(|(store, restored)| (store, restored.sessions + restored.expired + restored.refused))
}

/// The rest are the bytes of a snapshot, with or without its first 18.
fn bytes(u: &mut Unstructured<'_>) -> Result<()> {
    let rest = u.bytes(u.len())?;
    for bytes in [rest.to_vec(), [forge::MAGIC, rest].concat()] {
        for key in [false, true] {
            // What is intact looks so to others too.
            if open(&bytes, key).is_ok() {
                assert_eq!(Snapshot::of(&bytes).bytes(), bytes);
            }
        }
    }
    Ok(())
}

/// A mark: of the present, or any.
fn mark(u: &mut Unstructured<'_>) -> Result<[u8; 40]> {
    if u.arbitrary::<u8>()? >= 64 {
        let mut mark = [0; 40];
        mark[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        mark[8..16].copy_from_slice(&(WALL - records::number(u)? % 100_000).to_le_bytes());
        return Ok(mark);
    }
    u.arbitrary()
}

/// Bytes for the version, the flags, both marks and the seal, then sessions: when each was read, a byte for its key,
/// and its record.
fn forged(u: &mut Unstructured<'_>) -> Result<()> {
    let version = Some(u.arbitrary::<u8>()?).filter(|version| *version >= 250).unwrap_or(1);
    let flags = u.arbitrary::<u8>()?;
    let flags = if flags < 250 { flags & 1 } else { flags };
    let (begun, ended) = (mark(u)?, mark(u)?);
    let len = usize::from(u.arbitrary::<u8>()? % 64).min(u.len());
    let seal = u.bytes(len)?.to_vec();
    let wrong = u64::from(u.arbitrary::<u8>()? == 0);
    let mut sessions = Vec::new();
    while !u.is_empty() && sessions.len() < 64 {
        let (at, key) = (records::number(u)?, [u.arbitrary()?; 24]);
        sessions.push(Session { at, key, record: records::record(u)? });
    }
    let count = sessions.len() as u64 + wrong;
    let snapshot = Snapshot { version, flags, begun, sessions, count, ended, seal };
    let bytes = snapshot.bytes();
    assert_eq!(Snapshot::of(&bytes), snapshot);

    let is_mark = |mark: &[u8; 40]| mark[7] < 128;
    let intact = version == 1 && flags <= 1 && wrong == 0 && is_mark(&begun) && is_mark(&ended);
    let form = records::forms(snapshot.sessions.iter().map(|session| &session.record));
    match open(&bytes, false) {
        Ok((_, sessions)) => assert!(intact && form != Form::None && sessions == count),
        Err(SnapshotError::Content | SnapshotError::Key) => assert_ne!(form, Form::Whole),
        Err(SnapshotError::Altered | SnapshotError::Version) => assert!(!intact),
        Err(other) => panic!("{other:?}"),
    }
    // Nobody can forge a seal.
    assert!(open(&bytes, true).is_err());
    Ok(())
}

/// A byte for the key and one for the place of the damage, then sessions: what belongs to them, and attributes.
fn stored(u: &mut Unstructured<'_>) -> Result<()> {
    let (key, place, bit) = (u.arbitrary::<u8>()? % 2 == 1, u.arbitrary::<u32>()? as usize, u.arbitrary::<u8>()? % 8);
    let store = builder().build().expect("the settings are right");
    let mut ids = Vec::new();
    while !u.is_empty() && ids.len() < 16 {
        let id = SessionId::from_bytes([ids.len() as u8; 32]);
        let mut carried = Carried::default();
        let flags = u.arbitrary::<u8>()?;
        let seconds = |u: &mut Unstructured<'_>| Ok(Duration::from_secs(u64::from(u.arbitrary::<u16>()?) + 10_000));
        carried.idle_timeout = (flags & 1 != 0).then(|| seconds(u)).transpose()?;
        carried.ends_in = (flags & 2 != 0).then(|| seconds(u)).transpose()?;
        carried.principal = (flags & 4 != 0).then(|| Principal::new(if flags & 64 == 0 { "ada" } else { "eve" }));
        carried.audience = (flags & 8 != 0).then(|| Audience::new("site"));
        carried.cookie_life = (flags & 16 != 0).then(|| seconds(u)).transpose()?;
        (carried.version, carried.serial) = (u.arbitrary()?, u.arbitrary()?);
        let mut attributes = Vec::new();
        for number in 0..u.int_in_range(0..=4)? {
            let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
            attributes.push((number.to_string(), String::from_utf8_lossy(u.bytes(len)?).into_owned()));
        }
        if store.import_with(&id, &carried, attributes).is_ok() {
            ids.push(id);
        }
    }
    let mut bytes = Vec::new();
    let written = snapshot::write(&store, &mut bytes, &options(key)).expect("memory does not fail");
    assert_eq!(written.sessions as usize, ids.len());

    let (opened, sessions) = open(&bytes, key).expect("it is intact");
    assert_eq!((sessions as usize, opened.count()), (ids.len(), ids.len()));
    for id in &ids {
        let of = |store: &SessionStore| {
            let shown = store.export(id, |session, carried| {
                let attributes: Vec<_> = session.content().iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                (attributes, carried.clone())
            });
            shown.expect("it is live")
        };
        let ((attributes, mut carried), (others, mut other)) = (of(&store), of(&opened));
        assert_eq!(attributes, others);
        let left = [&mut carried, &mut other].map(|carried| {
            carried.idle_for = Duration::ZERO;
            carried.ends_in.take()
        });
        assert_eq!(carried, other);
        match left {
            // Some real time is between the two, and milliseconds are rounded up.
            [Some(one), Some(other)] => assert!(other <= one + MILLISECOND && one <= other + MINUTE),
            left => assert_eq!(left, [None, None]),
        }
    }
    if key {
        // A record that is altered is not opened, even if the checksums are right.
        let mut forged = Snapshot::of(&bytes);
        if let Some(session) = forged.sessions.first_mut() {
            let at = place % session.record.len();
            session.record[at] ^= 1 << bit;
            assert!(matches!(open(&forged.bytes(), true), Err(SnapshotError::Key | SnapshotError::Content)));
        }
    }
    let at = place % bytes.len();
    assert!(open(&bytes[..at], key).is_err());
    bytes[at] ^= 1 << bit;
    assert!(
        snapshot::open(&*bytes, &options(key)).is_err() && snapshot::inspect(&*bytes, &options(key), |_| ()).is_err()
    );
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let _ = u.arbitrary::<u8>().and_then(|kind| match kind % 3 {
        0 => bytes(&mut u),
        1 => forged(&mut u),
        _ => stored(&mut u),
    });
});
