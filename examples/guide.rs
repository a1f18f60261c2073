//! The steps of the session guide: `cargo run --example guide`.
//!
//! Each step prints a line and asserts its claim. The clock is a `ManualClock`, so the example does not wait.

use std::{error::Error, thread, time::Duration};

use cloakroom::{
    ManualClock, MissingError, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionCookie, SessionId, SessionStore, SetCookie,
    SetError,
};

const MINUTE: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(30 * 60);

fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::new();
    let store =
        SessionStore::builder().ttl(TTL).cookie_name("session_id").max_sessions(0).clock(clock.clone()).build()?;
    println!("a store: sessions idle for 30 minutes expire, the cookie is session_id, their number is not limited");

    one_session(&store)?;
    expiry(&store, &clock)?;
    many_threads(&store)?;
    cookies(&store)?;

    println!("\neverything held");
    Ok(())
}

fn one_session(store: &SessionStore) -> Result<(), Box<dyn Error>> {
    println!("\none session");

    let id = store.create()?;
    assert_eq!((id.as_bytes().len(), id.to_string().len()), (SESSION_ID_LEN, SESSION_ID_HEX_LEN));
    println!("  create: an id of {SESSION_ID_LEN} random bytes, {SESSION_ID_HEX_LEN} hex digits in a cookie");

    store.set(&id, "user_id", "42")?;
    store.set(&id, "role", "admin")?;
    assert_eq!(store.get(&id, "user_id").as_deref(), Some("42"));
    assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
    assert_eq!(store.get(&id, "colour"), None);
    println!("  set and get: user_id is 42, role is admin, colour was never set");

    let both = store.read(&id, |session| (session.get("user_id") == Some("42"), session.len()));
    assert_eq!(both, Some((true, 2)));
    println!("  read: both attributes at one instant, without a copy");

    let from_cookie: SessionId = id.hex().parse()?;
    assert_eq!(from_cookie, id);
    assert!("no session id".parse::<SessionId>().is_err());
    println!("  parse: the text of an id parses to the same id, and other text is refused");

    assert!(store.exists(&id));
    assert_eq!(store.count(), 1);
    println!("  exists and count: the session is there, and the only one");

    assert!(store.delete(&id));
    assert!(!store.exists(&id));
    assert_eq!(store.set(&id, "role", "admin"), Err(SetError::Missing(MissingError::NotFound)));
    assert!(!store.delete(&id));
    assert_eq!(store.count(), 0);
    println!("  delete: gone, and neither set nor a second delete finds it");
    Ok(())
}

fn expiry(store: &SessionStore, clock: &ManualClock) -> Result<(), Box<dyn Error>> {
    println!("\nexpiry");

    let (idle, busy) = (store.create()?, store.create()?);
    clock.advance(20 * MINUTE);
    assert_eq!(store.get(&busy, "any"), None);
    println!("  after 20 minutes: one of two sessions is used; a get of a missing attribute counts as a use");

    clock.advance(20 * MINUTE);
    assert_eq!(store.count(), 2);
    assert_eq!(store.evict_expired(), 1);
    assert_eq!(store.count(), 1);
    println!("  after 40 minutes, evict_expired: count was 2 with the expired session, and is 1 without it");

    assert!(!store.exists(&idle) && store.exists(&busy));
    println!("  exists: the idle one has expired, the other has not");

    clock.advance(TTL + MINUTE);
    assert_eq!(store.set(&busy, "role", "admin"), Err(SetError::Missing(MissingError::Expired)));
    assert_eq!(store.count(), 0);
    println!("  set on an expired session: refused, and the session is removed");
    Ok(())
}

fn many_threads(store: &SessionStore) -> Result<(), Box<dyn Error>> {
    const THREADS: usize = 8;
    const ROUNDS: usize = 1_000;
    println!("\n{THREADS} threads on one store");

    let shared = store.create()?;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || hammer(store, &shared, thread, ROUNDS));
        }
    });

    let last = (ROUNDS - 1).to_string();
    let survived = store.read(&shared, |session| session.iter().filter(|&(_, round)| round == last).count());
    assert_eq!(survived, Some(THREADS));
    println!("  the session they shared: {THREADS} attributes, each with its thread's last value; no update was lost");

    assert_eq!(store.count(), 1);
    println!("  their own {} sessions: created, used and deleted, none is left", THREADS * ROUNDS);
    assert!(store.delete(&shared));
    Ok(())
}

/// In each round, writes the thread's attribute of the shared session, and creates, uses and deletes a session of its
/// own.
fn hammer(store: &SessionStore, shared: &SessionId, thread: usize, rounds: usize) {
    let key = format!("thread {thread}");
    for round in 0..rounds {
        let round = round.to_string();
        let own = store.create_with([("owner", key.as_str())]).expect("the number of sessions is not limited");
        store.set(&own, "round", &round).expect("only this thread knows the session");
        store.set(shared, &key, &round).expect("nobody deletes the shared session yet");
        assert_eq!(store.get(shared, &key).as_deref(), Some(round.as_str()));
        assert_eq!(store.get(&own, "owner").as_deref(), Some(key.as_str()));
        assert!(store.delete(&own) && !store.exists(&own));
    }
}

fn cookies(store: &SessionStore) -> Result<(), Box<dyn Error>> {
    println!("\nthe cookie pattern");
    let cookie = SessionCookie::builder().name(store.cookie_name()).build()?;

    let set_cookie = login(store, &cookie, "ada")?;
    let (sent, attributes) = set_cookie.as_str().split_once("; ").ok_or("attributes")?;
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    println!("  login:   Set-Cookie: session_id=<64 hex digits>; {attributes}");

    assert_eq!(profile(store, &cookie, sent), Ok("ada".to_owned()));
    println!("  profile: 200, ada");

    assert_eq!(profile(store, &cookie, ""), Err(401));
    assert_eq!(profile(store, &cookie, &format!("session_id={}", SessionId::random()?)), Err(401));
    println!("  profile: 401 without a cookie, and 401 with an invented id");

    let removal = logout(store, &cookie, sent);
    assert_eq!(removal, "session_id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    println!("  logout:  Set-Cookie: {removal}");

    assert_eq!(profile(store, &cookie, sent), Err(401));
    println!("  profile: 401 with the old cookie");
    Ok(())
}

/// Creates a session, and returns its `Set-Cookie` header.
fn login(store: &SessionStore, cookie: &SessionCookie, user: &str) -> Result<SetCookie, Box<dyn Error>> {
    Ok(cookie.issue(&store.create_with([("user", user)])?))
}

/// Returns the user for a `Cookie` header, or the status 401.
fn profile(store: &SessionStore, cookie: &SessionCookie, header: &str) -> Result<String, u16> {
    cookie.ids([header]).find_map(|id| store.get(&id, "user")).ok_or(401)
}

/// Ends the sessions of a `Cookie` header, and returns the `Set-Cookie` header that removes the cookie.
fn logout<'a>(store: &SessionStore, cookie: &'a SessionCookie, header: &str) -> &'a str {
    for id in cookie.ids([header]) {
        store.delete(&id);
    }
    cookie.removal()
}
