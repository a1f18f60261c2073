//! A session shows the attributes that it was given: these pairs, in this order, whatever is in the strings, up to the
//! limits.
//!
//! A case is read from its first byte to its last: a byte for the limits, one for the number of pairs to create the
//! session with, those pairs, and a pair for each set. See [`text`] for how a string is written.

#![no_main]

#[path = "../../verify/support/model/mod.rs"]
#[expect(dead_code, reason = "one session needs no counts")]
mod model;

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use cloakroom::{SessionId, SessionStore};
use libfuzzer_sys::fuzz_target;
use model::{Attributes, Model, Operation, Outcome, Settings, Subject};

#[derive(Debug)]
struct Case {
    max_session_bytes: usize,
    max_attributes: usize,
    /// What the session is created with, ...
    given: Attributes,
    /// ...and what is set then, one by one.
    set: Attributes,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const BYTES: [usize; 10] = [0, 2, 9, 40, 130, 200, 4_300, 65_536, 800_000, usize::MAX];
        const ATTRIBUTES: [usize; 6] = [0, 1, 3, 16, 17, 40];
        let limits = usize::from(u.arbitrary::<u8>()?);
        let max_session_bytes = BYTES[limits % BYTES.len()];
        let max_attributes = ATTRIBUTES[limits / BYTES.len() % ATTRIBUTES.len()];
        let given = (0..u.int_in_range(0..=47)?).map(|_| pair(u)).collect::<Result<_>>()?;
        let mut set = Attributes::new();
        while !u.is_empty() && set.len() < 64 {
            set.push(pair(u)?);
        }
        Ok(Self { max_session_bytes, max_attributes, given, set })
    }
}

fn pair(u: &mut Unstructured<'_>) -> Result<(String, String)> {
    Ok((text(u)?, text(u)?))
}

/// Any short text; a key of which there are few; a length on either side of where a length takes one more byte.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.arbitrary()? {
        length @ 0..=63_u8 => {
            let length = usize::from(length).min(u.len());
            String::from_utf8_lossy(u.bytes(length)?).into_owned()
        }
        letter @ b'A'..=b'z' => char::from(letter).to_string(),
        edge => {
            let bytes = match edge {
                // Rarely: it takes as long as dozens of others.
                254.. => 262_144 - usize::from(edge % 2),
                _ => [62, 63, 64, 65, 127, 128, 129, 255, 4_095, 4_096, 4_097][usize::from(edge) % 11],
            };
            let filling = u.choose(&["x", "é", "\u{10ffff}", "\0", "?"])?;
            let filled = filling.repeat(bytes / filling.len());
            let missing = bytes - filled.len();
            filled + &"-".repeat(missing)
        }
    })
}

fn check(case: Case) {
    let Case { max_session_bytes, max_attributes, given, set } = case;
    let settings = Settings {
        ttl: Duration::MAX,
        absolute_timeout: None,
        max_sessions: 1,
        max_sessions_per_principal: 0,
        idlest_makes_room: false,
        max_session_bytes,
        max_attributes,
        shards: 1,
    };
    let store = SessionStore::builder()
        .ttl(settings.ttl)
        .max_sessions(settings.max_sessions)
        .max_session_bytes(settings.max_session_bytes)
        .max_attributes(settings.max_attributes)
        .shards(settings.shards)
        .build()
        .expect("the settings are valid");
    let mut model = Model::new(settings);

    let created = store.create_with(given.iter().map(|(key, value)| (key, value)));
    let expected = model.apply(&Operation::CreateWith(given));
    assert_eq!(Outcome::Created(created.map(|_| 0)), expected);
    let Ok(id) = created else { return };
    check_view(&store, &id, &mut model, &[]);

    for (key, value) in set {
        let returned = store.set(&id, &key, &value);
        let strange = [key.clone() + "\0", value.clone()];
        assert_eq!(Outcome::Set(returned), model.apply(&Operation::Set(Subject::Created(0), key, value)));
        check_view(&store, &id, &mut model, &strange);
    }
}

/// Compares all that a reader is shown with the pairs of the model. `strange` are keys that may be there or not.
fn check_view(store: &SessionStore, id: &SessionId, model: &mut Model, strange: &[String]) {
    let Outcome::Read(Some(pairs)) = model.apply(&Operation::Read(Subject::Created(0))) else {
        panic!("the model has lost its session")
    };
    let value_of = |key: &str| pairs.iter().find(|(known, _)| known == key).map(|(_, value)| &**value);
    let seen = store.read(id, |attributes| {
        assert!(attributes.iter().eq(pairs.iter().map(|(key, value)| (&**key, &**value))));
        assert!(attributes.into_iter().eq(attributes));
        assert_eq!((attributes.len(), attributes.is_empty()), (pairs.len(), pairs.is_empty()));
        let keys = pairs.iter().map(|(key, _)| &**key);
        for key in keys.chain(strange.iter().map(|key| &**key)).chain(["", "\0", "a"]) {
            assert_eq!(attributes.get(key), value_of(key));
            assert_eq!(attributes.contains(key), value_of(key).is_some());
        }
        assert_eq!(format!("{attributes:?}"), format!("Attributes {{ len: {}, .. }}", pairs.len()));
    });
    assert_eq!(seen, Some(()));
    for (key, value) in &pairs {
        assert_eq!(store.get(id, key).as_deref(), Some(&**value));
    }
}

fuzz_target!(|case: Case| check(case));
