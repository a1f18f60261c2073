//! Attributes that hold values as JSON.

use cloakroom::{GetJsonError, MissingError, SessionId, SetError, SetJsonError};
use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{TICK, TTL, session, store, store_with};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: Vec<(String, u32)>,
    coupon: Option<String>,
}

#[test]
fn a_value_is_read_as_it_was_set() {
    let (store, _) = store();
    let id = session(&store);
    let basket = Basket { items: vec![("äpple \"\\".to_owned(), 3)], coupon: None };
    assert_eq!(store.set_json(&id, "basket", &basket), Ok(()));
    assert_eq!(store.get_json(&id, "basket"), Ok(basket));
    assert_eq!(store.set_json(&id, "text", "unsized"), Ok(()));
    assert_eq!(store.get(&id, "text").as_deref(), Some("\"unsized\""));
}

#[test]
fn errors_of_json_have_the_reason_and_the_position() {
    let (store, clock) = store_with(|builder| builder.max_session_bytes(40));
    let id = store.create_with([("text", "[1,\n 2"), ("list", "[1,2]")]).expect("there is room");
    assert_eq!(store.get_json::<Vec<u8>>(&id, "none"), Err(GetJsonError::NoAttribute));
    assert_eq!(store.get_json::<Vec<u8>>(&id, "text"), Err(GetJsonError::Malformed { line: 2, column: 2 }));
    assert_eq!(store.get_json::<Vec<bool>>(&id, "list"), Err(GetJsonError::WrongType { line: 1, column: 2 }));
    let large = "x".repeat(38);
    assert_eq!(store.set_json(&id, "text", &large), Err(SetJsonError::Set(SetError::TooLarge { size: 57, limit: 40 })));
    clock.advance(TTL + TICK);
    assert_eq!(store.get_json::<u8>(&id, "list"), Err(GetJsonError::Missing(MissingError::Expired)));
    assert_eq!(store.get_json::<u8>(&id, "list"), Err(GetJsonError::Missing(MissingError::NotFound)));
    assert_eq!(store.set_json(&id, "list", &1), Err(SetJsonError::from(MissingError::NotFound)));
    let id = store.create().expect("there is room");
    clock.advance(TTL + TICK);
    assert_eq!(store.set_json(&id, "list", &1), Err(SetJsonError::from(MissingError::Expired)));
    assert_eq!(
        store.set_json(&SessionId::from_bytes([1; 32]), "list", &1),
        Err(SetJsonError::from(MissingError::NotFound))
    );
}

struct Secretive;

impl Serialize for Secretive {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("4929-1234"))
    }
}

#[test]
fn no_error_quotes_a_value() {
    let (store, _) = store();
    let id = store.create_with([("card", "\"4929-1234\""), ("broken", "4929-1234")]).expect("there is room");
    let errors: [Box<dyn std::error::Error>; 3] = [
        Box::new(store.get_json::<u32>(&id, "card").expect_err("a text")),
        Box::new(store.get_json::<u32>(&id, "broken").expect_err("no JSON")),
        Box::new(store.set_json(&id, "card", &Secretive).expect_err("it fails")),
    ];
    for error in errors {
        let told = format!("{error} {error:?} {:?}", error.source());
        assert!(!told.contains("4929"), "{told}");
    }
    assert_eq!(store.get(&id, "card").as_deref(), Some("\"4929-1234\""), "a refused set has changed it");
}
