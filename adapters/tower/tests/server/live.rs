//! The store's figures on the page.

use std::time::Duration;

use serde_json::Value;

use crate::{
    app::Settings,
    harness::{Browser, Server},
};

async fn figure(browser: &Browser, name: &str) -> u64 {
    let told: Value = browser.told().await;
    told["store"][name].as_u64().expect("a number")
}

#[tokio::test]
async fn the_figures_need_a_session() {
    let server = Server::start().await;
    let browser = server.browser();
    for answer in [browser.live().await, browser.post("/crowd", &[]).await] {
        assert_eq!(answer.status(), 401);
    }
    assert_eq!(server.store.count(), 0);
}

#[tokio::test]
async fn logins_logouts_and_evictions_are_counted() {
    let configure = |store: cloakroom::SessionStoreBuilder| store.ttl(Duration::from_secs(60));
    let server = Server::with(configure, Settings { secure_cookies: false }).await;
    let (ada, grace, eve) = (server.browser(), server.browser(), server.browser());
    for browser in [&ada, &grace, &eve] {
        browser.logged_in("ada").await;
    }
    let figures = async |names: &[&str]| {
        let mut all = Vec::new();
        for name in names {
            all.push(figure(&ada, name).await);
        }
        all
    };
    const NAMES: [&str; 4] = ["sessions", "created", "ended", "evicted"];
    assert_eq!(figures(&NAMES).await, [3, 3, 0, 0]);
    let bytes = figure(&ada, "bytes").await;
    assert!((3 * 100..3 * 1_000).contains(&bytes), "{bytes} bytes for three sessions");

    eve.logout().await;
    assert_eq!(figures(&NAMES).await, [2, 3, 1, 0]);
    server.clock.advance(Duration::from_secs(50));
    ada.profile().await;
    server.clock.advance(Duration::from_secs(20));
    assert_eq!(server.store.evict_expired(), 1);
    assert_eq!(figures(&NAMES).await, [1, 3, 1, 1]);
}

#[tokio::test]
async fn every_look_up_of_a_session_is_counted() {
    let server = Server::start().await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    let before = figure(&browser, "lookups").await;
    for _ in 0..25 {
        browser.profile().await;
    }
    // The request counts its own look-up, and that of the one device.
    assert_eq!(figure(&browser, "lookups").await, before + 25 + 2);
    assert!(figure(&browser, "at").await < 60_000);
}

#[tokio::test]
async fn a_crowd_of_visitors_expires() {
    let server = Server::start().await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    assert_eq!(browser.post("/crowd", &[]).await.status(), 204);
    assert_eq!(figure(&browser, "sessions").await, 1_001);
    server.clock.advance(Duration::from_secs(9));
    assert_eq!(server.store.evict_expired(), 0);
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(server.store.evict_expired(), 1_000);
    assert_eq!(figure(&browser, "evicted").await, 1_000);
}
