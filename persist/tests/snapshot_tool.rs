//! The example `snapshot`: what it tells, and that it tells no secret.

mod support;
#[path = "../examples/snapshot.rs"]
#[expect(dead_code, reason = "the test calls `run` in place of `main`")]
mod tool;

use cloakroom::{Audience, Principal, SessionId, Timeouts};
use cloakroom_persist::{Options, Persistence};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::Dir;

/// A closed directory, and every secret in it.
struct Sample {
    dir: Dir,
    id: SessionId,
    secrets: Vec<Vec<u8>>,
}

fn sample(options: Options) -> Sample {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), options).unwrap();
    let (principal, audience) = (Principal::new("lovelace"), Audience::new("backoffice"));
    let timeouts = Timeouts::default().idle(Duration::from_secs(7_000)).absolute(Duration::from_secs(90_000));
    let builder = sessions.store().new_session().principal(principal).audience(audience).timeouts(timeouts);
    let bound = builder.create_with([("favourite", "difference-engine"), ("csrf", "t0ken-of-ada")]).unwrap();
    let plain = sessions.store().create_with([("cart", "seven-teapots")]).unwrap();
    sessions.close().unwrap();
    let mut secrets: Vec<Vec<u8>> =
        ["lovelace", "backoffice", "favourite", "difference-engine", "csrf", "t0ken-of-ada"]
            .iter()
            .chain(&["cart", "seven-teapots"])
            .map(|text| text.as_bytes().to_vec())
            .collect();
    for id in [bound, plain] {
        secrets.extend([id.as_bytes().to_vec(), Sha256::digest(id.as_bytes()).to_vec()]);
    }
    secrets.extend([principal.to_bytes().to_vec(), audience.to_bytes().to_vec(), vec![7; 32]]);
    Sample { dir, id: bound, secrets }
}

/// What the tool prints, whether it succeeds, and its error.
fn run(arguments: &[&str], options: &Options) -> (String, Option<String>) {
    let mut out = Vec::new();
    let error = tool::run(arguments, options, &mut out).err();
    (String::from_utf8(out).unwrap(), error.map(|error| format!("{error} {error:?}")))
}

/// Asserts that a text has no part of a secret: as it is, in hex digits, and as Rust shows bytes.
fn assert_tells_nothing(text: &str, secrets: &[Vec<u8>]) {
    let text = text.to_lowercase();
    for secret in secrets {
        let part = &secret[..secret.len().min(8)];
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let debug = format!("{part:?}");
        for shown in [String::from_utf8_lossy(part).to_lowercase(), hex, debug.trim_matches(['[', ']']).to_owned()] {
            assert!(!text.contains(&shown), "{shown} is in:\n{text}");
        }
    }
}

fn file(dir: &Dir) -> PathBuf {
    dir.path().with_file_name("snapshot")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes, shows, restores and damages, and returns all that was printed.
fn play(sample: &Sample, options: &Options) -> String {
    let (dir, file, moved) = (sample.dir.path(), file(&sample.dir), sample.dir.path().with_file_name("moved"));
    let (dir, file, moved) = (text(&dir), text(&file), text(&moved));
    let mut all = String::new();
    let mut run = |arguments: &[&str], succeeds: bool| {
        let (out, error) = run(arguments, options);
        assert_eq!(error.is_none(), succeeds, "{arguments:?}: {error:?}");
        all.push_str(&out);
        all.push_str(&error.unwrap_or_default());
        out
    };
    for _ in 0..2 {
        let shown = run(&["show", dir], true);
        assert!(shown.contains("a directory") && shown.contains("intact                  yes"), "{shown}");
    }
    assert!(run(&["make", dir, file], true).contains("2 sessions"));
    run(&["make", dir, file], false);
    run(&["show", file], true);
    assert!(run(&["restore", file, moved], true).contains("have come back"));
    run(&["restore", file, moved], false);
    run(&["restore", file, moved, "--replace"], true);
    run(&["show", moved], true);
    let bytes = fs::read(file).unwrap();
    for len in [0, 30, bytes.len() / 2, bytes.len() - 1] {
        fs::write(file, &bytes[..len]).unwrap();
        assert!(run(&["show", file], false).contains("intact                  no"));
        run(&["restore", file, moved, "--replace"], false);
    }
    fs::write(file, &bytes).unwrap();
    fs::write(Path::new(moved).join("witness"), "damaged").unwrap();
    run(&["show", moved], false);
    run(&["make", moved, &format!("{file}.2")], false);
    assert!(!Path::new(&format!("{file}.2")).exists() && !Path::new(&format!("{file}.2.part")).exists());
    run(&["restore", file, moved, "--replace"], true);
    all
}

#[test]
fn it_tells_times_and_counts_and_no_secret() {
    let sample = sample(Options::new());
    let all = play(&sample, &Options::new());
    assert_tells_nothing(&all, &sample.secrets);
    let line = |name: &str| {
        let line = all.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit("  ").next().unwrap().trim().to_owned()
    };
    assert_eq!(["sessions", "with a principal", "without a principal", "format"].map(line), ["2", "1", "1", "1"]);
    assert_eq!(["  encrypted", "sealed", "last uses", "expired"].map(line), ["0", "no", "yes", "0"]);
    for expected in [
        "idle timeout\n  up to 6 h                        1\n  the store's                      1\n",
        "time to the absolute timeout\n  up to 1 week                     1\n  none                             1\n",
    ] {
        assert!(all.contains(expected), "{all}");
    }
    let moved = Persistence::open(sample.dir.path().with_file_name("moved"), Options::new()).unwrap();
    assert_eq!(moved.store().get(&sample.id, "csrf").as_deref(), Some("t0ken-of-ada"));
}

#[cfg(unix)]
#[test]
fn the_file_that_it_makes_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let sample = sample(Options::new());
    let file = file(&sample.dir);
    assert_eq!(run(&["make", text(&sample.dir.path()), text(&file)], &Options::new()).1, None);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!file.with_extension("part").exists());
}

#[cfg(feature = "encrypt")]
#[test]
fn with_a_key_it_tells_the_same_and_without_the_key_less() {
    let keyed = || Options::new().key([7; 32]);
    let sample = sample(keyed());
    let all = play(&sample, &keyed());
    assert_tells_nothing(&all, &sample.secrets);
    assert!(all.contains("with a principal                   1"), "{all}");
    let (file, dir) = (file(&sample.dir), sample.dir.path());
    for place in [&file, &dir] {
        let (out, error) = run(&["show", text(place)], &Options::new());
        assert!(error.is_none() && out.contains("without the key nothing else is known"), "{out} {error:?}");
        assert!(!out.contains("principal"));
        assert_tells_nothing(&out, &sample.secrets);
        let (out, error) = run(&["show", text(place)], &Options::new().key([8; 32]));
        assert_tells_nothing(&(out + &error.expect("another key")), &sample.secrets);
    }
}

#[test]
fn the_demo_holds_and_wrong_arguments_are_explained() {
    let (out, error) = run(&["demo"], &Options::new());
    assert!(error.is_none() && out.ends_with("everything held\n"), "{out} {error:?}");
    for wrong in [&[][..], &["show"], &["restore", "a", "b", "--force"]] {
        assert!(run(wrong, &Options::new()).1.unwrap().contains("usage: snapshot show"));
    }
}
