//! Ids and attributes stay secret.

mod support;

use cloakroom::{Principal, SessionId};
use cloakroom_redis::{SharedError, SharedOptions};
use support::{Engine, Reply, Server};

on_each_engine! {
    no_id_is_in_the_engine
    nothing_secret_is_shown
}

/// The id as bytes and as hex digits.
fn forms(id: &SessionId) -> [Vec<u8>; 2] {
    [id.as_bytes().to_vec(), id.hex().as_str().as_bytes().to_vec()]
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn no_id_is_in_the_engine(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let ada = Principal::new("ada@example.com");
    let mut ids = vec![store.create_with([("user", "ada")]).await.unwrap()];
    ids.push(store.login(Some(&ids[0]), &ada).await.unwrap());
    ids.push(store.rotation(&ids[1]).grace(std::time::Duration::from_secs(60)).rotate().await.unwrap());
    ids.push(store.rotate(&ids[2]).await.unwrap());
    store.set(&ids[3], "a", "b").await.unwrap();
    store.end_other_sessions(&ids[3]).await.unwrap();
    ids.push(store.create().await.unwrap());
    store.log_out(&ids[4]).await.unwrap();
    let mut everything = Vec::new();
    for key in server.keys() {
        assert!(!contains(&key, b"ada@example.com"), "a principal is in a key");
        everything.extend_from_slice(&key);
        match server.bytes(&[b"TYPE", &key]).into_bytes().as_slice() {
            b"string" => everything.extend(server.bytes(&[b"GET", &key]).into_bytes()),
            b"set" => {
                let Reply::List(members) = server.bytes(&[b"SMEMBERS", &key]) else { panic!("no members") };
                members.into_iter().for_each(|member| everything.extend(member.into_bytes()));
            }
            other => panic!("a key of another type: {other:?}"),
        }
    }
    assert!(everything.len() > 500 && contains(&everything, b"cr:s:"));
    for form in ids.iter().flat_map(forms) {
        assert!(!contains(&everything, &form), "an id is in the engine");
    }
}

async fn nothing_secret_is_shown(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let ada = Principal::new("ada");
    let id = store.new_session().principal(ada).create_with([("key", "value")]).await.unwrap();
    let device = store.sessions_of(&ada).await.unwrap().remove(0);
    let options = SharedOptions::new("redis://user:password@host");
    let shown = format!(
        "{store:?} {:?} {:?} {:?} {device:?} {options:?} {:?}",
        store.fresh(),
        store.new_session().principal(ada),
        store.rotation(&id),
        store.read(&SessionId::from_bytes([7; 32]), |_| ()).await,
    );
    for secret in ["ada", "key", "value", "password", id.hex().as_str(), "0707"] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
    let errors = [SharedError::Away, SharedError::Unknown, SharedError::Unconfirmed, SharedError::PrincipalFull];
    for error in errors {
        let message = error.to_string();
        assert!(message.starts_with(|c: char| c.is_lowercase()) && !message.ends_with('.'), "{message}");
    }
}
