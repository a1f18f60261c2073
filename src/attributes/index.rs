//! Attributes with an index of their keys: for changes to so many attributes that walking a block for each takes too
//! long.
//!
//! A pair is written behind the others. The previous pair of that key, if there is one, becomes garbage. When there is
//! as much garbage as there are attributes, the attributes are copied without it. So setting or removing an attribute
//! takes, on average, time in proportion to its own size, independent of the others.
//!
//! Keys come from visitors, so the hash has a random key, like the hash of ids: nobody can choose keys that collide.

use super::layout::{Bounds, Pair, same};
use super::limits::{Excess, Limits};
use ahash::RandomState;

/// The smallest number of places in an index.
const LEAST_PLACES: usize = 64;

/// Up to this many bytes of garbage are never collected.
const LITTLE_GARBAGE: usize = 512;

/// Marks a free place of the index. (There are never as many attributes, because they would take gigabytes.)
const FREE: u32 = u32::MAX;

/// Stands for the start of a removed pair.
const GONE: usize = usize::MAX;

pub(super) struct Indexed {
    /// Pairs in packed form, and garbage.
    text: String,
    /// The start of each pair in `text`, in the order in which the keys were first set. [`GONE`] for removed pairs.
    starts: Vec<usize>,
    /// The numbers of pairs in `starts`, by the hash of the key and with linear probing. At most half of the places are
    /// taken.
    places: Vec<u32>,
    hasher: RandomState,
    len: usize,
    /// The size of the pairs, without garbage.
    size: usize,
}

impl Indexed {
    /// Indexes the attributes of a block.
    pub(super) fn of(packed: String) -> Self {
        let (starts, places, hasher) = (Vec::new(), Vec::new(), RandomState::new());
        let mut indexed = Self { size: packed.len(), text: packed, starts, places, hasher, len: 0 };
        indexed.find_starts();
        indexed.take_places();
        indexed
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the size of the attributes in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn value_of(&self, key: &str) -> Option<&str> {
        self.numbered(key).map(|(_, value)| value)
    }

    /// The number of the key's pair, and its value.
    pub(super) fn numbered(&self, key: &str) -> Option<(usize, &str)> {
        let (number, bounds) = self.find(key.as_bytes()).ok()?;
        Some((number, bounds.value(&self.text)))
    }

    /// The bound of the numbers: the number of pairs, if none was ever removed.
    pub(super) fn numbers(&self) -> usize {
        self.starts.len()
    }

    /// The pair of that number in packed form; empty if it was removed.
    pub(super) fn pair(&self, number: usize) -> &str {
        self.bounds(number).map_or("", |bounds| &self.text[bounds.place()])
    }

    /// Sets an attribute, unless that exceeds a limit. Returns whether it has changed anything.
    pub(super) fn set(&mut self, pair: Pair<'_>, limits: Limits) -> Result<bool, Excess> {
        let start = self.text.len();
        match self.find(pair.key.as_bytes()) {
            Ok((number, old)) => {
                if old.value(&self.text) == pair.value {
                    return Ok(false);
                }
                let size = (self.size - old.place().len()).saturating_add(pair.size());
                self.size = limits.admit(self.len, size)?;
                self.starts[number] = start;
            }
            Err(place) => {
                self.size = limits.admit(self.len + 1, self.size.saturating_add(pair.size()))?;
                self.len += 1;
                self.places[place] = index_of(self.starts.len());
                self.starts.push(start);
            }
        }
        pair.write(&mut self.text).expect("a string grows");
        self.tidy();
        Ok(true)
    }

    /// Removes an attribute, and returns the result of `f` for its value.
    pub(super) fn remove<R>(&mut self, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let (number, old) = self.find(key.as_bytes()).ok()?;
        let result = f(old.value(&self.text));
        self.starts[number] = GONE;
        self.len -= 1;
        self.size -= old.place().len();
        self.tidy();
        Some(result)
    }

    /// The block, if there is no garbage.
    pub(super) fn packed(&self) -> Option<&str> {
        (self.text.len() == self.size).then_some(&*self.text)
    }

    pub(super) fn copied(&self) -> String {
        let mut packed = String::with_capacity(self.size);
        (0..self.numbers()).for_each(|number| packed.push_str(self.pair(number)));
        packed
    }

    pub(super) fn into_packed(self) -> String {
        if self.packed().is_some() { self.text } else { self.copied() }
    }

    /// Makes a larger index when half of its places are taken, and collects the garbage when there is much of it.
    fn tidy(&mut self) {
        let garbage = self.text.len() - self.size;
        if garbage > self.size.max(LITTLE_GARBAGE) {
            self.text = self.copied();
            self.find_starts();
            self.take_places();
        } else if 2 * self.starts.len() >= self.places.len() {
            self.take_places();
        }
    }

    /// Records the starts of the pairs in a text without garbage.
    fn find_starts(&mut self) {
        self.starts.clear();
        let mut start = 0;
        while let Some(bounds) = Bounds::at(self.text.as_bytes(), start) {
            self.starts.push(start);
            start = bounds.place().end;
        }
        self.len = self.starts.len();
    }

    /// Makes an index with room for several times as many pairs.
    fn take_places(&mut self) {
        self.starts.retain(|start| *start != GONE);
        self.places = vec![FREE; (5 * self.len).next_power_of_two().max(LEAST_PLACES)];
        for number in 0..self.starts.len() {
            let bounds = self.bounds(number).expect("those that were removed have been left out");
            // Keys are unique, so a taken place belongs to another key.
            let mut place = self.first_place(bounds.key(self.text.as_bytes()));
            while self.places[place] != FREE {
                place = self.next_place(place);
            }
            self.places[place] = index_of(number);
        }
    }

    /// The number and the position of the key's pair, or else the place for it in the index.
    fn find(&self, key: &[u8]) -> Result<(usize, Bounds), usize> {
        let mut place = self.first_place(key);
        loop {
            let number = match self.places[place] {
                FREE => return Err(place),
                number => number as usize,
            };
            if let Some(bounds) = self.bounds(number)
                && same(bounds.key(self.text.as_bytes()), key)
            {
                return Ok((number, bounds));
            }
            place = self.next_place(place);
        }
    }

    fn first_place(&self, key: &[u8]) -> usize {
        self.hasher.hash_one(key) as usize & (self.places.len() - 1)
    }

    fn next_place(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// `None` for a pair that was removed.
    fn bounds(&self, number: usize) -> Option<Bounds> {
        match self.starts[number] {
            GONE => None,
            start => Bounds::at(self.text.as_bytes(), start),
        }
    }
}

/// A pair's number in the form of the index.
fn index_of(number: usize) -> u32 {
    u32::try_from(number).ok().filter(|&number| number != FREE).expect("memory is full long before")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::attributes::layout::{Pairs, compared};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, usize),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few keys, so that there is garbage, or many, so that the index grows.
        let step = |keys: u8| {
            prop_oneof![
                4 => (0..keys, 0..100_usize).prop_map(|(key, value)| Step::Set(key, value)),
                2 => (0..keys).prop_map(Step::Remove),
            ]
        };
        prop_oneof![prop::collection::vec(step(4), 0..200), prop::collection::vec(step(200), 0..400)]
    }

