//! Records of sessions out of the fuzzer's bytes, and which of them can be read: docs/persist.md in other words.

use arbitrary::{Result, Unstructured};

/// A record: any bytes, or one that has every part that its flags announce, or nearly.
pub(crate) fn record(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = u.arbitrary::<u8>()?;
    if kind < 32 {
        let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
        return Ok(u.bytes(len)?.to_vec());
    }
    let flags = u.arbitrary::<u8>()? & if kind < 40 { 255 } else { 63 };
    let mut record = vec![if kind == 255 { 2 } else { 1 }, flags];
    record.extend(number(u)?.to_le_bytes());
    record.extend(u.arbitrary::<u32>()?.to_le_bytes());
    record.extend(number(u)?.to_le_bytes());
    for (flag, len) in PARTS {
        match len {
            _ if flags & flag == 0 => {}
            8 => record.extend(number(u)?.to_le_bytes()),
            len => record.extend(vec![u.arbitrary::<u8>()?; len]),
        }
    }
    for _ in 0..u.int_in_range(0..=3)? {
        for _ in 0..2 {
            let len = usize::from(u.arbitrary::<u8>()? % 40).min(u.len());
            let claimed = if u.arbitrary::<u8>()? == 0 { number(u)? as u32 } else { len as u32 };
            record.extend(claimed.to_le_bytes());
            record.extend(u.bytes(len)?);
        }
    }
    Ok(record)
}

/// The parts that a record may have, in their order: flag and length.
const PARTS: [(u8, usize); 6] = [(1, 8), (2, 8), (4, 32), (8, 16), (16, 8), (32, 8)];

/// A number: small, near where the first timeline begins, or any.
pub(crate) fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    let small = u64::from(u.arbitrary::<u16>()?);
    Ok(match u.arbitrary::<u8>()? % 4 {
        0 => small,
        1 => (1 << 40) + small,
        2 => u64::MAX - small,
        _ => u.arbitrary()?,
    })
}

/// Whether a record can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It has the parts that it announces, and attributes.
    Whole,
    /// It has the parts that it announces, and then something else. Nobody notices if the session has expired.
    Content,
    /// It is none, or encrypted.
    None,
}

/// What is readable of a record of a session of string attributes.
pub(crate) fn form(record: &[u8]) -> Form {
    let [1, flags @ 0..64, rest @ ..] = record else { return Form::None };
    let parts: usize = PARTS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, len)| len).sum();
    let Some(mut content) = rest.get(20 + parts..) else { return Form::None };
    let mut texts = 0;
    while let Some((len, after)) = content.split_first_chunk::<4>() {
        let text = after.get(..u32::from_le_bytes(*len) as usize);
        let Some(text) = text.and_then(|text| core::str::from_utf8(text).ok()) else { return Form::Content };
        content = &after[text.len()..];
        texts += 1;
    }
    if content.is_empty() && texts % 2 == 0 { Form::Whole } else { Form::Content }
}

/// What is readable of all of them.
pub(crate) fn forms<'a>(records: impl Iterator<Item = &'a Vec<u8>>) -> Form {
    records.map(|record| form(record)).fold(Form::Whole, |all, one| match (all, one) {
        (Form::None, _) | (_, Form::None) => Form::None,
        (Form::Whole, Form::Whole) => Form::Whole,
        _ => Form::Content,
    })
}
