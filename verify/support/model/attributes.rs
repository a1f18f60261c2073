//! What attributes are in the model: pairs in the order in which their keys were first set.

use cloakroom::SetError;

use super::{Attributes, Settings};

pub(super) fn value_of(attributes: &Attributes, key: &str) -> Option<String> {
    attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
}

pub(super) fn without(attributes: &Attributes, key: &str) -> Attributes {
    attributes.iter().filter(|(known, _)| known != key).cloned().collect()
}

pub(super) fn assigned(attributes: &Attributes, pairs: &[(String, String)]) -> Attributes {
    let mut attributes = attributes.clone();
    for (key, value) in pairs {
        match attributes.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => attributes.push((key.to_owned(), value.to_owned())),
        }
    }
    attributes
}

/// What a session's attributes may come to.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    bytes: usize,
    /// 0 is any number.
    count: usize,
}

impl Limits {
    /// Anything.
    pub(super) const NONE: Self = Self { bytes: usize::MAX, count: 0 };

    pub(super) fn of(settings: &Settings) -> Self {
        Self { bytes: settings.max_session_bytes, count: settings.max_attributes }
    }
}

/// The attributes that pairs make one after the other. Fails at the first that is too much.
pub(super) fn collected(pairs: &[(String, String)], limits: Limits) -> Result<Attributes, SetError> {
    (0..=pairs.len()).try_fold(Attributes::new(), |_, upto| {
        let attributes = assigned(&Attributes::new(), &pairs[..upto]);
        within(limits, &attributes)?;
        Ok(attributes)
    })
}

/// Of what is too many and too large, the number is told.
pub(super) fn within(limits: Limits, attributes: &Attributes) -> Result<(), SetError> {
    let (count, size) = (attributes.len(), size_of(attributes));
    if limits.count > 0 && count > limits.count {
        return Err(SetError::TooManyAttributes { count, limit: limits.count });
    }
    if size > limits.bytes {
        return Err(SetError::TooLarge { size, limit: limits.bytes });
    }
    Ok(())
}

/// What attributes take, as the documentation of `SessionConfig::max_session_bytes` has it.
pub(super) fn size_of(attributes: &Attributes) -> usize {
    let text = |text: &String| {
        let more = [64, 4_096, 262_144, 16_777_216, 1_073_741_824].iter().filter(|bound| text.len() >= **bound).count();
        text.len() + 1 + more
    };
    attributes.iter().map(|(key, value)| text(key) + text(value)).sum()
}
