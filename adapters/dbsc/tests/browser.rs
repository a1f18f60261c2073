//! The example's server in two profiles of Chromium, which makes keys in software for this test. `ci/browser.sh` runs
//! it.

#[path = "../examples/dbsc/app.rs"]
mod app;
#[allow(dead_code, reason = "the tests of the example `server` use the rest")]
#[path = "../../tower/tests/server/browser/webdriver.rs"]
mod webdriver;

use cloakroom::{Principal, SessionStore};
use cloakroom_dbsc::{ATTRIBUTE, Dbsc};
use reqwest::Method;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;
use webdriver::{Driver, Page};

mod harness {
    use std::time::Duration;

    /// The longest time that an answer may take.
    pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

    /// The client that talks to chromedriver.
    pub(crate) fn client(_cookies: bool) -> reqwest::Client {
        reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client without TLS")
    }
}

/// In the time of the browser, which no test can set.
const LIFETIME: Duration = Duration::from_secs(6);
const LEEWAY: Duration = Duration::from_secs(1);

/// DBSC without tokens of an origin trial, with keys in software.
fn options() -> Value {
    let flags = [
        "enable-standard-device-bound-session-credentials@2",
        "enable-bound-session-credentials-software-keys-for-manual-testing@1",
    ];
    json!({ "args": [], "localState": { "browser": { "enabled_labs_experiments": flags } } })
}

async fn status(page: &Page, method: &str, path: &str) -> u64 {
    let script = "return fetch(arguments[1], { method: arguments[0] }).then((answer) => answer.status)";
    page.script(script, &[method, path]).await.as_u64().expect("a status")
}

async fn profile(page: &Page) -> (u64, String) {
    let script = "return fetch('/profile').then((answer) => answer.text().then((text) => [answer.status, text]))";
    let answer = page.script(script, &[]).await;
    (answer[0].as_u64().expect("a status"), answer[1].as_str().expect("text").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn a_cookie_that_is_copied_to_another_profile_stops_working_and_the_first_profile_goes_on() {
    let store = Arc::new(SessionStore::default());
    let dbsc = Dbsc::builder().lifetime(LIFETIME).leeway(LEEWAY).build().expect("valid settings");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let url = format!("http://localhost:{}/", listener.local_addr().expect("a bound socket").port());
    tokio::spawn(axum::serve(listener, app::app(Arc::clone(&store), Arc::new(dbsc))).into_future());
    let held = || {
        let id = *store.sessions_of(&Principal::new("ada")).first()?;
        store.peek(&id, |session| session.get(ATTRIBUTE).map(str::to_owned))?
    };

    let driver = Driver::start();
    let laptop = driver.open(options()).await;
    laptop.go_to(&url).await;
    laptop.click("form[action='/login'] button").await;
    laptop.until("the key is registered", async |_| held().is_some_and(|held| held.starts_with("bound "))).await;
    laptop.until("the bound cookie is there", async |page| profile(page).await == (200, "ada, bound".to_owned())).await;
    let registered = held().expect("a key");

    let cookies = laptop.command(Method::GET, "/cookie", Value::Null).await;
    let cookies = cookies.as_array().expect("a list");
    assert_eq!(cookies.len(), 2, "the session's cookie and the bound one");
    let thief = driver.open(options()).await;
    thief.go_to(&url).await;
    for cookie in cookies {
        // The thief lets no cookie end.
        let copy =
            json!({ "name": cookie["name"], "value": cookie["value"], "path": "/", "secure": true, "httpOnly": true });
        thief.command(Method::POST, "/cookie", json!({ "cookie": copy })).await;
    }
    assert_eq!(profile(&thief).await.0, 200, "at first the copy works");

    for _ in 0..3 {
        sleep(LIFETIME + LEEWAY).await;
        assert_eq!(profile(&thief).await.0, 401, "the copy does not");
        assert_eq!(profile(&laptop).await, (200, "ada, bound".to_owned()), "the device goes on");
        assert_eq!(profile(&thief).await.0, 401, "the copy does not, after a refresh by the device");
    }
    let refreshed = held().expect("a key");
    let part = |held: &str, at: usize| held.split(' ').nth(at).map(str::to_owned);
    assert_eq!(part(&registered, 4), part(&refreshed, 4), "the same key");
    assert_ne!(part(&registered, 3), part(&refreshed, 3), "it has answered a challenge");

    assert_eq!(status(&thief, "POST", "/logout").await, 401, "nor can the thief log the user out");
    assert_eq!(status(&laptop, "POST", "/logout").await, 204);
    assert_eq!((store.count(), profile(&laptop).await.0), (0, 401));
}
