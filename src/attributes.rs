//! The attributes of a session: a packed, immutable string map.
//!
//! A block holds, for each attribute in the order of insertion, the length of its key and the length of its value, both
//! in LEB128, then the bytes of the key and of the value:
//!
//! ```text
//! ┌─────────┬───────────┬───────────┬─────────────┬─────────┬──
//! │ key len │ value len │ key bytes │ value bytes │ key len │ …
//! └─────────┴───────────┴───────────┴─────────────┴─────────┴──
//! ```
//!
//! There is no count and no padding, so an empty block is a map without attributes. Keys are unique. Sessions have few
//! attributes: looking one up walks the block, which lies in the cache lines that follow its session's header. A block
//! is written by [`pack`] or [`Assignment::write`] only, from `str`s; that it is well-formed and that its strings are
//! UTF-8 therefore holds by construction, and is checked nevertheless where it is read.

#![deny(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

/// Shows one version of a session's attributes in place: what no writer can change while it is looked at.
///
/// Every method is wait-free and allocates nothing; looking a key up takes time in proportion to the number of
/// attributes. `Debug` shows how many there are, and neither keys nor values.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
///
/// let store = SessionStore::builder().build()?;
/// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
/// let greeting = store.read(&id, |attributes| {
///     let name = attributes.get("user").unwrap_or("stranger");
///     format!("Hello {name}, {} attributes", attributes.len())
/// });
/// assert_eq!(greeting.as_deref(), Some("Hello ada, 2 attributes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    packed: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads a block that [`pack`] or [`Assignment::write`] wrote.
    #[inline]
    pub(crate) const fn from_packed(packed: &'a [u8]) -> Self {
        Self { packed }
    }

    /// Returns the value of `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("user", "ada")])?;
    /// store.read(&id, |attributes| {
    ///     assert_eq!(attributes.get("user"), Some("ada"));
    ///     assert_eq!(attributes.get("User"), None);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs().find(|pair| pair.key == key.as_bytes()).map(|pair| text(pair.value))
    }

    /// Tells whether there is an attribute `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("flag", "")])?;
    /// assert_eq!(store.read(&id, |attributes| attributes.contains("flag")), Some(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.pairs().any(|pair| pair.key == key.as_bytes())
    }

    /// Counts the attributes, by walking over them.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("a", "1"), ("b", "2"), ("a", "3")])?;
    /// assert_eq!(store.read(&id, |attributes| attributes.len()), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs().count()
    }

    /// Tells whether there are no attributes, without walking.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create()?;
    /// assert_eq!(store.read(&id, |attributes| attributes.is_empty()), Some(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Goes over keys and values in the order in which the keys were first set.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::builder().build()?;
    /// let id = store.create_with([("b", "1"), ("a", "2")])?;
    /// store.set(&id, "b", "3")?;
    /// store.read(&id, |attributes| {
    ///     assert!(attributes.iter().eq([("b", "3"), ("a", "2")]));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn iter(&self) -> AttributesIter<'a> {
        AttributesIter { pairs: self.pairs() }
    }

    #[inline]
    fn pairs(self) -> Pairs<'a> {
        Pairs { rest: self.packed }
    }
}

/// Shows the number of attributes only.
impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributes").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for Attributes<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = AttributesIter<'a>;

    fn into_iter(self) -> AttributesIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Attributes<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = AttributesIter<'a>;

    fn into_iter(self) -> AttributesIter<'a> {
        self.iter()
    }
}

/// Goes over keys and values: made by [`Attributes::iter`]. `Debug` shows how many are left.
#[derive(Clone)]
pub struct AttributesIter<'a> {
    pairs: Pairs<'a>,
}

impl<'a> Iterator for AttributesIter<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next().map(|pair| (text(pair.key), text(pair.value)))
    }
}

impl FusedIterator for AttributesIter<'_> {}

