//! Snapshots that are cut off, altered at any byte, forged, or of another key: none is read in part.

#[path = "support/forge.rs"]
mod forge;
mod support;

use cloakroom::{Principal, SessionStore, Timeouts};
use cloakroom_persist::{Options, Persistence, snapshot};
use forge::{Session, Snapshot};
use snapshot::{Existing, SnapshotError};
use std::io::Read;
use support::Dir;

/// Snapshots of three sessions: in clear, and sealed.
fn samples() -> Vec<(Vec<u8>, Options)> {
    let store = SessionStore::default();
    store.create_with([("user", "ada"), ("theme", "")]).unwrap();
    store.create().unwrap();
    let timeouts = Timeouts::default().idle(std::time::Duration::from_secs(60)).cookie(None);
    let bound = store.new_session().principal(Principal::new("ada")).timeouts(timeouts);
    bound.create_with([("device", "ärger")]).unwrap();
    let all = [
        Options::new(),
        #[cfg(feature = "encrypt")]
        Options::new().key([1; 32]),
    ];
    let written = all.map(|options| {
        let mut bytes = Vec::new();
        snapshot::write(&store, &mut bytes, &options).unwrap();
        (bytes, options)
    });
    written.into()
}

/// Why a snapshot is refused, by each function that reads one.
fn refused(bytes: &[u8], options: &Options, what: &str) -> SnapshotError {
    let error = snapshot::open(bytes, options).map(|_| ()).expect_err(what);
    let inspected = snapshot::inspect(bytes, options, |_| ()).expect_err(what);
    assert_eq!(format!("{error:?}"), format!("{inspected:?}"), "{what}");
    error
}

fn is_damage(error: &SnapshotError) -> bool {
    use SnapshotError::{Altered, CutOff, NotASnapshot, Version};
    matches!(error, NotASnapshot | Version | CutOff | Altered)
}

#[test]
fn a_snapshot_with_any_byte_altered_is_refused() {
    for (bytes, options) in samples() {
        for at in 0..bytes.len() {
            for mask in [1 << (at % 8), 0xff] {
                let mut altered = bytes.clone();
                altered[at] ^= mask;
                let error = refused(&altered, &options, &format!("byte {at}"));
                assert!(is_damage(&error), "byte {at}: {error:?}");
                // The checksums say it also to those that have no key.
                let keyless = snapshot::inspect(&*altered, &Options::new(), |_| ()).unwrap_err();
                assert!(is_damage(&keyless), "byte {at}: {keyless:?}");
            }
        }
    }
}

#[test]
fn a_snapshot_that_is_cut_off_anywhere_or_goes_on_is_refused() {
    for (bytes, options) in samples() {
        for len in 0..bytes.len() {
            let error = refused(&bytes[..len], &options, &format!("{len} bytes"));
            assert!(matches!(error, SnapshotError::CutOff | SnapshotError::NotASnapshot), "{len} bytes: {error:?}");
            assert_eq!(matches!(error, SnapshotError::NotASnapshot), len < 18);
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(refused(&longer, &options, "one more"), SnapshotError::Altered));
        let twice = [bytes.as_slice(), &bytes].concat();
        assert!(matches!(refused(&twice, &options, "twice"), SnapshotError::Altered));
    }
}

#[test]
fn sessions_that_are_missing_doubled_or_elsewhere_are_noticed() {
    let (bytes, options) = samples().remove(0);
    let snapshot = Snapshot::of(&bytes);
    assert_eq!(snapshot.bytes(), bytes);
    // Where each session's bytes are.
    let mut at = 18 + 2 + 40 + 8;
    let parts = snapshot.sessions.iter().map(|session| {
        let part = at..at + 1 + 4 + 8 + 24 + 8 + session.record.len() + 8;
        at = part.end;
        part
    });
    let parts: Vec<_> = parts.collect();
    let (head, tail) = (&bytes[..parts[0].start], &bytes[at..]);
    let [one, two, three] = [0, 1, 2].map(|number: usize| &bytes[parts[number].clone()]);
    assert_eq!([head, one, two, three, tail].concat(), bytes);
    for order in [&[two, three][..], &[one, three], &[one, two], &[one, one, two, three], &[two, one, three], &[]] {
        let altered = [head, &order.concat(), tail].concat();
        assert!(matches!(refused(&altered, &options, "order"), SnapshotError::Altered));
    }
}

#[test]
fn a_count_that_is_wrong_a_later_version_and_unknown_flags_are_refused() {
    let (bytes, options) = samples().remove(0);
    let snapshot = Snapshot::of(&bytes);
    let refused = |snapshot: Snapshot| refused(&snapshot.bytes(), &options, "forged");
    for count in [0, 2, 4, u64::MAX] {
        assert!(matches!(refused(Snapshot { count, ..snapshot.clone() }), SnapshotError::Altered));
    }
    assert!(matches!(refused(Snapshot { version: 2, ..snapshot.clone() }), SnapshotError::Version));
    assert!(matches!(refused(Snapshot { version: 0, ..snapshot.clone() }), SnapshotError::Altered));
    assert!(matches!(refused(Snapshot { flags: 2, ..snapshot.clone() }), SnapshotError::Altered));
    assert!(matches!(refused(Snapshot { begun: [255; 40], ..snapshot.clone() }), SnapshotError::Altered));
    assert!(matches!(refused(Snapshot { ended: [255; 40], ..snapshot.clone() }), SnapshotError::Altered));
    for record in [vec![], vec![9, 0], vec![1; 10]] {
        let sessions = vec![Session { at: 0, key: [0; 24], record }];
        let forged = Snapshot { sessions, count: 1, ..snapshot.clone() };
        assert!(matches!(refused(forged), SnapshotError::Content));
    }
}

