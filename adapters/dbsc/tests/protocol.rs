//! The example's server over a socket, with a client that does what a browser does, and what a thief would.

#[path = "../examples/dbsc/app.rs"]
mod app;
mod support;

use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom::{Principal, SessionId};
use cloakroom_dbsc::{ATTRIBUTE, CHALLENGE, RESPONSE, SESSION_ID, SKIPPED};
use reqwest::header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE};
use serde_json::{Value, json};
use support::{BLINK, CHALLENGE_LIFETIME, Key, LEEWAY, LIFETIME, Profile, Server, challenge_of};

/// The name of the layer's cookie.
const SESSION: &str = "__Host-session_id";
const BOUND: &str = "__Host-bound";

#[tokio::test]
async fn a_copied_cookie_stops_working_when_the_bound_one_is_over_and_the_device_goes_on() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let answer = laptop.get("/profile").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.expect("text").as_str()), (200, "ada, bound"));

    let mut thief = laptop.clone();
    let mut only_the_long_one = laptop.clone();
    only_the_long_one.cookies.retain(|(name, _)| name == SESSION);
    assert_eq!((thief.profile().await, only_the_long_one.profile().await), (200, 200));
    server.clock.advance(LEEWAY + BLINK);
    assert_eq!((laptop.profile().await, only_the_long_one.profile().await), (200, 401));

    server.clock.advance(LIFETIME - BLINK);
    assert_eq!((laptop.profile().await, thief.profile().await), (200, 200), "within the leeway");
    server.clock.advance(BLINK);
    assert_eq!((laptop.profile().await, thief.profile().await), (401, 401));
    for _ in 0..3 {
        let challenge = laptop.challenge().await;
        assert_eq!(laptop.refresh(Some(&key.proof(&challenge))).await.status(), 200);
        assert_eq!((laptop.profile().await, thief.profile().await), (200, 401));
        server.clock.advance(LIFETIME + LEEWAY + BLINK);
        assert_eq!((laptop.profile().await, thief.profile().await), (401, 401));
    }
    // The thief can ask for challenges, and that hinders the device in nothing.
    let challenge = laptop.challenge().await;
    for _ in 0..100 {
        let stolen = thief.challenge().await;
        assert_eq!(thief.refresh(Some(&Key::new(2).proof(&stolen))).await.status(), 403);
    }
    assert_eq!(laptop.refresh(Some(&key.proof(&challenge))).await.status(), 200);
    assert_eq!((laptop.profile().await, thief.profile().await), (200, 401));
}

#[tokio::test]
async fn the_instructions_name_the_cookie_as_it_was_set() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    let challenge = laptop.log_in("ada", "engine").await;
    let answer = laptop.register(&key.registration(&challenge)).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin");
    let cookie = answer.headers()[SET_COOKIE].to_str().expect("ASCII").to_owned();
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert!(pair.starts_with("__Host-bound="));
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=300");
    let instructions: Value = answer.json().await.expect("JSON");
    let device = instructions["session_identifier"].as_str().expect("a name");
    assert_eq!(device.len(), 22);
    let expected = json!({
        "session_identifier": device,
        "refresh_url": "/dbsc/refresh",
        "scope": { "include_site": false, "scope_specification": [{ "type": "exclude", "path": "/static/" }] },
        "credentials": [
            { "type": "cookie", "name": "__Host-bound", "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax" },
        ],
    });
    assert_eq!(instructions, expected);
    assert!(!laptop.cookie(SESSION).expect("a session").contains(device), "the name tells nothing of the id");
}

#[tokio::test]
async fn a_browser_without_dbsc_is_served_as_before() {
    let server = Server::start().await;
    let mut old = Profile::new(&server);
    old.log_in("ada", "engine").await;
    server.clock.advance(2 * LIFETIME);
    let answer = old.get("/profile").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.expect("text").as_str()), (200, "ada, not bound"));
}