/// Shows the number of attributes left only.
impl fmt::Debug for AttributesIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributesIter").field("left", &self.pairs.clone().count()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Pair<'a> {
    fn new(key: &'a str, value: &'a str) -> Self {
        Self { key: key.as_bytes(), value: value.as_bytes() }
    }

    /// Saturates: two strings of half the address space each are too large for any limit, not a panic.
    fn size(self) -> usize {
        let header = length_size(self.key.len()) + length_size(self.value.len());
        header.saturating_add(self.key.len()).saturating_add(self.value.len())
    }

    /// Writes the pair to the front of `out` and returns what is left of it.
    fn write(self, out: &mut [u8]) -> &mut [u8] {
        let out = write_length(self.key.len(), out);
        let out = write_length(self.value.len(), out);
        write_bytes(self.value, write_bytes(self.key, out))
    }
}

#[derive(Clone)]
struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let (key, value, body) = match self.rest {
            [] => return None,
            [key @ ..=0x7f, value @ ..=0x7f, body @ ..] => (usize::from(*key), usize::from(*value), body),
            header => read_header(header),
        };
        let (key, body) = body.split_at(key);
        let (value, rest) = body.split_at(value);
        self.rest = rest;
        Some(Pair { key, value })
    }
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("attributes are packed from text")
}

fn read_header(packed: &[u8]) -> (usize, usize, &[u8]) {
    let (key, rest) = read_length(packed);
    let (value, body) = read_length(rest);
    (key, value, body)
}

fn read_length(packed: &[u8]) -> (usize, &[u8]) {
    let mut length = 0;
    let mut rest = packed;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, behind) = rest.split_first().expect("a length has a last byte");
        rest = behind;
        length |= usize::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    (length, rest)
}

fn length_size(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

fn write_length(mut length: usize, mut out: &mut [u8]) -> &mut [u8] {
    while length > 0x7f {
        out = write_bytes(&[length as u8 | 0x80], out);
        length >>= 7;
    }
    write_bytes(&[length as u8], out)
}

fn write_bytes<'o>(bytes: &[u8], out: &'o mut [u8]) -> &'o mut [u8] {
    let (place, rest) = out.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    rest
}

/// "Set `key` to `value` in these attributes": tells what the result takes, then writes it.
pub(crate) struct Assignment<'a> {
    before: &'a [u8],
    /// What the new pair takes the place of: the old pair of that key, or nothing at the end.
    replaced: Range<usize>,
    pair: Pair<'a>,
    noop: bool,
}

