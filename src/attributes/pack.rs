//! Packing a session's attributes, and changing packed attributes. A change first computes the size of its result, then
//! writes it in one piece.
//!
//! Only [`pack`], [`Assignment`], [`Removal`], [`Merge`], [`Draft`](super::Draft), which is made of them, and, for many
//! attributes, [`Indexed`] write a block ([`layout`](super::layout)). So every block is well-formed by construction.

use super::Attributes;
use super::index::Indexed;
use super::layout::{Bounds, Pair, Pairs, value_of};
use super::limits::{Excess, Limits};
use super::scratch::Scratch;
use core::fmt::{self, Write};
use core::ops::Range;

/// The most attributes that are walked to look up each of several keys. Beyond it an index is built, which allocates.
const FEW: usize = 16;

/// Sets `key` to `value` in these attributes: computes the size of the result, then writes it.
pub(crate) struct Assignment<'a> {
    before: &'a str,
    /// The range that the new pair replaces: the old pair of the key, or an empty range at the end.
    replaced: Range<usize>,
    pair: Pair<'a>,
    noop: bool,
}

impl<'a> Assignment<'a> {
    #[inline(always)]
    pub(crate) fn new(before: &'a Attributes, key: &'a str, value: &'a str) -> Self {
        let before = &before.packed;
        let pair = Pair { key, value };
        match Bounds::of(before, key) {
            None => Self { before, replaced: before.len()..before.len(), pair, noop: false },
            Some(old) => Self { before, replaced: old.place(), pair, noop: old.value(before) == value },
        }
    }

    /// Tells whether the key has this value already.
    pub(crate) fn is_noop(&self) -> bool {
        self.noop
    }

    /// Returns the size of the result, if it is within the limits.
    #[inline(always)] // `set` has two copies, and neither may be worse for it.
    pub(crate) fn size_within(&self, limits: Limits) -> Result<usize, Excess> {
        if self.replaced.is_empty() {
            return limits.admit_counted(|| Pairs::of(self.before).count() + 1, self.size());
        }
        // A new value for an old key does not add an attribute.
        limits.admit(0, self.size())
    }

    /// Returns the size of the result.
    pub(super) fn size(&self) -> usize {
        (self.before.len() - self.replaced.len()).saturating_add(self.pair.size())
    }

    /// Writes the result: the new value in the place of the old, or at the end if the key is new. Fails only if `out`
    /// has less room than [`size_within`](Self::size_within) has returned.
    #[inline(always)] // `set` has two copies, and neither may be worse for it.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(&self.before[..self.replaced.start])?;
        self.pair.write(out)?;
        out.write_str(&self.before[self.replaced.end..])
    }
}

/// Removes a key from attributes that have it.
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

    /// The value of the removed key.
    pub(crate) fn value(&self) -> &'a str {
        self.value
    }

    /// Returns the size of the result.
    pub(crate) fn size(&self) -> usize {
        self.before.len() - self.place.len()
    }

    /// Writes the remaining attributes. Fails only if `out` has less room than [`size`](Self::size).
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(&self.before[..self.place.start])?;
        out.write_str(&self.before[self.place.end..])
    }
}

/// Attributes that were collected from an iterator.
pub(crate) struct Given(Form);

enum Form {
    /// Few attributes: a key is found by walking the block.
    Packed(Scratch),
    /// In a box, so that moving a value of this type is cheap.
    Indexed(Box<Indexed>),
}

