//! Text is an id exactly if it is 64 hex digits, and an id comes back from its own text.

#![no_main]

use cloakroom::{ParseIdError, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
use libfuzzer_sys::fuzz_target;

/// Compares with what the crate `hex` says, which decodes pairs of digits of either case and nothing else.
fn check_text(text: &str) {
    let mut bytes = [0; SESSION_ID_LEN];
    let expected = hex::decode_to_slice(text, &mut bytes).map(|()| bytes);
    let accepted = text.len() == SESSION_ID_HEX_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!(expected.is_ok(), accepted, "the oracles disagree");

    let parsed: Result<SessionId, ParseIdError> = text.parse();
    assert_eq!(parsed, SessionId::try_from(text));
    assert_eq!(parsed.map(|id| *id.as_bytes()).ok(), expected.ok());
    if let Ok(id) = parsed {
        assert_eq!(id.hex().as_str(), text.to_ascii_lowercase());
        check_id(id);
    }
}

fn check_id(id: SessionId) {
    let digits = hex::encode(id.as_bytes());
    assert_eq!(id.hex().as_str(), digits);
    assert_eq!(id.to_string(), digits);
    assert_eq!(digits.parse(), Ok(id));
    assert_eq!(digits.to_ascii_uppercase().parse(), Ok(id));
    for debug in [format!("{id:?}"), format!("{:?}", id.hex())] {
        assert!(!debug.bytes().any(|byte| byte.is_ascii_digit()), "{debug}");
    }
}

/// The digits of `bytes` with `patch` laid over them: text that is an id, or nearly.
fn nearly_an_id(bytes: [u8; SESSION_ID_LEN], at: u8, patch: &str) -> String {
    let digits = hex::encode(bytes);
    let start = usize::from(at) % (SESSION_ID_HEX_LEN + 1);
    let end = (start + patch.len()).min(SESSION_ID_HEX_LEN);
    format!("{}{patch}{}", &digits[..start], &digits[end..])
}

fuzz_target!(|data: &[u8]| {
    check_text(&String::from_utf8_lossy(data));
    if let Some((bytes, rest)) = data.split_first_chunk() {
        check_id(SessionId::from_bytes(*bytes));
        if let Some((at, patch)) = rest.split_first() {
            check_text(&nearly_an_id(*bytes, *at, &String::from_utf8_lossy(patch)));
        }
    }
});