/// Every refused JWT leaves the session as it was, for the registration that follows.
#[tokio::test]
async fn a_registration_with_another_algorithm_key_or_challenge_is_refused() {
    let (server, key, other) = (Server::start().await, Key::new(1), Key::new(2));
    let (mut laptop, mut grace) = (Profile::new(&server), Profile::new(&server));
    let challenge = laptop.log_in("ada", "engine").await;
    let foreign = grace.log_in("grace", "compiler").await;
    let payload = json!({ "jti": challenge });
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": key.jwk() });
        change(&mut header);
        key.sign(&header, &payload)
    };
    let good = key.registration(&challenge);
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let off_the_curve = |header: &mut Value| header["jwk"]["x"] = header["jwk"]["y"].clone();
    let doubled = format!(r#"{{"alg":"none","alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, key.jwk());
    let long = json!({ "jti": challenge, "authorization": "x".repeat(4096) });
    let refused = [
        ("alg none", header(&|header| header["alg"] = "none".into())),
        ("alg none without a signature", {
            let header = json!({ "alg": "none", "typ": "dbsc+jwt", "jwk": key.jwk() }).to_string();
            format!("{}.{}.", encode(&header), encode(&payload.to_string()))
        }),
        ("HS256 keyed by the public key", header(&|header| header["alg"] = "HS256".into())),
        ("RS256", header(&|header| header["alg"] = "RS256".into())),
        ("alg in lower case", header(&|header| header["alg"] = "es256".into())),
        ("two algs", key.sign_text(&doubled, &payload.to_string())),
        ("type JWT", header(&|header| header["typ"] = "JWT".into())),
        ("no type", header(&|header| _ = header.as_object_mut().expect("an object").remove("typ"))),
        ("an extension", header(&|header| header["crit"] = json!(["b64"]))),
        ("no key", key.proof(&challenge)),
        ("another key", header(&|header| header["jwk"] = other.jwk())),
        ("a point off the curve", header(&off_the_curve)),
        ("an RSA key", header(&|header| header["jwk"]["kty"] = "RSA".into())),
        ("another curve", header(&|header| header["jwk"]["crv"] = "P-384".into())),
        ("a short coordinate", header(&|header| header["jwk"]["x"] = "AAAA".into())),
        ("a signature of another JWT", {
            let (signed, _) = good.rsplit_once('.').expect("three parts");
            format!("{signed}.{}", key.proof("x").rsplit_once('.').expect("three parts").1)
        }),
        ("no signature", good.rsplit_once('.').expect("three parts").0.to_owned() + "."),
        ("a signature of zeros", good.rsplit_once('.').expect("three parts").0.to_owned() + "." + &"A".repeat(86)),
        ("two parts", good.rsplit_once('.').expect("three parts").0.to_owned()),
        ("four parts", format!("{good}.AAAA")),
        ("no base64url", good.replacen("ey", "e+", 1)),
        ("no JSON", key.sign_text("{", &payload.to_string())),
        ("a challenge of another session", key.registration(&foreign)),
        ("a made-up challenge", key.registration(&"A".repeat(64))),
        ("no challenge", key.registration("")),
        ("more than 4,096 bytes", key.sign(&json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": key.jwk() }), &long)),
        ("empty", String::new()),
    ];
    for (what, jwt) in refused {
        let answer = laptop.register(&jwt).await;
        assert_eq!(answer.status(), 403, "{what}");
        assert!(!answer.headers().contains_key(SET_COOKIE), "{what}");
    }
    let twice = laptop.send(|request| request.header(RESPONSE, &good).header(RESPONSE, &good), true, "/dbsc/register");
    assert_eq!(twice.await.status(), 403);
    assert_eq!(laptop.send(|request| request, true, "/dbsc/register").await.status(), 403);
    assert_eq!(laptop.register(&good).await.status(), 200);
}

#[tokio::test]
async fn an_offer_is_good_for_one_registration_within_its_time() {
    let (server, key, other) = (Server::start().await, Key::new(1), Key::new(2));
    let mut laptop = Profile::new(&server);
    let challenge = laptop.log_in("ada", "engine").await;
    assert_eq!(laptop.register(&key.registration(&challenge)).await.status(), 200);
    // The thief of both cookies and of the challenge cannot bind the session to a key of its own.
    assert_eq!(laptop.register(&other.registration(&challenge)).await.status(), 403);
    assert_eq!(laptop.register(&key.registration(&challenge)).await.status(), 403);

    let old = laptop.log_in("ada", "engine").await;
    let new = laptop.log_in("ada", "engine").await;
    assert_eq!(laptop.register(&key.registration(&old)).await.status(), 403, "of the login before");
    server.clock.advance(CHALLENGE_LIFETIME + BLINK);
    assert_eq!(laptop.register(&key.registration(&new)).await.status(), 403, "too old");
    let newest = laptop.log_in("ada", "engine").await;
    server.clock.advance(CHALLENGE_LIFETIME);
    assert_eq!(laptop.register(&key.registration(&newest)).await.status(), 200);
}

#[tokio::test]
async fn a_refresh_with_another_key_algorithm_or_challenge_is_refused() {
    let (server, key, other) = (Server::start().await, Key::new(1), Key::new(2));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let mut phone = Profile::new(&server);
    phone.log_in_with(&other).await;
    let foreign = phone.challenge().await;
    let offered = Profile::new(&server).log_in("ada", "engine").await;
    let challenge = laptop.challenge().await;
    let payload = json!({ "jti": challenge });
    let long = json!({ "jti": challenge, "aud": "x".repeat(4096) });
    let plain = json!({ "alg": "ES256", "typ": "dbsc+jwt" });
    let bound = laptop.cookie(BOUND).expect("a bound cookie").to_owned();
    let refused = [
        ("another key", other.proof(&challenge)),
        ("another key, brought along", other.registration(&challenge)),
        ("its own key, brought along", key.registration(&challenge)),
        ("alg none", key.sign(&json!({ "alg": "none", "typ": "dbsc+jwt" }), &payload)),
        ("HS256", key.sign(&json!({ "alg": "HS256", "typ": "dbsc+jwt" }), &payload)),
        ("type JWT", key.sign(&json!({ "alg": "ES256", "typ": "JWT" }), &payload)),
        ("a challenge of another session", key.proof(&foreign)),
        ("a challenge for a registration", key.proof(&offered)),
        ("the bound cookie as a challenge", key.proof(&bound)),
        ("more than 4,096 bytes", key.sign(&plain, &long)),
        ("no JWT", "x".to_owned()),
    ];
    for (what, jwt) in refused {
        let answer = laptop.refresh(Some(&jwt)).await;
        assert_eq!(answer.status(), 403, "{what}");
        assert!(!answer.headers().contains_key(SET_COOKIE), "{what}");
        assert_ne!(challenge_of(&answer), challenge, "{what}: with a new challenge");
    }
    assert_eq!(laptop.refresh(Some(&key.proof(&challenge))).await.status(), 200, "none of them has used it up");
}

#[tokio::test]
async fn a_challenge_is_good_for_one_proof_within_its_time() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let [first, second, third] = [laptop.challenge().await, laptop.challenge().await, laptop.challenge().await];
    assert_eq!(laptop.refresh(Some(&key.proof(&second))).await.status(), 200);
    assert_eq!(laptop.refresh(Some(&key.proof(&second))).await.status(), 403, "a replay");
    assert_eq!(laptop.refresh(Some(&key.proof(&first))).await.status(), 403, "older than one that was answered");
    server.clock.advance(CHALLENGE_LIFETIME);
    assert_eq!(laptop.refresh(Some(&key.proof(&third))).await.status(), 200);
    let last = laptop.challenge().await;
    server.clock.advance(CHALLENGE_LIFETIME + BLINK);
    let late = laptop.refresh(Some(&key.proof(&last))).await;
    assert_eq!(late.status(), 403, "too old");
    let again = challenge_of(&late);
    assert_eq!(laptop.refresh(Some(&key.proof(&again))).await.status(), 200, "as a browser answers a 403");
}

#[tokio::test]
async fn a_refresh_names_the_device_of_its_own_session() {
    let (server, key, other) = (Server::start().await, Key::new(1), Key::new(2));
    let (mut laptop, mut phone) = (Profile::new(&server), Profile::new(&server));
    laptop.log_in_with(&key).await;
    phone.log_in_with(&other).await;
    let answer = laptop.send(|request| request, true, "/dbsc/refresh").await;
    assert_eq!(answer.status(), 401, "no name");
    assert!(!answer.headers().contains_key(CHALLENGE));
    // The cookie of one session with the name of the other's device.
    let mut mixed = laptop.clone();
    mixed.device.clone_from(&phone.device);
    let challenge = phone.challenge().await;
    assert_eq!(mixed.refresh(Some(&other.proof(&challenge))).await.status(), 401);
    // The bound cookie of one session is worthless for the other.
    server.clock.advance(LEEWAY + BLINK);
    let bound = phone.cookie(BOUND).expect("a bound cookie").to_owned();
    mixed.cookies.retain(|(name, _)| name == SESSION);
    mixed.cookies.push((BOUND.to_owned(), bound));
    assert_eq!((laptop.profile().await, phone.profile().await, mixed.profile().await), (200, 200, 401));
    let twice = |request: reqwest::RequestBuilder| request.header(SESSION_ID, "\"a\"").header(SESSION_ID, "\"a\"");
    assert_eq!(laptop.send(twice, true, "/dbsc/refresh").await.status(), 401);
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_key() {
    let (server, key) = (Server::start().await, Key::new(1));
    let ends: [fn(&Server); 2] = [
        |server| assert_eq!(server.store.end_sessions_of(&Principal::new("ada")), 1),
        |server| server.clock.advance(10 * LIFETIME + BLINK),
    ];
    for end in ends {
        let mut laptop = Profile::new(&server);
        laptop.log_in_with(&key).await;
        let challenge = laptop.challenge().await;
        end(&server);
        let answer = laptop.refresh(Some(&key.proof(&challenge))).await;
        assert_eq!(answer.status(), 401, "at which a browser forgets the key");
        assert!(!answer.headers().contains_key(SET_COOKIE) && !answer.headers().contains_key(CHALLENGE));
        assert_eq!(laptop.profile().await, 401);
    }
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let mut thief = laptop.clone();
    assert_eq!(laptop.send(|request| request, true, "/logout").await.status(), 204);
    assert_eq!((thief.profile().await, thief.refresh(None).await.status().as_u16()), (401, 401));
}

#[tokio::test]
async fn a_login_forgets_the_device_of_the_login_before() {
    let (server, key, other) = (Server::start().await, Key::new(1), Key::new(2));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let before = laptop.clone();
    laptop.log_in_with(&other).await;
    assert_ne!(before.device, laptop.device);
    let mut old_key = laptop.clone();
    old_key.device = before.device;
    assert_eq!(old_key.refresh(None).await.status(), 401);
    server.clock.advance(LEEWAY + BLINK);
    old_key.cookies.retain(|(name, _)| name == SESSION);
    old_key
        .cookies
        .push((BOUND.to_owned(), before.cookies.iter().find(|(name, _)| name == BOUND).expect("one").1.clone()));
    assert_eq!((laptop.profile().await, old_key.profile().await), (200, 401));
}

#[tokio::test]
async fn requests_of_a_thief_do_not_keep_the_session_alive() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let id: SessionId = laptop.cookie(SESSION).expect("a session").parse().expect("an id");
    let left = server.store.expires_in(&id);
    server.clock.advance(LIFETIME + LEEWAY + BLINK);
    assert_eq!(laptop.profile().await, 401);
    let challenge = laptop.challenge().await;
    assert_eq!(laptop.refresh(Some(&Key::new(2).proof(&challenge))).await.status(), 403);
    assert_eq!(server.store.expires_in(&id), left.map(|left| left - LIFETIME - LEEWAY - BLINK));
    assert_eq!(laptop.refresh(Some(&key.proof(&challenge))).await.status(), 200);
    assert_eq!(server.store.expires_in(&id), left, "a refresh by the device is a use");
}

#[tokio::test]
async fn a_browser_that_cannot_refresh_is_told_to_come_back() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    server.clock.advance(LIFETIME + LEEWAY + BLINK);
    let skipped = "quota_exceeded;session_identifier=\"x\"";
    let answer = laptop.send(|request| request.header(SKIPPED, skipped), false, "/profile").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (503, &"60".parse().expect("a value")));
}

#[tokio::test]
async fn the_session_holds_the_public_key_and_the_last_challenge_only() {
    let (server, key) = (Server::start().await, Key::new(1));
    let mut laptop = Profile::new(&server);
    laptop.log_in_with(&key).await;
    let id: SessionId = laptop.cookie(SESSION).expect("a session").parse().expect("an id");
    let held = || server.store.peek(&id, |session| session.get(ATTRIBUTE).map(str::to_owned)).flatten().expect("held");
    let before = held();
    for _ in 0..50 {
        laptop.challenge().await;
    }
    assert_eq!(held(), before, "a challenge is not stored");
    let challenge = laptop.challenge().await;
    laptop.refresh(Some(&key.proof(&challenge))).await;
    let (before, after) = (before.split(' ').collect::<Vec<_>>(), held());
    let after: Vec<_> = after.split(' ').collect();
    assert_eq!((before.len(), &before[..3], before[4]), (5, &after[..3], after[4]));
    assert_ne!(before[3], after[3], "the number of the challenge");
}
