//! The size of a session's data, which the store limits.

use std::collections::HashMap;

use cloakroom::InsertError;
use serde_json::Value;

/// What a value takes besides its texts: at least the size of a [`Value`].
const VALUE: usize = 32;

/// The size of the data: the names and texts in UTF-8, and [`VALUE`] bytes for each value, also within lists and
/// objects. Stops counting at the first value beyond `limit`.
pub(crate) fn of(data: &HashMap<String, Value>, limit: usize) -> usize {
    let mut size = 0;
    for (name, value) in data {
        size += name.len();
        add(value, &mut size, limit);
        if size > limit {
            break;
        }
    }
    size
}

/// Refuses data that exceeds the limit.
pub(crate) fn check(data: &HashMap<String, Value>, limit: usize) -> Result<(), InsertError> {
    match of(data, limit) {
        size if size > limit => Err(InsertError::TooLarge { size, limit }),
        _ => Ok(()),
    }
}

fn add(value: &Value, size: &mut usize, limit: usize) {
    *size += VALUE;
    match value {
        Value::String(text) => *size += text.len(),
        Value::Array(values) => values.iter().take_while(|value| within(value, size, limit)).for_each(drop),
        Value::Object(fields) => {
            fields
                .iter()
                .take_while(|(name, value)| {
                    *size += name.len();
                    within(value, size, limit)
                })
                .for_each(drop);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn within(value: &Value, size: &mut usize, limit: usize) -> bool {
    add(value, size, limit);
    *size <= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn data(value: Value) -> HashMap<String, Value> {
        HashMap::from([("name".to_owned(), value)])
    }

    #[test]
    fn texts_names_and_values_are_counted() {
        assert!(size_of::<Value>() <= VALUE);
        for (value, size) in [
            (json!(null), 36),
            (json!(7), 36),
            (json!("é"), 38),
            (json!([]), 36),
            (json!([1, "abc", [true]]), 36 + 32 + 35 + 64),
            (json!({ "a": "b", "cd": {} }), 36 + 34 + 34),
        ] {
            assert_eq!(of(&data(value.clone()), usize::MAX), size, "{value}");
        }
        assert_eq!(of(&HashMap::new(), 0), 0);
    }

    #[test]
    fn counting_stops_beyond_the_limit() {
        let texts: Vec<_> = (0..1_000).map(|_| json!("x".repeat(100))).collect();
        for value in [json!(texts), json!({ "a": texts }), json!([texts, texts])] {
            let size = of(&data(value), 1_000);
            assert!((1_001..1_300).contains(&size), "{size}");
        }
        let many: HashMap<_, _> = (0..1_000).map(|number| (number.to_string(), json!("x".repeat(100)))).collect();
        assert!((1_001..1_200).contains(&of(&many, 1_000)));
    }
}
