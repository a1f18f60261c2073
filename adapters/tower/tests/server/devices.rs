//! The list of a user's sessions, and how they end each other.

use std::time::Duration;

use reqwest::header;
use serde_json::Value;

use crate::{
    app::Settings,
    harness::{Browser, Server, json, set_cookie, user_of},
};

const INSECURE: Settings = Settings { secure_cookies: false };

async fn devices(browser: &Browser) -> Vec<Value> {
    browser.told().await["devices"].as_array().expect("a list").clone()
}

/// The name of the browser's own session in the list.
async fn own_name(browser: &Browser) -> String {
    let own = devices(browser).await.into_iter().find(|device| device["this"] == true).expect("its own session");
    own["name"].as_str().expect("a name").to_owned()
}

async fn login_as(browser: &Browser, agent: &[u8]) {
    let agent = header::HeaderValue::from_bytes(agent).expect("a header value");
    let login = browser.client.post(browser.url("/login")).form(&[("user", "ada")]).header(header::USER_AGENT, agent);
    assert_eq!(login.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn two_browsers_of_a_user_see_each_other_and_no_other_user() {
    let server = Server::start().await;
    let (laptop, phone, other) = (server.browser(), server.browser(), server.browser());
    login_as(&laptop, b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0").await;
    login_as(&phone, b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1")
        .await;
    other.logged_in("eve").await;
    for (browser, this) in [(&laptop, [true, false]), (&phone, [false, true])] {
        let seen = devices(browser).await;
        assert_eq!(seen.len(), 2);
        for (device, (browser, this)) in seen.iter().zip(["Firefox on Linux", "Safari on iPhone"].iter().zip(this)) {
            assert_eq!((device["browser"].as_str(), device["this"].as_bool()), (Some(*browser), Some(this)));
            assert!(device["logged_in_at"].as_u64().is_some_and(|seconds| seconds > 1_700_000_000));
            assert!(device["idle_for"].as_u64().is_some_and(|seconds| seconds < 60));
        }
    }
    assert_eq!(devices(&other).await.len(), 1);
}

#[tokio::test]
async fn a_browser_ends_the_session_of_another_one() {
    let server = Server::start().await;
    let (laptop, phone) = (server.browser(), server.browser());
    laptop.logged_in("ada").await;
    let id = phone.logged_in("ada").await;
    let name = own_name(&phone).await;
    assert_eq!(laptop.post("/end", &[("device", &name)]).await.status(), 204);
    assert!(!server.store.exists(&id));
    for answer in [phone.profile().await, phone.live().await, phone.post("/end", &[("device", &name)]).await] {
        assert_eq!(answer.status(), 401);
        assert_eq!(json(answer).await["error"], "not logged in");
    }
    assert_eq!(devices(&laptop).await.len(), 1);
    assert_eq!(user_of(laptop.profile().await).await, "ada");
    let again = laptop.post("/end", &[("device", &name)]).await;
    assert_eq!(again.status(), 404);
    assert_eq!(json(again).await["error"], "there is no such device");
}

#[tokio::test]
async fn no_user_ends_the_session_of_another_user() {
    let server = Server::start().await;
    let (ada, eve, nobody) = (server.browser(), server.browser(), server.browser());
    let id = ada.logged_in("ada").await;
    eve.logged_in("eve").await;
    let name = own_name(&ada).await;
    assert_eq!(eve.post("/end", &[("device", &name)]).await.status(), 404);
    assert_eq!(nobody.post("/end", &[("device", &name)]).await.status(), 401);
    assert_eq!(nobody.post("/logout-everywhere", &[]).await.status(), 401);
    assert!(server.store.exists(&id));
    for form in [&[][..], &[("device", "a"), ("device", "b")], &[("name", &name)]] {
        assert_eq!(ada.post("/end", form).await.status(), 422);
    }
    for forged in ["", "a", &id.to_string(), &name[1..], &name.to_uppercase()] {
        let is_its_name = forged == name;
        assert_eq!(ada.post("/end", &[("device", forged)]).await.status() == 204, is_its_name, "{forged:?}");
    }
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_of_a_users_sessions_and_no_others() {
    let server = Server::start().await;
    let (laptop, phone, other) = (server.browser(), server.browser(), server.browser());
    laptop.logged_in("ada").await;
    phone.logged_in("ada").await;
    other.logged_in("eve").await;
    let answer = laptop.post("/logout-everywhere", &[]).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(set_cookie(&answer), "session_id=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    assert_eq!(laptop.profile().await.status(), 401);
    assert_eq!(phone.profile().await.status(), 401);
    assert_eq!(user_of(other.profile().await).await, "eve");
    assert_eq!(server.store.count(), 1);
}

#[tokio::test]
async fn an_open_page_keeps_no_session_alive() {
    let server = Server::with(|store| store.ttl(Duration::from_secs(60)), INSECURE).await;
    let (laptop, phone) = (server.browser(), server.browser());
    laptop.logged_in("ada").await;
    server.clock.advance(Duration::from_secs(30));
    phone.logged_in("ada").await;
    server.clock.advance(Duration::from_secs(20));
    assert_eq!(laptop.told().await["expires_in"], 10);
    assert_eq!(phone.told().await["expires_in"], 40);
    server.clock.advance(Duration::from_secs(11));
    assert_eq!(laptop.live().await.status(), 401);
    assert_eq!(devices(&phone).await.len(), 1);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(phone.live().await.status(), 401);
}

#[tokio::test]
async fn the_page_receives_no_part_of_an_id() {
    let server = Server::start().await;
    let (laptop, phone) = (server.browser(), server.browser());
    let ids = [laptop.logged_in("ada").await, phone.logged_in("ada").await];
    let text = [laptop.live().await, laptop.profile().await].map(async |answer| answer.text().await.expect("text"));
    for text in text {
        let text = text.await;
        for id in &ids {
            let id = id.to_string();
            for part in 0..=48 {
                assert!(!text.contains(&id[part..part + 16]), "a quarter of an id is on the page");
            }
        }
    }
    let (own, others) = (own_name(&laptop).await, own_name(&phone).await);
    assert_ne!(own, others);
    assert_eq!(own.len(), 16);
}

#[tokio::test]
async fn the_name_of_a_browser_contains_only_the_servers_words() {
    let server = Server::start().await;
    let cases: [(&[u8], &str); 9] = [
        (b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
        (b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (b"Mozilla/5.0 (Linux; Android 15) Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15", "Safari on macOS"),
        (b"curl/8.5.0", "curl"),
        (b"<script>alert(1)</script>", "Unknown client"),
        (b"Firefox/<b>\"; DROP TABLE", "Firefox"),
        (b"\xff\xfe Firefox/1", "Unknown client"),
        (b"", "Unknown client"),
    ];
    for (agent, name) in cases {
        let browser = server.browser();
        login_as(&browser, agent).await;
        let own = devices(&browser).await.into_iter().find(|device| device["this"] == true).expect("its own session");
        assert_eq!(own["browser"], name);
    }
}
