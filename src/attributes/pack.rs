//! Packing a session's attributes, and changing what is packed: what a change comes to is worked out first, then written in one piece.
//!
//! A block ([`layout`](super::layout)) is written by [`pack`], [`Assignment`], [`Removal`], [`Merge`] and the editor made of them
//! ([`Draft`](super::Draft)) only, so it is well-formed by construction.

#![deny(unsafe_code)]

use super::Attributes;
use super::layout::{Bounds, Pair, value_of};
use core::fmt::{self, Write};
use core::ops::Range;

/// What most sessions' attributes have room in.
const USUAL_SIZE: usize = 512;

/// "Set `key` to `value` in these attributes": tells what the result takes, then writes it.
pub(crate) struct Assignment<'a> {
    before: &'a str,
    /// What the new pair takes the place of: the old pair of that key, or nothing at the end.
    replaced: Range<usize>,
    pair: Pair<'a>,
    noop: bool,
}

impl<'a> Assignment<'a> {
    pub(crate) fn new(before: &'a Attributes, key: &'a str, value: &'a str) -> Self {
        let before = &before.packed;
        let pair = Pair { key, value };
        match Bounds::of(before, key) {
            None => Self { before, replaced: before.len()..before.len(), pair, noop: false },
            Some(old) => Self { before, replaced: old.place(), pair, noop: old.value(before) == value },
        }
    }

    /// Tells whether the key has this very value already.
    pub(crate) fn is_noop(&self) -> bool {
        self.noop
    }

    /// Returns the bytes that the attributes take afterwards.
    pub(crate) fn size(&self) -> usize {
        (self.before.len() - self.replaced.len()).saturating_add(self.pair.size())
    }

    /// Writes the attributes as they are afterwards: the new value in the place of the old, or at the end if the key is
    /// new. Fails only if `out` has no room for [`size`](Self::size) bytes.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(&self.before[..self.replaced.start])?;
        self.pair.write(out)?;
        out.write_str(&self.before[self.replaced.end..])
    }

    /// Which bytes the new pair takes the place of.
    pub(super) fn place(&self) -> Range<usize> {
        self.replaced.clone()
    }

    /// The new pair alone.
    pub(super) fn packed_pair(&self) -> String {
        let mut packed = String::with_capacity(self.pair.size());
        self.pair.write(&mut packed).expect("a string grows");
        packed
    }
}

/// "Remove `key` from these attributes", where it is there.
pub(crate) struct Removal<'a> {
    before: &'a str,
    place: Range<usize>,
    value: &'a str,
}

impl<'a> Removal<'a> {
    pub(crate) fn new(before: &'a Attributes, key: &str) -> Option<Self> {
        let before = &before.packed;
        let old = Bounds::of(before, key)?;
        Some(Self { before, place: old.place(), value: old.value(before) })
    }

    /// The value that is removed.
    pub(crate) fn value(&self) -> &'a str {
        self.value
    }

    /// Which bytes are removed.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Returns the bytes that the attributes take afterwards.
    pub(crate) fn size(&self) -> usize {
        self.before.len() - self.place.len()
    }

    /// Writes the attributes that are left. Fails only if `out` has no room for [`size`](Self::size) bytes.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(&self.before[..self.place.start])?;
        out.write_str(&self.before[self.place.end..])
    }
}

/// "Set all of these attributes in those": [`Assignment`] for many, themselves packed.
///
/// Quadratic in the number of attributes, as [`pack`] is.
pub(crate) struct Merge<'a> {
    before: &'a Attributes,
    changes: &'a Attributes,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(before: &'a Attributes, changes: &'a Attributes) -> Self {
        Self { before, changes }
    }

    /// Tells whether every key has its very value already.
    pub(crate) fn is_noop(&self) -> bool {
        self.changes.pairs().all(|pair| self.before.get(pair.key) == Some(pair.value))
    }

    /// Returns the bytes that the attributes take afterwards.
    pub(crate) fn size(&self) -> usize {
        self.pairs().map(Pair::size).fold(0, usize::saturating_add)
    }

    /// Writes the attributes as they are afterwards: new values in the place of the old, then new keys in their order. Fails only if
    /// `out` has no room for [`size`](Self::size) bytes.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        self.pairs().try_for_each(|pair| pair.write(out))
    }

    fn pairs(&self) -> impl Iterator<Item = Pair<'a>> {
        let Self { before, changes } = *self;
        let kept = before.pairs().map(|old| Pair { key: old.key, value: changes.get(old.key).unwrap_or(old.value) });
        kept.chain(changes.pairs().filter(|new| !before.contains(new.key)))
    }
}

