//! The scenarios that every example passes, over a socket with an HTTP client.

use super::{Browser, Server, set_cookie};
use cloakroom::SessionId;
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Makes a test of each scenario, with a server from the given function, so that no example omits one.
macro_rules! tests_of_all {
    ($start:ident) => {
        $crate::support::scenarios::tests_of_all!($start:
            login_profile_and_logout_work
            a_wrong_password_gives_no_session
            a_wrong_cookie_names_no_session
            an_unused_session_expires
            listing_the_devices_keeps_only_the_listing_session_alive
            devices_are_listed_and_logged_out
        );

        #[tokio::test]
        async fn a_request_in_flight_does_not_undo_a_logout() {
            let (server, mut arrivals) = $start().await;
            $crate::support::scenarios::a_request_in_flight_does_not_undo_a_logout(&server, &mut arrivals).await;
        }
    };
    ($start:ident: $($scenario:ident)+) => {
        $(#[tokio::test]
        async fn $scenario() {
            $crate::support::scenarios::$scenario(&$start().await.0).await;
        })+
    };
}
pub(crate) use tests_of_all;

const REMOVAL: &str = "session_id=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0";

fn browser(server: &Server) -> Browser {
    Browser::new(server.address, server.login_by, "laptop")
}

fn ada(visits: u64) -> Option<(String, u64)> {
    Some(("ada".to_owned(), visits))
}

pub(crate) async fn login_profile_and_logout_work(server: &Server) {
    let browser = browser(server);
    assert_eq!(browser.profile().await, None);
    let id = browser.log_in("ada").await;
    assert_eq!((browser.profile().await, browser.profile().await), (ada(1), ada(2)));
    let second = browser.log_in("ada").await;
    assert_ne!(id, second);
    assert!(!server.sessions.store.exists(&id), "the id from before the login is live");
    assert_eq!(browser.profile().await, ada(3));

    let logout = browser.post("/logout").await;
    assert_eq!((logout.status().as_u16(), set_cookie(&logout)), (204, REMOVAL.to_owned()));
    assert_eq!(browser.profile().await, None);
    assert_eq!(server.sessions.store.count(), 0);
}

pub(crate) async fn a_wrong_password_gives_no_session(server: &Server) {
    let browser = browser(server);
    for (user, password) in [("ada", "compiler"), ("eve", "engine"), ("", "")] {
        let answer = browser.request_to_log_in(user, password).send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{user}");
        assert!(!answer.headers().contains_key(SET_COOKIE), "{user}");
    }
    assert_eq!(server.sessions.store.count(), 0);
}

pub(crate) async fn a_wrong_cookie_names_no_session(server: &Server) {
    let (browser, jarless) = (browser(server), browser(server));
    let id = browser.log_in("ada").await;
    let forged = SessionId::random().expect("random bytes");
    let wrong = [
        format!("session_id={forged}"),
        "session_id=".to_owned(),
        "session_id=forged".to_owned(),
        format!("session_id={id}0"),
        format!("Session_Id={id}"),
        format!("__Host-session_id={id}"),
    ];
    for cookie in wrong {
        let answer = jarless.get_with("/profile", &cookie).await;
        assert_eq!(answer.status(), 401, "{cookie}");
        assert!(!answer.headers().contains_key(SET_COOKIE), "{cookie}");
    }
    assert_eq!(jarless.get_with("/profile", &format!("a=b; session_id={id}")).await.status(), 200);
    assert_eq!(browser.profile().await, ada(2));
}

pub(crate) async fn a_request_in_flight_does_not_undo_a_logout(server: &Server, arrivals: &mut UnboundedReceiver<()>) {
    let browser = browser(server);
    browser.log_in("ada").await;
    let slow = {
        let browser = browser.clone();
        tokio::spawn(async move { browser.get("/slow").await })
    };
    arrivals.recv().await.expect("the request is at the gate");
    assert_eq!(browser.post("/logout").await.status(), 204);
    assert_eq!(server.sessions.store.count(), 0);

    server.sessions.open_gate();
    let slow = slow.await.expect("no panic");
    assert_eq!(slow.status(), 401);
    assert!(!slow.headers().contains_key(SET_COOKIE));
    assert_eq!(browser.profile().await, None);
    assert_eq!(server.sessions.store.count(), 0);

    // Without the logout, the attribute is stored.
    let id = browser.log_in("ada").await;
    server.sessions.open_gate();
    assert_eq!(browser.get("/slow").await.status(), 200);
    arrivals.recv().await.expect("the request was at the gate");
    assert_eq!(server.sessions.store.get(&id, "last_page").as_deref(), Some("/slow"));
}

pub(crate) async fn an_unused_session_expires(server: &Server) {
    let browser = browser(server);
    browser.log_in("ada").await;
    for visit in 1..=3 {
        server.sessions.clock.advance(Duration::from_secs(50));
        assert_eq!(browser.profile().await, ada(visit));
    }
    server.sessions.clock.advance(Duration::from_secs(61));
    assert_eq!(browser.profile().await, None);
    assert_eq!(server.sessions.store.count(), 0);
}

pub(crate) async fn listing_the_devices_keeps_only_the_listing_session_alive(server: &Server) {
    let (laptop, phone) = (browser(server), browser(server));
    laptop.log_in("ada").await;
    phone.log_in("ada").await;
    for seconds_later in [50, 11] {
        let listed: Value = phone.get("/devices").await.json().await.expect("JSON");
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
        server.sessions.clock.advance(Duration::from_secs(seconds_later));
    }
    let listed: Value = phone.get("/devices").await.json().await.expect("JSON");
    assert_eq!(listed, json!([{ "browser": "laptop", "this_one": true }]));
    assert_eq!(laptop.profile().await, None);
}

pub(crate) async fn devices_are_listed_and_logged_out(server: &Server) {
    let [laptop, phone] = ["laptop", "phone"].map(|name| Browser::new(server.address, server.login_by, name));
    let grace = browser(server);
    for device in [&laptop, &phone] {
        device.log_in("ada").await;
    }
    grace.log_in("grace").await;
    let devices: Value = phone.get("/devices").await.json().await.expect("JSON");
    let expected = json!([
        { "browser": "laptop", "this_one": false },
        { "browser": "phone", "this_one": true },
    ]);
    assert_eq!(devices, expected);

    let ended = phone.post("/logout-elsewhere").await;
    assert!(!ended.headers().contains_key(SET_COOKIE));
    assert_eq!(ended.json::<u32>().await.expect("a number"), 1);
    assert_eq!((laptop.profile().await, phone.profile().await), (None, ada(1)));

    laptop.log_in("ada").await;
    let ended = laptop.post("/logout-everywhere").await;
    assert_eq!(set_cookie(&ended), REMOVAL);
    assert_eq!(ended.json::<u32>().await.expect("a number"), 2);
    assert_eq!((laptop.profile().await, phone.profile().await), (None, None));
    assert_eq!(grace.profile().await, Some(("grace".to_owned(), 1)));
    assert_eq!(server.sessions.store.count(), 1);
    assert_eq!(laptop.post("/logout-everywhere").await.status(), 401);
}