    proptest! {
        #[test]
        fn it_is_a_plain_map(before in 0..3_usize, steps in steps()) {
            let mut model: Vec<(String, String)> = Vec::new();
            let mut indexed = Indexed::of(String::new());
            for _ in 0..before {
                // The index begins with the pairs of a block.
                indexed = Indexed::of(indexed.into_packed());
                for step in &steps {
                    match *step {
                        Step::Set(key, value) => {
                            let (key, value) = (key.to_string(), "x".repeat(value));
                            let known = model.iter_mut().find(|(known, _)| *known == key);
                            let same = known.as_ref().is_some_and(|(_, old)| *old == value);
                            let pair = Pair { key: &key, value: &value };
                            prop_assert_eq!(indexed.set(pair, Limits::NONE), Ok(!same));
                            match known {
                                Some((_, old)) => *old = value,
                                None => model.push((key, value)),
                            }
                        }
                        Step::Remove(key) => {
                            let key = key.to_string();
                            let value = model.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
                            prop_assert_eq!(indexed.remove(&key, str::to_owned), value);
                            model.retain(|(known, _)| *known != key);
                        }
                    }
                    prop_assert_eq!(indexed.len(), model.len());
                    prop_assert!(indexed.text.len() <= 2 * indexed.size().max(LITTLE_GARBAGE));
                }
                let packed = indexed.copied();
                let owned = |pair: Pair<'_>| (pair.key.to_owned(), pair.value.to_owned());
                prop_assert_eq!(&Pairs::of(&packed).map(owned).collect::<Vec<_>>(), &model);
                prop_assert_eq!(packed.len(), indexed.size());
                prop_assert!(indexed.packed().is_none_or(|whole| *whole == *packed));
                for key in (0..=255_u8).map(|key| key.to_string()) {
                    let known = model.iter().find(|(known, _)| *known == key).map(|(_, value)| &**value);
                    prop_assert_eq!(indexed.value_of(&key), known);
                }
            }
        }
    }

    #[test]
    fn a_key_is_compared_with_few_others_among_many() {
        let mut indexed = Indexed::of(String::new());
        let compared = compared(|| {
            for turn in 0..3 {
                for number in 0..10_000 {
                    let (key, value) = (number.to_string(), turn.to_string());
                    indexed.set(Pair { key: &key, value: &value }, Limits::NONE).expect("there are no limits");
                }
            }
        });
        assert!(compared < 3 * 3 * 10_000, "{compared} comparisons");
    }
}
