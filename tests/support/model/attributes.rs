//! What attributes are in the model: pairs in the order in which their keys were first set.

use cloakroom::SetError;

use super::Attributes;

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

/// The attributes that pairs make one after the other. Fails at the first that is too much.
pub(super) fn collected(pairs: &[(String, String)], limit: usize) -> Result<Attributes, usize> {
    let too_large = (0..=pairs.len()).map(|upto| size_of(&assigned(&Attributes::new(), &pairs[..upto])));
    match too_large.into_iter().find(|size| *size > limit) {
        Some(size) => Err(size),
        None => Ok(assigned(&Attributes::new(), pairs)),
    }
}

pub(super) fn within(limit: usize, attributes: &Attributes) -> Result<(), SetError> {
    let size = size_of(attributes);
    if size > limit { Err(SetError::TooLarge { size, limit }) } else { Ok(()) }
}

/// What attributes take, as the documentation of `SessionConfig::max_session_bytes` has it.
pub(super) fn size_of(attributes: &Attributes) -> usize {
    let text = |text: &String| {
        let more = [64, 4_096, 262_144, 16_777_216, 1_073_741_824].iter().filter(|bound| text.len() >= **bound).count();
        text.len() + 1 + more
    };
    attributes.iter().map(|(key, value)| text(key) + text(value)).sum()
}