/// Packs attributes; the last value of a key given twice wins and takes the place of the first.
///
/// Quadratic in the number of attributes, which `limit` bounds.
///
/// # Errors
///
/// The bytes needed so far, as soon as those are more than `limit`. So an endless iterator ends unless it goes on
/// repeating the same few keys, and a large value is refused even where a smaller one for its key would follow.
pub(crate) fn pack<I, K, V>(pairs: I, limit: usize) -> Result<String, usize>
where
    I: IntoIterator<Item = (K, V)>,
    K: AsRef<str>,
    V: AsRef<str>,
{
    let pairs = pairs.into_iter();
    // The text is soon gone: better too much room than moving it as it grows.
    let mut packed = String::with_capacity(if pairs.size_hint().0 > 0 { USUAL_SIZE.min(limit) } else { 0 });
    for (key, value) in pairs {
        let pair = Pair { key: key.as_ref(), value: value.as_ref() };
        if value_of(&packed, pair.key).is_none() {
            let size = packed.len().saturating_add(pair.size());
            if size > limit {
                return Err(size);
            }
            pair.write(&mut packed).expect("a string grows");
            continue;
        }
        let assignment = Assignment::new(Attributes::from_packed(&packed), pair.key, pair.value);
        let size = assignment.size();
        if size > limit {
            return Err(size);
        }
        if !assignment.is_noop() {
            let mut replaced = String::with_capacity(size);
            assignment.write(&mut replaced).expect("a string grows");
            packed = replaced;
        }
    }
    Ok(packed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::attributes::Draft;
    use proptest::prelude::*;

    type Model = Vec<(String, String)>;

    fn assign(model: &mut Model, key: &str, value: &str) {
        match model.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => model.push((key.to_owned(), value.to_owned())),
        }
    }

    fn assigned(packed: &str, key: &str, value: &str) -> String {
        let assignment = Assignment::new(Attributes::from_packed(packed), key, value);
        let mut out = String::new();
        assignment.write(&mut out).unwrap();
        assert_eq!(out.len(), assignment.size());
        out
    }

    /// Written as the format's description says it, not as the code does.
    fn bytes_of(model: &Model) -> usize {
        let length = |text: &String| match text.len() {
            0..64 => 1,
            64..4_096 => 2,
            _ => 3,
        };
        model.iter().map(|(key, value)| length(key) + length(value) + key.len() + value.len()).sum()
    }

    fn check(packed: &str, model: &Model) -> Result<(), TestCaseError> {
        let attributes = Attributes::from_packed(packed);
        prop_assert!(attributes.iter().eq(model.iter().map(|(key, value)| (&**key, &**value))));
        prop_assert_eq!(attributes.len(), model.len());
        prop_assert_eq!(attributes.is_empty(), model.is_empty());
        prop_assert_eq!(packed.len(), bytes_of(model));
        for (key, value) in model {
            prop_assert_eq!(attributes.get(key), Some(&**value));
            prop_assert!(attributes.contains(key));
        }
        for absent in ["", "\0", "a", "key", "\u{10ffff}"] {
            let known = model.iter().find(|(key, _)| key == absent).map(|(_, value)| &**value);
            prop_assert_eq!(attributes.get(absent), known);
            prop_assert_eq!(attributes.contains(absent), known.is_some());
        }
        Ok(())
    }

    /// Short strings of any characters, and strings on both sides of where a length takes one more byte.
    fn string() -> impl Strategy<Value = String> {
        let edge = prop::sample::select(vec![62_usize, 63, 64, 65, 4_094, 4_095, 4_096, 4_097]);
        let edges = (edge, prop::sample::select(vec!["x", "é", "\u{10ffff}"])).prop_map(|(bytes, character)| {
            let filled = character.repeat(bytes / character.len());
            let missing = bytes - filled.len();
            filled + &"-".repeat(missing)
        });
        prop_oneof![1 => Just(String::new()), 2 => "[ab]", 4 => any::<String>(), 2 => edges]
    }

    fn strings() -> impl Strategy<Value = Model> {
        prop::collection::vec((string(), string()), 0..12)
    }

    proptest! {
        #[test]
        fn assigning_is_what_it_is_in_a_plain_map(pairs in strings()) {
            let (mut packed, mut model) = (String::new(), Model::new());
            for (key, value) in &pairs {
                let noop = model.iter().any(|known| known == &(key.clone(), value.clone()));
                let assignment = Assignment::new(Attributes::from_packed(&packed), key, value);
                prop_assert_eq!(assignment.is_noop(), noop);
                packed = assigned(&packed, key, value);
                assign(&mut model, key, value);
                check(&packed, &model)?;
            }
        }

        #[test]
        fn packing_is_assigning_one_by_one(pairs in strings()) {
            let mut model = Model::new();
            pairs.iter().for_each(|(key, value)| assign(&mut model, key, value));
            check(&pack(pairs, usize::MAX).unwrap(), &model)?;
        }

        #[test]
        fn merging_is_assigning_one_by_one(before in strings(), changes in strings()) {
            let packed = pack(before.iter().map(|(key, value)| (key, value)), usize::MAX).unwrap();
            let changes_packed = pack(changes.iter().map(|(key, value)| (key, value)), usize::MAX).unwrap();
            let mut model = Model::new();
            before.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let untouched = model.clone();
            changes.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let merge = Merge::new(Attributes::from_packed(&packed), Attributes::from_packed(&changes_packed));
            let mut out = String::new();
            merge.write(&mut out).unwrap();
            prop_assert_eq!(out.len(), merge.size());
            prop_assert_eq!(merge.is_noop(), model == untouched);
            check(&out, &model)?;
        }

        #[test]
        fn a_draft_is_a_plain_map(before in strings(), steps in prop::collection::vec((0..8_u8, string(), string()), 0..8)) {
            let packed = pack(before.iter().map(|(key, value)| (key, value)), usize::MAX).unwrap();
            let mut model = Model::new();
            before.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let mut draft = Draft::of(Attributes::from_packed(&packed));
            for (what, key, value) in &steps {
                // Of a key that is there, where there is one.
                let known = model.get(value.len() % model.len().max(1)).map_or(key, |(known, _)| known).clone();
                match what {
                    0..3 => {
                        draft.set(key, value);
                        assign(&mut model, key, value);
                    }
                    3 => {
                        draft.set(&known, value);
                        assign(&mut model, &known, value);
                    }
                    4 | 5 => {
                        let there = model.iter().any(|(other, _)| *other == known);
                        prop_assert_eq!(draft.remove(&known), there);
                        model.retain(|(other, _)| *other != known);
                    }
                    6 => {
                        let value = model.iter().find(|(other, _)| *other == known).map(|(_, value)| value.clone());
                        prop_assert_eq!(draft.take(&known), value);
                        model.retain(|(other, _)| *other != known);
                    }
                    _ => {
                        draft.clear();
                        model.clear();
                    }
                }
                check(draft.packed(), &model)?;
            }
        }

        #[test]
        fn removing_leaves_the_others_in_their_order(pairs in strings(), which: prop::sample::Index, absent in string()) {
            let mut model = Model::new();
            pairs.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let packed = pack(pairs, usize::MAX).unwrap();
            let before = Attributes::from_packed(&packed);
            let known = model.iter().any(|(key, _)| *key == absent);
            prop_assert_eq!(Removal::new(before, &absent).is_some(), known);
            if model.is_empty() {
                return Ok(());
            }
            let (key, value) = model.remove(which.index(model.len()));
            let removal = Removal::new(before, &key).unwrap();
            let mut out = String::new();
            removal.write(&mut out).unwrap();
            prop_assert_eq!(removal.value(), value);
            prop_assert_eq!(out.len(), removal.size());
            check(&out, &model)?;
        }

        #[test]
        fn packing_stops_where_the_map_so_far_is_over_the_limit(pairs in strings(), limit in 0..40_000_usize) {
            let mut model = Model::new();
            let over = pairs.iter().map(|(key, value)| {
                assign(&mut model, key, value);
                bytes_of(&model)
            }).find(|size| *size > limit);
            prop_assert_eq!(pack(pairs, limit).err(), over);
        }
    }

    #[test]
    fn the_format_is_as_described() {
        let packed = pack([("k", "va"), ("", &"x".repeat(300))], 1_000).unwrap();
        assert_eq!(packed.as_bytes()[..8], [1, 2, b'k', b'v', b'a', 0, 0b110_1100, 0b100]);
        assert!(packed[8..].bytes().all(|byte| byte == b'x') && packed.len() == 308);
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_less_is_not() {
        let pairs = [("user", "ada"), ("role", "admin")];
        assert_eq!(pack(pairs, 20).map(|packed| packed.len()), Ok(20));
        assert_eq!(pack(pairs, 19), Err(20));
        assert_eq!(pack([("", "")], 1), Err(2));
        assert_eq!(pack::<_, &str, &str>([], 0), Ok(String::new()));
    }

    #[test]
    fn an_endless_iterator_ends_at_the_limit() {
        assert_eq!(pack((0..).map(|number: u64| (number.to_string(), "x")), 1_000), Err(1_006));
    }

    #[test]
    fn a_repeated_key_takes_the_room_of_its_last_value_only() {
        let large = "x".repeat(50);
        assert_eq!(pack([("a", "1"), ("b", &large), ("a", "22"), ("b", "")], 100).unwrap(), "\x01\x02a22\x01\x00b");
        assert_eq!(pack([("a", &*large), ("a", "")], 20), Err(53));
    }
}