#[test]
fn a_length_that_is_not_there_is_not_allocated() {
    let (bytes, options) = samples().remove(0);
    let head = Snapshot { sessions: vec![], ..Snapshot::of(&bytes) }.bytes()[..68].to_vec();
    for (len, expected) in [(256 << 20, true), ((256 << 20) + 1, false), (u32::MAX, false)] {
        // The head of a session that claims to be that long, with the checksum that belongs to it.
        let mut forged = head.clone();
        forged.push(1);
        forged.extend(u32::to_le_bytes(len));
        forged.extend([0; 32]);
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&forged);
        forged.extend(&digest[..8]);
        let before = peak();
        let error = refused(&forged, &options, "length");
        assert_eq!(matches!(error, SnapshotError::CutOff), expected, "{error:?}");
        assert_eq!(matches!(error, SnapshotError::TooLarge), !expected, "{error:?}");
        // A store takes about 100 KB.
        assert!(peak() < before + (16 << 20), "{} bytes", peak() - before);
    }
}

/// The most bytes that this process had in memory so far.
fn peak() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_snapshot_that_never_ends_is_read_a_session_at_a_time() {
    let (bytes, options) = samples().remove(0);
    let mut seen = 0;
    // The head of a snapshot, and then the same bytes for ever.
    let endless = bytes[..68].chain(std::io::repeat(1));
    let error = snapshot::inspect(endless, &options, |_| seen += 1).unwrap_err();
    assert!(matches!(error, SnapshotError::Altered) && seen == 0);
}

#[cfg(feature = "encrypt")]
mod sealed {
    use super::*;

    fn sample() -> (Vec<u8>, Options) {
        samples().remove(1)
    }

    #[test]
    fn a_sealed_snapshot_opens_with_its_key_or_with_it_as_a_former_key() {
        let (bytes, options) = sample();
        let open = |options: &Options| snapshot::open(&*bytes, options).map(|(store, _)| store.count());
        assert_eq!(open(&options).unwrap(), 3);
        assert_eq!(open(&Options::new().key([2; 32]).former_key([1; 32])).unwrap(), 3);
        assert_eq!(open(&Options::new().former_key([1; 32])).unwrap(), 3);
        for wrong in [Options::new(), Options::new().key([2; 32]), Options::new().former_key([2; 32])] {
            assert!(matches!(open(&wrong), Err(SnapshotError::Key)));
        }
        let summary = snapshot::inspect(&*bytes, &options, |outline| assert!(outline.times.is_some())).unwrap();
        assert_eq!((summary.encrypted, summary.sealed), (3, true));
        // Without the key, only that.
        let keyless = snapshot::inspect(&*bytes, &Options::new(), |outline| {
            assert!(outline.encrypted && outline.times.is_none());
        });
        assert_eq!((keyless.unwrap().encrypted, keyless_sealed(&bytes)), (3, true));
    }

    fn keyless_sealed(bytes: &[u8]) -> bool {
        snapshot::inspect(bytes, &Options::new(), |_| ()).unwrap().sealed
    }

    #[test]
    fn an_attacker_that_computes_the_checksums_is_refused_by_those_that_have_the_key() {
        let (bytes, options) = sample();
        let snapshot = Snapshot::of(&bytes);
        let mut forgeries = Vec::new();
        let mut forge = |change: &dyn Fn(&mut Snapshot)| {
            let mut forged = snapshot.clone();
            change(&mut forged);
            forgeries.push(forged);
        };
        forge(&|forged| _ = (forged.sessions.pop(), forged.count -= 1));
        forge(&|forged| forged.sessions.swap(0, 1));
        forge(&|forged| forged.sessions[1].at += 1);
        forge(&|forged| forged.begun[8] ^= 1);
        forge(&|forged| forged.ended[8] ^= 1);
        forge(&|forged| forged.flags = 0);
        forge(&|forged| forged.seal.clear());
        forge(&|forged| forged.seal[0] = 2);
        // A session in clear among the others.
        let clear = Snapshot::of(&samples()[0].0);
        forge(&|forged| _ = (forged.sessions.push(clear.sessions[0].clone()), forged.count += 1));
        for (number, forged) in forgeries.iter().enumerate() {
            let error = refused(&forged.bytes(), &options, &format!("forgery {number}"));
            assert!(matches!(error, SnapshotError::Key), "forgery {number}: {error:?}");
            // Nobody else can notice.
            assert!(snapshot::inspect(&*forged.bytes(), &Options::new(), |_| ()).is_ok(), "forgery {number}");
        }
    }

    #[test]
    fn a_reader_that_has_a_key_refuses_what_is_not_sealed() {
        let (clear, _) = samples().remove(0);
        for keyed in [Options::new().key([1; 32]), Options::new().former_key([1; 32])] {
            assert!(matches!(refused(&clear, &keyed, "clear"), SnapshotError::Key));
        }
    }
}

#[test]
fn a_snapshot_that_is_refused_changes_no_directory() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let id = sessions.store().create().unwrap();
    sessions.close().unwrap();
    let fresh = Dir::new();
    for (bytes, options) in samples() {
        let cut = (0..bytes.len()).step_by(17).map(|len| bytes[..len].to_vec());
        let altered = (0..bytes.len()).step_by(13).map(|at| {
            let mut altered = bytes.clone();
            altered[at] ^= 4;
            altered
        });
        for refused in cut.chain(altered) {
            for dir in [&dir, &fresh] {
                let error = snapshot::restore(&*refused, dir.path(), &options, Existing::Replace).unwrap_err();
                assert!(is_damage(&error), "{error:?}");
            }
        }
    }
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!((sessions.store().exists(&id), sessions.store().count()), (true, 1));
    assert_eq!(Persistence::open(fresh.path(), Options::new()).unwrap().store().count(), 0);
}
