//! Files that are cut off or altered at any byte: what opens is right, or it is refused.
//!
//! By default a sample of the bytes is altered, one bit of each. With `CLOAKROOM_EVERY_BYTE` it is every bit of every
//! byte, and every length, on all cores; use `--release` for that.

mod support;

use cloakroom::SessionId;
use cloakroom_persist::snapshot::{self, SnapshotError};
use cloakroom_persist::{OpenError, Options, Persistence};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use support::{Dir, three_sessions};

const FILES: [&str; 2] = ["sessions.redb", "witness"];

/// The files of a directory with [three sessions](three_sessions).
struct Sample {
    files: [Vec<u8>; 2],
    live: [SessionId; 2],
    ended: SessionId,
    /// A snapshot of the directory.
    snapshot: Vec<u8>,
}

fn sample(clean: bool) -> Sample {
    let dir = Dir::new();
    let (live, ended) = three_sessions(&dir, clean);
    let files = FILES.map(|file| fs::read(dir.path().join(file)).unwrap());
    let mut snapshot = Vec::new();
    let written = snapshot::write_dir(dir.path(), &mut snapshot, &Options::new()).unwrap();
    assert_eq!((written.sessions, written.clean), (2, clean));
    Sample { files, live, ended, snapshot }
}

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Altered { at: usize, mask: u8 },
    Cut(usize),
}

impl Damage {
    fn done(self, original: &[u8]) -> Vec<u8> {
        match self {
            Self::Cut(len) => original[..len].to_vec(),
            Self::Altered { at, mask } => {
                let mut altered = original.to_vec();
                altered[at] ^= mask;
                altered
            }
        }
    }
}

fn is_refusal(error: &OpenError) -> bool {
    matches!(error, OpenError::Damaged | OpenError::Unreadable | OpenError::Version)
}

/// A directory in which files are damaged, one after another.
struct Place<'a> {
    sample: &'a Sample,
    dir: Dir,
}

impl<'a> Place<'a> {
    fn new(sample: &'a Sample) -> Self {
        let dir = Dir::new();
        // With the modes that they have to have.
        drop(Persistence::open(dir.path(), Options::new()).unwrap());
        Self { sample, dir }
    }

    fn put(&self, file: usize, damage: Damage) {
        for (number, original) in self.sample.files.iter().enumerate() {
            let path = self.dir.path().join(FILES[number]);
            if number == file {
                fs::write(path, damage.done(original)).unwrap();
            } else {
                fs::write(path, original).unwrap();
            }
        }
    }

    /// Reads the directory: every record, the mark and the kind of end have to be right, or all is refused. Returns
    /// whether it is.
    fn is_refused(&self, file: usize, damage: Damage) -> bool {
        self.put(file, damage);
        let mut read = Vec::new();
        match snapshot::write_dir(self.dir.path(), &mut read, &Options::new()) {
            Ok(_) => assert!(read == self.sample.snapshot, "{}, {damage:?}: other sessions", FILES[file]),
            Err(SnapshotError::Directory(error)) if is_refusal(&error) => return true,
            Err(error) => panic!("{}, {damage:?}: {error:?}", FILES[file]),
        }
        false
    }

    /// Opens the directory as a server does.
    fn open(&self, file: usize, damage: Damage, refused: bool) {
        self.put(file, damage);
        let what = format!("{}, {damage:?}", FILES[file]);
        let Sample { live, ended, .. } = self.sample;
        match Persistence::open(self.dir.path(), Options::new()) {
            Ok(sessions) => {
                assert!(!refused, "{what}");
                assert!(!sessions.store().exists(ended), "{what}: a session that has ended came back");
                for id in live {
                    assert_eq!(sessions.store().get(id, "user").as_deref(), Some("ada"), "{what}");
                }
                assert_eq!(sessions.store().count(), 2, "{what}");
            }
            Err(error) if is_refusal(&error) => assert!(refused, "{what}"),
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
}

fn is_thorough() -> bool {
    std::env::var_os("CLOAKROOM_EVERY_BYTE").is_some()
}

/// Every byte or length, or the first ones and a sample.
fn places(len: usize) -> Vec<usize> {
    if is_thorough() {
        return (0..len).collect();
    }
    let head = 0..len.min(400);
    head.clone().step_by(5).chain((head.end..len).step_by((len / 60).max(1) | 1)).collect()
}

/// Silences the panics by which the database reports some damage.
fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.location().is_some_and(|place| place.file().contains("every_byte.rs")) {
            eprintln!("{info}");
        }
    }));
    let result = f();
    std::panic::set_hook(hook);
    result
}

/// Does each of these damages to a file, on all cores, and tells how many were refused. One of each byte is opened as a
/// server does too.
fn each(sample: &Sample, file: usize, damages: &[Damage], what: &str) {
    let (begun, next, refused) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let place = Place::new(sample);
                while let Some(damage) = damages.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let is_refused = place.is_refused(file, damage);
                    refused.fetch_add(usize::from(is_refused), Ordering::Relaxed);
                    if !matches!(damage, Damage::Altered { at, mask } if mask != 1 << (at % 8)) {
                        place.open(file, damage, is_refused);
                    }
                }
            });
        }
    });
    let (refused, all) = (refused.into_inner(), damages.len());
    assert!(refused > 0 && all > 3, "{what}: {refused} of {all}");
    println!("{}, {what}: {all} cases, {refused} refused, {:.1?}", FILES[file], begun.elapsed());
}

#[test]
fn a_file_with_any_byte_altered_is_read_right_or_refused() {
    quietly(|| {
        for clean in [true, false] {
            let sample = sample(clean);
            for (file, original) in sample.files.iter().enumerate() {
                let bits = |at: usize| if is_thorough() { 0..8 } else { at % 8..at % 8 + 1 };
                let places = places(original.len()).into_iter();
                let damages: Vec<_> =
                    places.flat_map(|at| bits(at).map(move |bit| Damage::Altered { at, mask: 1 << bit })).collect();
                each(&sample, file, &damages, &format!("altered, clean: {clean}"));
            }
        }
    });
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused_or_read_right() {
    quietly(|| {
        for clean in [true, false] {
            let sample = sample(clean);
            for (file, original) in sample.files.iter().enumerate() {
                let damages: Vec<_> = places(original.len()).into_iter().map(Damage::Cut).collect();
                each(&sample, file, &damages, &format!("cut off, clean: {clean}"));
            }
        }
    });
}
