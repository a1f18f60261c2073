use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

const ODD: [&str; 4] = ["", "0x", "g", " "];

fn refused(text: &str) -> bool {
    text.parse::<SessionId>() == Err(ParseIdError) && SessionId::try_from(text) == Err(ParseIdError)
}

#[test]
fn a_source_that_fails_makes_no_id() {
    let failing = |_: &mut [u8]| Err(getrandom::Error::UNEXPECTED);
    assert_eq!(SessionId::random_from(failing), Err(RandomError::new(getrandom::Error::UNEXPECTED)));
}

#[test]
fn all_bytes_of_an_id_come_from_the_source() {
    let counting = |bytes: &mut [u8]| {
        assert_eq!(bytes.len(), SESSION_ID_LEN);
        bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        Ok(())
    };
    let id = SessionId::random_from(counting).unwrap();
    assert!(id.as_bytes().iter().copied().eq(1..=32));
}

#[test]
fn random_ids_differ() {
    let ids: HashSet<_> = (0..1_000).map(|_| SessionId::random().unwrap()).collect();
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn a_prefix_is_refused() {
    for digits in [60, 61, 62, 63, 64] {
        assert!(refused(&format!("0x{}", "a".repeat(digits))), "{digits}");
        assert!(refused(&format!("0X{}", "a".repeat(digits))), "{digits}");
    }
}

#[test]
fn a_digit_too_few_or_too_many_is_refused() {
    assert!(!refused(&"a".repeat(64)));
    for digits in [0, 1, 32, 62, 63, 65, 66, 128] {
        assert!(refused(&"a".repeat(digits)), "{digits}");
    }
}

#[test]
fn anything_around_or_between_the_digits_is_refused() {
    for odd in ["\n", " ", "\0", "\"", "+", "-", "ä", "\u{ff11}"] {
        for digits in [64, 64 - odd.len()] {
            for at in 0..=digits {
                let mut text = "a".repeat(digits);
                text.insert_str(at, odd);
                assert!(refused(&text), "{odd:?} at {at} of {digits}");
            }
        }
    }
}

#[test]
fn debug_shows_no_digit() {
    let id = SessionId::from_bytes([0x11; 32]);
    assert_eq!(format!("{id:?} {:?}", id.hex()), "SessionId(..) HexId(..)");
    assert_eq!(format!("{id:#?} {:#?}", id.hex()), "SessionId(..) HexId(..)");
}

#[test]
fn digits_can_be_padded() {
    let id = SessionId::from_bytes([0x11; 32]);
    assert_eq!(format!("{id:>66}|{:<66}", id.hex()), format!("  {0}|{0}  ", "1".repeat(64)));
}

proptest! {
    #[test]
    fn digits_are_those_of_the_oracle(bytes: [u8; 32]) {
        let id = SessionId::from_bytes(bytes);
        let oracle = hex::encode(bytes);
        let digits = id.hex();
        prop_assert_eq!([digits.as_str(), &*digits, digits.as_ref()], [&*oracle; 3]);
        prop_assert_eq!([id.to_string(), digits.to_string()], [oracle.clone(), oracle]);
    }

    #[test]
    fn digits_of_either_case_are_read_back(bytes: [u8; 32], upper: u64) {
        let mixed: String = hex::encode(bytes)
            .char_indices()
            .map(|(at, digit)| if upper >> at & 1 == 1 { digit.to_ascii_uppercase() } else { digit })
            .collect();
        prop_assert_eq!(mixed.parse(), Ok(SessionId::from_bytes(bytes)));
        prop_assert_eq!(SessionId::try_from(&*mixed), Ok(SessionId::from_bytes(bytes)));
    }

    #[test]
    fn arbitrary_text_is_read_as_the_oracle_reads_it(
        text: String,
        odd in prop::sample::select(&ODD[..]),
        digits in "[0-9a-fA-F]{62,66}",
    ) {
        for text in [text, format!("{odd}{digits}"), format!("{digits}{odd}"), digits] {
            let oracle = <[u8; 32]>::try_from(hex::decode(&text).unwrap_or_default()).ok();
            prop_assert_eq!(text.parse::<SessionId>().ok(), oracle.map(SessionId::from_bytes));
        }
    }

    #[test]
    fn one_wrong_byte_among_64_is_refused(bytes: [u8; 32], at in 0..64_usize, wrong in 0..128_u8) {
        prop_assume!(!wrong.is_ascii_hexdigit());
        let mut digits = hex::encode(bytes).into_bytes();
        digits[at] = wrong;
        prop_assert!(refused(core::str::from_utf8(&digits).unwrap()));
    }

    #[test]
    fn ids_are_equal_only_if_all_bits_are(bytes: [u8; 32], bit in 0..256_usize) {
        let id = SessionId::from_bytes(bytes);
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(id == SessionId::from_bytes(bytes));
        prop_assert!(id != SessionId::from_bytes(flipped));
        let state = RandomState::new();
        prop_assert_eq!(state.hash_one(id), state.hash_one(SessionId::from_bytes(bytes)));
        prop_assert_ne!(state.hash_one(id), state.hash_one(SessionId::from_bytes(flipped)));
    }
}
