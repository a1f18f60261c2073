//! Sessions that hold a value of a type of the user's.
#![cfg(feature = "serde")]

mod support;

use cloakroom::{MissingError, Principal};
use cloakroom_redis::{EngineError, SharedError, SharedStore};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use support::{Engine, Server, eventually};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const BOUND: Duration = Duration::from_millis(500);

on_each_engine! {
    a_value_is_shared_changed_and_ended
    no_change_of_a_value_is_lost
    a_record_of_another_type_is_an_error_and_no_missing_session
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Basket {
    user: Option<String>,
    apples: Vec<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wallet {
    coins: u64,
}

async fn baskets(server: &Server) -> SharedStore<Basket> {
    SharedStore::connect_typed(server.options()).await.unwrap()
}

fn added(before: &Basket, apple: u32) -> Basket {
    let mut after = before.clone();
    after.apples.push(apple);
    after
}

async fn a_value_is_shared_changed_and_ended(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = [baskets(&server).await, baskets(&server).await];
    let filled = Basket { user: Some("ada \u{1f34e}".to_owned()), apples: vec![1, 2] };
    let id = one.create_with(filled.clone()).await.unwrap();
    assert_eq!(other.read(&id, Clone::clone).await, Ok(filled.clone()));
    assert_eq!(other.cached(&id, |basket| basket.apples.len()), Some(2), "it is near");
    one.update(&id, |basket| added(basket, 3)).await.unwrap();
    assert_eq!(one.read(&id, |basket| basket.apples.clone()).await, Ok(vec![1, 2, 3]), "its own change, at once");
    let changed = async || other.peek(&id, |basket| basket.apples.len()).await == Ok(3);
    eventually("the other sees it", BOUND, changed).await;
    assert_eq!(one.delete(&id).await, Ok(true));
    assert_eq!(one.update(&id, |basket| added(basket, 4)).await, Err(NOT_FOUND));
    eventually("the other refuses", BOUND, async || other.read(&id, |_| ()).await == Err(NOT_FOUND)).await;

    let ada = Principal::new("ada");
    let bound = one.new_session().principal(ada).create_with(filled).await.unwrap();
    assert_eq!(other.principal(&bound).await, Ok(Some(ada)));
    assert_eq!(other.end_sessions_of(&ada).await, Ok(1));
    eventually("it has ended", BOUND, async || one.read(&bound, |_| ()).await == Err(NOT_FOUND)).await;
}

async fn no_change_of_a_value_is_lost(engine: Engine) {
    let server = Server::start(engine);
    let stores = [baskets(&server).await, baskets(&server).await];
    let id = stores[0].create_with(Basket::default()).await.unwrap();
    let tasks: Vec<_> = (0..4_u32)
        .map(|task| {
            let store = stores[task as usize % 2].clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    store.update(&id, |basket| added(basket, 25 * task + n)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut apples = stores[0].fresh().read(&id, |basket| basket.apples.clone()).await.unwrap();
    apples.sort_unstable();
    assert_eq!(apples, (0..100).collect::<Vec<_>>());
}

async fn a_record_of_another_type_is_an_error_and_no_missing_session(engine: Engine) {
    let server = Server::start(engine);
    let baskets = baskets(&server).await;
    let wallets: SharedStore<Wallet> = SharedStore::connect_typed(server.options()).await.unwrap();
    let attributes = server.store().await;
    let id = baskets.create_with(Basket::default()).await.unwrap();
    let record = SharedError::Engine(EngineError::Record);
    assert_eq!(wallets.read(&id, |wallet| wallet.coins).await, Err(record));
    assert_eq!(attributes.read(&id, |_| ()).await, Err(record));
    let error = wallets.update(&id, |wallet| Wallet { coins: wallet.coins + 1 }).await.unwrap_err();
    assert!(error.is_away() && !error.is_missing());
    assert_eq!(baskets.read(&id, Clone::clone).await, Ok(Basket::default()), "it is left as it was");
    assert_eq!(wallets.delete(&id).await, Ok(true), "an end needs no content");
}
