//! The page of the example server on two ports. `ci/browser.sh` runs these tests, because they need Chromium.

use crate::demo::Demo;
use crate::engine::Engine;
use crate::webdriver::{Driver, Page};

/// An engine that does not wait for the disk.
fn quick() -> Engine {
    Engine::start_with(&["--appendonly", "no"])
}

fn url(demo: &Demo) -> String {
    format!("http://localhost:{}/", demo.port)
}

async fn log_in(page: &Page, demo: &Demo, user: &str) {
    page.go_to(&url(demo)).await;
    page.until("the form is shown", async |page| page.shows("#user").await).await;
    page.type_text(&format!("{user}\u{e007}")).await;
    page.until("the user is logged in", async |page| page.text("#name").await == user).await;
}

async fn is_answered_by(page: &Page, demo: &Demo) {
    let node = format!("Answered by the server on port {}.", demo.port);
    page.until("the page says which server has answered", async |page| page.text("#node").await == node).await;
    page.until("the figures of this server are shown", async |page| page.number("#near-hits").await > 0).await;
    assert!(!page.shows("#store").await, "the figures of a store of one process are shown");
}

/// Cookies know no ports, so a page of either port shows the same session.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and an engine: ci/browser.sh"]
async fn one_browser_logs_in_on_one_port_and_out_on_the_other() {
    let (engine, driver) = (quick(), Driver::start());
    let (one, two) = (Demo::start(&engine), Demo::start(&engine));
    let page = driver.browser().await;
    log_in(&page, &one, "ada").await;
    is_answered_by(&page, &one).await;
    let first = page.new_tab().await;
    page.go_to(&url(&two)).await;
    page.until("the login holds there", async |page| page.text("#name").await == "ada").await;
    is_answered_by(&page, &two).await;
    page.click("#logout").await;
    page.until("the logout is said", async |page| page.text("#message").await == "Logged out.").await;
    page.switch_to(&first).await;
    page.until("the first refuses", async |page| page.text("#message").await == "This session has ended.").await;
    page.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and an engine: ci/browser.sh"]
async fn a_browser_on_one_port_ends_a_browser_on_the_other() {
    let (engine, driver) = (quick(), Driver::start());
    let (one, two) = (Demo::start(&engine), Demo::start(&engine));
    let (laptop, phone) = (driver.browser().await, driver.phone(360).await);
    log_in(&laptop, &one, "ada").await;
    log_in(&phone, &two, "ada").await;
    laptop.until("both are listed", async |page| page.shows("#devices li:last-child .end").await).await;
    laptop.click("#devices li:last-child .end").await;
    phone.until("the phone is out", async |page| page.text("#message").await == "This session has ended.").await;
    assert!(!phone.shows("#inside").await);
    laptop.has_no_complaint().await;
}

/// The user is not logged out while the engine is away, and the page goes on when it is back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and an engine: ci/browser.sh"]
async fn a_page_waits_for_an_engine_that_is_away() {
    let (engine, driver) = (quick(), Driver::start());
    let demo = Demo::start(&engine);
    let page = driver.browser().await;
    log_in(&page, &demo, "ada").await;
    engine.signal("-STOP");
    let away = "The sessions cannot be reached; trying again.";
    page.until("the page says so", async |page| page.text("#message").await == away).await;
    assert_eq!(page.text("#name").await, "ada");
    engine.signal("-CONT");
    page.until("the page goes on", async |page| page.text("#message").await.is_empty()).await;
    page.click("#visit").await;
    page.until("the visit counts", async |page| page.number("#visits").await == 2).await;
}