impl Given {
    /// Collects the attributes. If a key is given twice, the last value wins and takes the place of the first.
    ///
    /// The time is in proportion to the attributes; a pair that exceeds a limit only costs a look-up of its key.
    ///
    /// # Errors
    ///
    /// The number or the size so far, as soon as it exceeds a limit. So an endless iterator is refused unless it
    /// repeats the same few keys, and a large value is refused even if a smaller value for its key would follow.
    pub(crate) fn within<I, K, V>(limits: Limits, pairs: I) -> Result<Self, Excess>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs = pairs.into_iter();
        let mut packed = if pairs.size_hint().0 > 0 { Scratch::with_room(limits.bytes) } else { Scratch::default() };
        let mut left = FEW.min(limits.count);
        while let Some((key, value)) = pairs.next() {
            let pair = Pair { key: key.as_ref(), value: value.as_ref() };
            if left == 0 || value_of(&packed, pair.key).is_some() {
                return Self::many(packed.into_string(), pair, pairs, limits);
            }
            left -= 1;
            limits.admit(0, packed.len().saturating_add(pair.size()))?;
            pair.write(&mut *packed).expect("a string grows");
        }
        Ok(Self(Form::Packed(packed)))
    }

    /// Continues for many attributes, at the limit, or if a key is given twice.
    #[cold]
    fn many<K, V>(
        packed: String,
        next: Pair<'_>,
        others: impl Iterator<Item = (K, V)>,
        limits: Limits,
    ) -> Result<Self, Excess>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut indexed = Box::new(Indexed::of(packed));
        indexed.set(next, limits)?;
        for (key, value) in others {
            indexed.set(Pair { key: key.as_ref(), value: value.as_ref() }, limits)?;
        }
        Ok(Self(Form::Indexed(indexed)))
    }
}

/// Packs attributes from an iterator: see [`Given`].
#[inline]
pub(crate) fn pack<I, K, V>(pairs: I, limits: Limits) -> Result<Scratch, Excess>
where
    I: IntoIterator<Item = (K, V)>,
    K: AsRef<str>,
    V: AsRef<str>,
{
    Ok(match Given::within(limits, pairs)?.0 {
        Form::Packed(packed) => packed,
        Form::Indexed(indexed) => indexed.into_packed().into(),
    })
}

/// Sets several attributes: [`Assignment`] for many.
pub(crate) struct Merge<'a> {
    before: &'a Attributes,
    changes: Changes<'a>,
    changed: bool,
    size: usize,
}

enum Changes<'a> {
    Few(&'a Attributes),
    Many {
        indexed: &'a Indexed,
        /// For each previous pair, the given pair with the same key.
        known: Vec<Option<usize>>,
        /// The given pairs with new keys.
        new: Vec<usize>,
    },
}

impl<'a> Merge<'a> {
    pub(crate) fn new(before: &'a Attributes, given: &'a Given) -> Self {
        match &given.0 {
            Form::Packed(few) => Self::of_few(before, Attributes::from_packed(few)),
            Form::Indexed(many) => Self::of_many(before, many),
        }
    }

    fn of_few(before: &'a Attributes, few: &'a Attributes) -> Self {
        let (mut changed, mut size) = (false, before.packed.len());
        for pair in few.pairs() {
            let old = Bounds::of(&before.packed, pair.key);
            if old.is_none_or(|old| old.value(&before.packed) != pair.value) {
                changed = true;
                size = (size - old.map_or(0, |old| old.place().len())).saturating_add(pair.size());
            }
        }
        Self { before, changes: Changes::Few(few), changed, size }
    }

    fn of_many(before: &'a Attributes, indexed: &'a Indexed) -> Self {
        let (mut changed, mut size) = (false, before.packed.len());
        let mut is_new = vec![true; indexed.numbers()];
        let mut known = Vec::new();
        for old in before.pairs() {
            let found = indexed.numbered(old.key);
            if let Some((number, value)) = found {
                is_new[number] = false;
                if value != old.value {
                    changed = true;
                    size = (size - old.size()).saturating_add(indexed.pair(number).len());
                }
            }
            known.push(found.map(|(number, _)| number));
        }
        let new: Vec<usize> = (0..is_new.len()).filter(|&number| is_new[number]).collect();
        changed |= !new.is_empty();
        size = new.iter().map(|&number| indexed.pair(number).len()).fold(size, usize::saturating_add);
        Self { before, changes: Changes::Many { indexed, known, new }, changed, size }
    }

    /// Tells whether every key has its value already.
    pub(crate) fn is_noop(&self) -> bool {
        !self.changed
    }

    /// Returns the size of the result, if it is within the limits.
    pub(crate) fn size_within(&self, limits: Limits) -> Result<usize, Excess> {
        limits.admit_counted(|| self.count(), self.size)
    }

