//! Login, profile and logout of a well-behaved client.

use std::{collections::HashSet, time::Duration};

use cloakroom::SessionId;
use reqwest::header;
use serde_json::json;

use crate::{
    app::{SWEEP_INTERVAL, Settings},
    harness::{Server, id_of, json, set_cookie, user_of},
};

const SECURE: Settings = Settings { secure_cookies: true };
const INSECURE: Settings = Settings { secure_cookies: false };

#[tokio::test]
async fn a_logged_in_client_sees_its_profile_and_every_visit_is_counted() {
    let server = Server::start().await;
    let browser = server.browser();
    let login = browser.login("  ada ").await;
    assert_eq!(login.status(), 200);
    assert_eq!(json(login).await, json!({ "user": "ada" }));
    for visit in 1..=3 {
        let mut profile = json(browser.profile().await).await;
        let logged_in_at = profile["logged_in_at"].take();
        assert!(logged_in_at.as_u64().is_some_and(|seconds| seconds > 1_700_000_000), "{logged_in_at}");
        let expected = json!({
            "user": "ada", "logged_in_at": null, "visits": visit, "expires_in": 1800, "sessions": 1,
        });
        assert_eq!(profile, expected);
    }
}

#[tokio::test]
async fn a_client_without_a_session_is_refused() {
    let server = Server::start().await;
    let answer = server.browser().profile().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(json(answer).await, json!({ "error": "not logged in" }));
}

#[tokio::test]
async fn a_session_without_a_login_is_refused() {
    let server = Server::start().await;
    let id = server.store.create().expect("room");
    assert_eq!(server.jarless().status_of(&id).await, 401);
    assert!(server.store.exists(&id));
}

#[tokio::test]
async fn a_logged_out_session_is_refused() {
    let server = Server::start().await;
    let browser = server.browser();
    let id = browser.logged_in("ada").await;
    assert_eq!(browser.profile().await.status(), 200);
    assert_eq!(browser.logout().await.status(), 204);
    assert_eq!(browser.profile().await.status(), 401);
    assert_eq!(server.jarless().status_of(&id).await, 401);
    assert_eq!(server.store.count(), 0);
}

#[tokio::test]
async fn logout_removes_the_cookie_even_without_a_session() {
    let server = Server::start().await;
    for cookie in ["", "session_id=", "session_id=forged", "theme=dark"] {
        let logout = server.jarless().client.post(server.jarless().url("/logout")).header(header::COOKIE, cookie);
        let answer = logout.send().await.expect("an answer");
        assert_eq!(answer.status(), 204, "{cookie:?}");
        assert_eq!(set_cookie(&answer), "session_id=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}

#[tokio::test]
async fn an_expired_session_is_refused() {
    let server = Server::with(|store| store.ttl(Duration::from_secs(60)), INSECURE).await;
    let browser = server.browser();
    let id = browser.logged_in("ada").await;
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(browser.profile().await.status(), 401);
    assert!(!server.store.exists(&id));
}

#[tokio::test]
async fn a_visited_session_does_not_expire() {
    let server = Server::with(|store| store.ttl(Duration::from_secs(60)), INSECURE).await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    for _ in 0..5 {
        server.clock.advance(Duration::from_secs(50));
        assert_eq!(browser.profile().await.status(), 200);
    }
}

#[tokio::test]
async fn a_session_in_use_ends_at_its_absolute_timeout_which_a_login_restarts() {
    let server = Server::with(|store| store.absolute_timeout(Duration::from_secs(60)), INSECURE).await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    server.clock.advance(Duration::from_secs(50));
    browser.logged_in("ada").await;
    server.clock.advance(Duration::from_secs(50));
    assert_eq!(browser.profile().await.status(), 200);
    server.clock.advance(Duration::from_secs(11));
    assert_eq!(browser.profile().await.status(), 401);
}

#[tokio::test]
async fn the_cookie_has_exactly_the_promised_attributes() {
    let cases = [
        (SECURE, "__Host-ticket", "; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (INSECURE, "ticket", "; HttpOnly; SameSite=Lax; Path=/"),
    ];
    for (settings, name, attributes) in cases {
        let server = Server::with(|store| store.cookie_name("ticket"), settings).await;
        let login = server.jarless().login("ada").await;
        assert_eq!(set_cookie(&login), format!("{name}={}{attributes}", id_of(&login)));
        let logout = server.jarless().logout().await;
        assert_eq!(set_cookie(&logout), format!("{name}={attributes}; Max-Age=0"));
    }
}

#[tokio::test]
async fn the_store_names_the_cookie() {
    let server = Server::with(|store| store.cookie_name("ticket"), INSECURE).await;
    let id = server.jarless().logged_in("ada").await;
    assert_eq!(server.jarless().status_with(&format!("ticket={id}")).await, 200);
    assert_eq!(server.jarless().status_of(&id).await, 401);
}

#[tokio::test]
async fn every_login_gives_a_new_id_and_ends_the_old_one() {
    let server = Server::start().await;
    let browser = server.browser();
    let mut ids = HashSet::<SessionId>::new();
    for user in ["ada", "ada", "grace"] {
        let id = browser.logged_in(user).await;
        for old in &ids {
            assert_eq!(server.jarless().status_of(old).await, 401);
        }
        assert!(ids.insert(id), "an id came twice");
        assert_eq!(user_of(browser.profile().await).await, user);
        assert_eq!(server.store.count(), 1);
    }
}

#[tokio::test]
async fn a_planted_id_never_becomes_the_id_of_a_logged_in_session() {
    let server = Server::start().await;
    let (known, made_up) = (server.store.create().expect("room"), SessionId::random().expect("random bytes"));
    for planted in [known, made_up] {
        let browser = server.jarless();
        let login = browser.client.post(browser.url("/login")).form(&[("user", "ada")]);
        let answer = login.header(header::COOKIE, format!("session_id={planted}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_ne!(id_of(&answer), planted);
        assert_eq!(browser.status_of(&planted).await, 401);
        assert!(!server.store.exists(&planted));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_clients_sees_only_its_own_user() {
    let server = Server::start().await;
    let clients = (0..16).map(|number| {
        let browser = server.browser();
        tokio::spawn(async move {
            let user = format!("user {number}");
            browser.logged_in(&user).await;
            for visit in 1..=25 {
                let profile = json(browser.profile().await).await;
                assert_eq!((&profile["user"], &profile["visits"]), (&json!(user), &json!(visit)));
            }
            assert_eq!(browser.logout().await.status(), 204);
            assert_eq!(browser.profile().await.status(), 401);
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no panic");
    }
    assert_eq!(server.store.count(), 0);
}

#[tokio::test]
async fn a_full_store_refuses_logins_with_503_until_a_user_logs_out() {
    let server = Server::with(|store| store.max_sessions(2), INSECURE).await;
    let (ada, grace, late) = (server.browser(), server.browser(), server.browser());
    ada.logged_in("ada").await;
    grace.logged_in("grace").await;
    let refused = late.login("late").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[header::RETRY_AFTER], SWEEP_INTERVAL.as_secs().to_string());
    assert!(!refused.headers().contains_key(header::SET_COOKIE));
    assert_eq!(json(refused).await["error"], "too many sessions, try again later");
    // A user that is logged in can log in again, because the old session makes room.
    ada.logged_in("ada").await;
    assert_eq!(late.login("late").await.status(), 503);
    assert_eq!(grace.logout().await.status(), 204);
    late.logged_in("late").await;
    assert_eq!(user_of(late.profile().await).await, "late");
}