impl<'a> Assignment<'a> {
    pub(crate) fn new(before: Attributes<'a>, key: &'a str, value: &'a str) -> Self {
        let before = before.packed;
        let pair = Pair::new(key, value);
        let mut pairs = Pairs { rest: before };
        let mut start = 0;
        while let Some(old) = pairs.next() {
            let end = before.len() - pairs.rest.len();
            if old.key == pair.key {
                return Self { before, replaced: start..end, pair, noop: old.value == pair.value };
            }
            start = end;
        }
        Self { before, replaced: start..start, pair, noop: false }
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
    /// new.
    ///
    /// # Panics
    ///
    /// Unless `out` is [`size`](Self::size) bytes long.
    pub(crate) fn write(&self, out: &mut [u8]) {
        let out = write_bytes(&self.before[..self.replaced.start], out);
        let out = self.pair.write(out);
        out.copy_from_slice(&self.before[self.replaced.end..]);
    }

    fn appends(&self) -> bool {
        self.replaced.start == self.before.len()
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
pub(crate) fn pack<I, K, V>(pairs: I, limit: usize) -> Result<Vec<u8>, usize>
where
    I: IntoIterator<Item = (K, V)>,
    K: AsRef<str>,
    V: AsRef<str>,
{
    let mut packed = Vec::new();
    for (key, value) in pairs {
        let (key, value) = (key.as_ref(), value.as_ref());
        let assignment = Assignment::new(Attributes::from_packed(&packed), key, value);
        let size = assignment.size();
        if size > limit {
            return Err(size);
        }
        if assignment.appends() {
            let end = packed.len();
            packed.resize(size, 0);
            Pair::new(key, value).write(&mut packed[end..]);
        } else if !assignment.is_noop() {
            let mut replaced = vec![0; size];
            assignment.write(&mut replaced);
            packed = replaced;
        }
    }
    Ok(packed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Model = Vec<(String, String)>;

    fn assign(model: &mut Model, key: &str, value: &str) {
        match model.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => model.push((key.to_owned(), value.to_owned())),
        }
    }

    fn assigned(packed: &[u8], key: &str, value: &str) -> Vec<u8> {
        let assignment = Assignment::new(Attributes::from_packed(packed), key, value);
        let mut out = vec![0xff; assignment.size()];
        assignment.write(&mut out);
        out
    }

    /// Written as the format's description says it, not as the code does.
    fn bytes_of(model: &Model) -> usize {
        let length = |text: &String| match text.len() {
            0..128 => 1,
            128..16_384 => 2,
            _ => 3,
        };
        model.iter().map(|(key, value)| length(key) + length(value) + key.len() + value.len()).sum()
    }

    fn check(packed: &[u8], model: &Model) -> Result<(), TestCaseError> {
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
        let edge = prop::sample::select(vec![126_usize, 127, 128, 129, 16_382, 16_383, 16_384, 16_385]);
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
            let (mut packed, mut model) = (Vec::new(), Model::new());
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
        fn packing_stops_where_the_map_so_far_is_over_the_limit(pairs in strings(), limit in 0..40_000_usize) {
            let mut model = Model::new();
            let over = pairs.iter().map(|(key, value)| {
                assign(&mut model, key, value);
                bytes_of(&model)
            }).find(|size| *size > limit);
            prop_assert_eq!(pack(pairs, limit).err(), over);
        }

        #[test]
        fn lengths_are_read_back_from_as_many_bytes_as_counted(length: usize, bits in 0..usize::BITS) {
            let length = length >> bits;
            let mut out = vec![0xff; length_size(length) + 1];
            prop_assert_eq!(write_length(length, &mut out).len(), 1);
            prop_assert_eq!(read_length(&out), (length, &[0xff][..]));
        }
    }

    #[test]
    fn the_format_is_as_described() {
        let packed = pack([("k", "va"), ("", &"x".repeat(300))], 1_000).unwrap();
        assert_eq!(packed[..8], [1, 2, b'k', b'v', b'a', 0, 0b1010_1100, 0b10]);
        assert!(packed[8..].iter().all(|byte| *byte == b'x') && packed.len() == 308);
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_less_is_not() {
        let pairs = [("user", "ada"), ("role", "admin")];
        assert_eq!(pack(pairs, 20).map(|packed| packed.len()), Ok(20));
        assert_eq!(pack(pairs, 19), Err(20));
        assert_eq!(pack([("", "")], 1), Err(2));
        assert_eq!(pack::<_, &str, &str>([], 0), Ok(Vec::new()));
    }

    #[test]
    fn an_endless_iterator_ends_at_the_limit() {
        assert_eq!(pack((0..).map(|number: u64| (number.to_string(), "x")), 1_000), Err(1_006));
    }

    #[test]
    fn a_repeated_key_takes_the_room_of_its_last_value_only() {
        let large = "x".repeat(50);
        assert_eq!(pack([("a", "1"), ("b", &large), ("a", "22"), ("b", "")], 100).unwrap(), b"\x01\x02a22\x01\x00b");
        assert_eq!(pack([("a", &*large), ("a", "")], 20), Err(53));
    }

    #[test]
    #[should_panic(expected = "copy_from_slice")]
    fn writing_to_more_room_than_the_size_panics() {
        let assignment = Assignment::new(Attributes::from_packed(&[]), "a", "b");
        assignment.write(&mut vec![0; assignment.size() + 1]);
    }

    #[test]
    fn debug_shows_neither_keys_nor_values() {
        let packed = pack([("user", "ada"), ("role", "admin")], 100).unwrap();
        let attributes = Attributes::from_packed(&packed);
        assert_eq!(format!("{attributes:?}"), "Attributes { len: 2, .. }");
        assert_eq!(format!("{:?}", attributes.iter()), "AttributesIter { left: 2, .. }");
    }

    #[test]
    fn attributes_are_iterated_by_value_and_by_reference() {
        let packed = pack([("a", "1")], 100).unwrap();
        let attributes = Attributes::from_packed(&packed);
        let (mut by_value, mut by_reference) = (Vec::new(), Vec::new());
        for pair in attributes {
            by_value.push(pair);
        }
        for pair in &attributes {
            by_reference.push(pair);
        }
        assert_eq!((by_value, by_reference), (vec![("a", "1")], vec![("a", "1")]));
    }
}