    fn count(&self) -> usize {
        let new = match &self.changes {
            Changes::Few(few) => few.pairs().filter(|pair| !self.before.contains(pair.key)).count(),
            Changes::Many { new, .. } => new.len(),
        };
        self.before.len() + new
    }

    /// Writes the result: new values in the place of the old, then new keys in their order. Fails only if `out` has
    /// less room than [`size_within`](Self::size_within) has returned.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        match &self.changes {
            Changes::Few(few) => {
                for old in self.before.pairs() {
                    Pair { value: few.get(old.key).unwrap_or(old.value), ..old }.write(out)?;
                }
                few.pairs().filter(|pair| !self.before.contains(pair.key)).try_for_each(|pair| pair.write(out))
            }
            Changes::Many { indexed, known, new } => {
                for (old, known) in self.before.pairs().zip(known) {
                    match known {
                        Some(number) => out.write_str(indexed.pair(*number))?,
                        None => old.write(out)?,
                    }
                }
                new.iter().try_for_each(|&number| out.write_str(indexed.pair(number)))
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::attributes::Draft;
    use crate::attributes::layout::compared;
    use proptest::prelude::*;

    type Model = Vec<(String, String)>;

    fn pack<I, K, V>(pairs: I, limits: Limits) -> Result<String, Excess>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        super::pack(pairs, limits).map(Scratch::into_string)
    }

    fn bytes(bytes: usize) -> Limits {
        Limits { bytes, ..Limits::NONE }
    }

    fn count(count: usize) -> Limits {
        Limits { count, ..Limits::NONE }
    }

    fn too_large(size: usize, limit: usize) -> Excess {
        Excess::Bytes { size, limit }
    }

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
        assert_eq!(assignment.size_within(Limits::NONE), Ok(out.len()));
        out
    }

    /// Packs as the description of the format says, independently of the code.
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

    /// Short strings of any characters, and strings on both sides of the sizes at which a length takes one more byte.
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

    fn steps() -> impl Strategy<Value = Vec<(u8, String, String)>> {
        let step = || (0..64_u8, string(), string());
        prop_oneof![prop::collection::vec(step(), 0..8), prop::collection::vec(step(), 0..60)]
    }

    /// As above, or so many that they get an index, of many keys or of few.
    fn many() -> impl Strategy<Value = Model> {
        let key = |keys: u8| (0..keys).prop_map(|key| key.to_string());
        prop_oneof![
            4 => strings(),
            1 => prop::collection::vec((key(255), "[ab]{0,3}"), 0..200),
            1 => prop::collection::vec((key(12), string()), 0..60),
        ]
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
        fn packing_is_assigning_one_by_one(pairs in many()) {
            let mut model = Model::new();
            pairs.iter().for_each(|(key, value)| assign(&mut model, key, value));
            check(&pack(pairs, Limits::NONE).unwrap(), &model)?;
        }

        #[test]
        fn merging_is_assigning_one_by_one(before in many(), changes in many()) {
            let packed = pack(before.iter().map(|(key, value)| (key, value)), Limits::NONE).unwrap();
            let given = Given::within(Limits::NONE, changes.iter().map(|(key, value)| (key, value))).unwrap();
            let mut model = Model::new();
            before.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let untouched = model.clone();
            changes.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let merge = Merge::new(Attributes::from_packed(&packed), &given);
            let mut out = String::new();
            merge.write(&mut out).unwrap();
            prop_assert_eq!(merge.size_within(Limits::NONE), Ok(out.len()));
            prop_assert_eq!(merge.is_noop(), model == untouched);
            check(&out, &model)?;
        }

        #[test]
        fn a_draft_is_a_plain_map(before in many(), steps in steps()) {
            let packed = pack(before.iter().map(|(key, value)| (key, value)), Limits::NONE).unwrap();
            let mut model = Model::new();
            before.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let mut draft = Draft::of(Attributes::from_packed(&packed));
            for (what, key, value) in &steps {
                // A key that is present, if there is one.
                let known = model.get(value.len() % model.len().max(1)).map_or(key, |(known, _)| known).clone();
                match what {
                    0..16 => {
                        draft.set(key, value);
                        assign(&mut model, key, value);
                    }
                    16..40 => {
                        draft.set(&known, value);
                        assign(&mut model, &known, value);
                    }
                    40..50 => {
                        let there = model.iter().any(|(other, _)| *other == known);
                        prop_assert_eq!(draft.remove(&known), there);
                        model.retain(|(other, _)| *other != known);
                    }
                    50..63 => {
                        let value = model.iter().find(|(other, _)| *other == known).map(|(_, value)| value.clone());
                        prop_assert_eq!(draft.take(&known), value);
                        model.retain(|(other, _)| *other != known);
                    }
                    _ => {
                        draft.clear();
                        model.clear();
                    }
                }
                // In every form: without a copy, and in one piece.
                prop_assert_eq!((draft.len(), draft.is_empty()), (model.len(), model.is_empty()));
                for key in [key, &known] {
                    let value = model.iter().find(|(other, _)| other == key).map(|(_, value)| &**value);
                    prop_assert_eq!((draft.get(key), draft.contains(key)), (value, value.is_some()));
                }
                let size = bytes_of(&model);
                let exactly = Limits { count: model.len(), bytes: size };
                prop_assert_eq!(draft.check(exactly), Ok(()));
                if !model.is_empty() {
                    let fewer = Limits { count: model.len() - 1, bytes: 0 };
                    prop_assert_eq!(draft.check(fewer), Err(Excess::Count { count: model.len(), limit: fewer.count }));
                    prop_assert_eq!(draft.check(bytes(size - 1)), Err(too_large(size, size - 1)));
                }
                // Not after each step, so that several changes are made between two copies.
                if *what % 4 == 0 {
                    check(draft.packed(), &model)?;
                }
            }
            check(draft.packed(), &model)?;
        }

        #[test]
        fn removing_leaves_the_others_in_their_order(
            pairs in strings(),
            which: prop::sample::Index,
            absent in string(),
        ) {
            let mut model = Model::new();
            pairs.iter().for_each(|(key, value)| assign(&mut model, key, value));
            let packed = pack(pairs, Limits::NONE).unwrap();
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
        fn packing_stops_where_the_map_so_far_is_over_a_limit(
            pairs in many(),
            most in 0..200_usize,
            limit in 0..40_000_usize,
        ) {
            let mut model = Model::new();
            let mut taken = 0;
            let over = pairs.iter().find_map(|(key, value)| {
                assign(&mut model, key, value);
                taken += 1;
                if model.len() > most {
                    return Some(Excess::Count { count: model.len(), limit: most });
                }
                let size = bytes_of(&model);
                (size > limit).then(|| too_large(size, limit))
            });
            let mut left = pairs.iter();
            let packed = pack(left.by_ref().map(|(key, value)| (key, value)), Limits { count: most, bytes: limit });
            prop_assert_eq!(packed.err(), over);
            prop_assert_eq!(pairs.len() - left.len(), taken);
        }
    }

    #[test]
    fn the_format_is_as_described() {
        let packed = pack([("k", "va"), ("", &"x".repeat(300))], bytes(1_000)).unwrap();
        assert_eq!(packed.as_bytes()[..8], [1, 2, b'k', b'v', b'a', 0, 0b110_1100, 0b100]);
        assert!(packed[8..].bytes().all(|byte| byte == b'x') && packed.len() == 308);
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_less_is_not() {
        let pairs = [("user", "ada"), ("role", "admin")];
        assert_eq!(pack(pairs, bytes(20)).map(|packed| packed.len()), Ok(20));
        assert_eq!(pack(pairs, bytes(19)), Err(too_large(20, 19)));
        assert_eq!(pack([("", "")], bytes(1)), Err(too_large(2, 1)));
        assert_eq!(pack::<_, &str, &str>([], bytes(0)), Ok(String::new()));
        assert_eq!(pack(pairs, count(2)).map(|packed| packed.len()), Ok(20));
        assert_eq!(pack(pairs, count(1)), Err(Excess::Count { count: 2, limit: 1 }));
    }

    #[test]
    fn the_number_is_checked_before_the_size() {
        let limits = Limits { count: 1, bytes: 4 };
        let (one, two) = ([("a", "1")], [("a", "1"), ("b", "2")]);
        let refused = Err(Excess::Count { count: 2, limit: 1 });
        assert_eq!(pack(two, limits), Err(Excess::Count { count: 2, limit: 1 }));
        let packed = pack(one, limits).unwrap();
        let (before, other) = (Attributes::from_packed(&packed), Given::within(limits, [("b", "2")]).unwrap());
        assert_eq!(Assignment::new(before, "b", "2").size_within(limits), refused);
        assert_eq!(Merge::new(before, &other).size_within(limits), refused);
        let mut draft = Draft::of(before);
        draft.set("b", "2");
        assert_eq!(draft.check(limits), refused.map(|_| ()));
    }

    #[test]
    fn an_endless_iterator_is_refused_at_a_limit() {
        let endless = || (0..).map(|number: u64| (number.to_string(), "x"));
        assert_eq!(pack(endless(), bytes(1_000)), Err(too_large(1_006, 1_000)));
        assert_eq!(pack(endless(), count(1_000)), Err(Excess::Count { count: 1_001, limit: 1_000 }));
    }

    #[test]
    fn a_repeated_key_takes_the_size_of_its_last_value_only() {
        let large = "x".repeat(50);
        let pairs = [("a", "1"), ("b", &large), ("a", "22"), ("b", "")];
        assert_eq!(pack(pairs, bytes(100)).unwrap(), "\x01\x02a22\x01\x00b");
        assert_eq!(pack([("a", &*large), ("a", "")], bytes(20)), Err(too_large(53, 20)));
    }

    /// An operation on a given number of keys.
    type Work<'w> = dyn Fn(&[String]) + 'w;

    /// The comparisons of keys when `work` is done on `n` attributes and on eight times as many.
    fn growth(work: &Work<'_>) -> f64 {
        let keys: Vec<String> = (0..8_000).map(|number| number.to_string()).collect();
        let [few, many] = [&keys[..1_000], &keys].map(|keys| compared(|| work(keys)) as f64);
        many / few
    }

    #[test]
    fn eight_times_the_attributes_take_about_eight_times_the_comparisons() {
        let given = |keys: &[String], value: &str| {
            pack(keys.iter().map(|key| (key, value)), Limits::NONE).expect("there are no limits")
        };
        let drafted = |keys: &[String], edit: fn(&mut Draft<'_>, &str)| {
            let before = given(keys, "x");
            let mut draft = Draft::of(Attributes::from_packed(&before));
            keys.iter().for_each(|key| edit(&mut draft, key));
            assert_eq!(draft.check(Limits::NONE), Ok(()));
        };
        let merged = |before: &[String], changes: &[String]| {
            let before = given(before, "x");
            let changes = Given::within(Limits::NONE, changes.iter().map(|key| (key, "y")));
            let changes = changes.expect("there are no limits");
            let merge = Merge::new(Attributes::from_packed(&before), &changes);
            let size = merge.size_within(Limits::NONE).expect("there are no limits");
            let mut out = String::with_capacity(size);
            assert!(!merge.is_noop() && merge.write(&mut out).is_ok());
        };
        let works: [(&str, &Work<'_>); 8] = [
            ("pack", &|keys| _ = given(keys, "x")),
            ("pack twice", &|keys| _ = given(&[keys, keys].concat(), "x")),
            ("merge many into many", &|keys| merged(keys, keys)),
            ("merge many into few", &|keys| merged(&keys[..5], keys)),
            ("merge few into many", &|keys| merged(keys, &keys[..5])),
            ("set", &|keys| drafted(keys, |draft, key| draft.set(key, "other"))),
            ("remove", &|keys| drafted(keys, |draft, key| _ = draft.remove(key))),
            ("set and look", &|keys| {
                drafted(keys, |draft, key| {
                    draft.set(&format!("new {key}"), "y");
                    assert_eq!(draft.get(key), Some("x"));
                })
            }),
        ];
        for (name, work) in works {
            let growth = growth(work);
            assert!(growth < 12.0, "{name}: {growth} times the comparisons");
        }
    }
}
