//! The page in one or two browsers. `ci/browser.sh` runs these tests, because they need Chromium.

mod webdriver;

use std::time::Duration;

use self::webdriver::{Driver, Page};
use crate::{app::Settings, harness::Server, overtaking::Site};

/// Browsers trust localhost, and so keep `Secure` cookies of it.
const SECURE: Settings = Settings { secure_cookies: true };

async fn server() -> Server {
    Server::with(|store| store.ttl(Duration::from_secs(60)), SECURE).await
}

fn url(server: &Server) -> String {
    format!("http://localhost:{}/", server.address.port())
}

/// Logs in by the keyboard only: the field has the focus, and Enter submits the form.
async fn log_in(page: &Page, server: &Server, user: &str) {
    page.go_to(&url(server)).await;
    page.until("the form is shown", async |page| page.shows("#user").await).await;
    page.type_text(&format!("{user}\u{e007}")).await;
    page.until("the user is logged in", async |page| page.text("#name").await == user).await;
    page.until("the greeting has the focus", async |page| page.focus().await == "session-title").await;
    page.until("the devices are shown", async |page| page.shows("#devices li").await).await;
}

async fn devices(page: &Page) -> Vec<String> {
    let names = "return [...document.querySelectorAll('#devices .browser')].map((name) => name.innerText)";
    let names = page.script(names, &[]).await;
    names.as_array().expect("a list").iter().map(|name| name.as_str().expect("text").to_owned()).collect()
}

async fn is_logged_out(page: &Page, message: &str) {
    page.until(message, async |page| page.text("#message").await == message).await;
    assert!(page.shows("#login").await && !page.shows("#inside").await);
    let left = page.script("return document.getElementById('inside').textContent", &[]).await;
    assert!(!left.as_str().expect("text").contains("ada"), "the page still names the user");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn two_browsers_see_each_other_and_one_ends_the_other() {
    let (server, driver) = (server().await, Driver::start());
    let (laptop, phone) = (driver.browser().await, driver.phone(360).await);
    log_in(&laptop, &server, "ada").await;
    log_in(&phone, &server, "ada").await;
    assert_eq!(server.store.count(), 2);
    for (page, expected) in [
        (&laptop, ["Headless Chrome on Linux", "Safari on iPhone"]),
        (&phone, ["Safari on iPhone", "Headless Chrome on Linux"]),
    ] {
        page.until("both devices are shown, this one first", async |page| devices(page).await == expected).await;
        assert!(
            page.shows("#devices li:first-child .badge").await && !page.shows("#devices li:first-child .end").await
        );
        assert!(page.shows("#devices li:last-child .end").await && !page.shows("#devices li:last-child .badge").await);
        assert_eq!(page.script("return document.cookie", &[]).await, "", "a script can read the cookie");
    }

    laptop.click("#devices li:last-child .end").await;
    is_logged_out(&phone, "This session has ended.").await;
    laptop.until("the end is reported", async |page| page.text("#message").await == "Ended: Safari on iPhone.").await;
    laptop.until("one device is left", async |page| devices(page).await.len() == 1).await;
    assert_eq!(server.store.count(), 1);
    laptop.click("#visit").await;
    laptop.until("the visit counts", async |page| page.number("#visits").await == 2).await;

    log_in(&phone, &server, "ada").await;
    laptop.until("the phone is back", async |page| devices(page).await.len() == 2).await;
    laptop.has_no_complaint().await;
    phone.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn the_figures_of_the_store_follow_its_sessions() {
    let (server, driver) = (server().await, Driver::start());
    let page = driver.browser().await;
    log_in(&page, &server, "ada").await;
    page.until("one session is shown", async |page| page.number("#sessions").await == 1).await;
    assert!(!page.shows("#disk").await, "nothing is on disk");
    let peak =
        page.script("return document.getElementById('line').getAttribute('points').split(' ').length", &[]).await;

    page.click("#crowd").await;
    page.until("the visitors are shown", async |page| page.number("#sessions").await == 1_001).await;
    assert_eq!((page.number("#created").await, page.number("#evicted").await), (1_001, 0));
    assert_eq!(page.text("#peak").await, "at most 1,001");
    server.clock.advance(Duration::from_secs(11));
    assert_eq!(server.store.evict_expired(), 1_000);
    page.until("the visitors are evicted", async |page| page.number("#evicted").await == 1_000).await;
    assert_eq!(page.number("#sessions").await, 1);

    page.click("#burst").await;
    page.until("the gets are counted", async |page| page.number("#visits").await == 202).await;
    page.until("their rate is shown", async |page| page.number("#rate").await > 10).await;
    page.until("the rate falls", async |page| page.number("#rate").await <= 10).await;
    let points =
        page.script("return document.getElementById('line').getAttribute('points').split(' ').length", &[]).await;
    assert!(points.as_u64() > peak.as_u64(), "the line does not grow");
    page.has_no_complaint().await;
}

/// The page of the example as a process, which is stopped and started again.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn the_page_shows_how_many_sessions_were_restored() {
    use crate::process::Process;
    let (parent, driver) = (tempfile::tempdir().expect("a directory"), Driver::start());
    let (directory, page) = (parent.path().join("sessions"), driver.browser().await);
    let url = |server: &Process| format!("http://localhost:{}/", server.address.port());
    let restored = async |number: &str| {
        let expected = format!("Sessions restored from disk: {number}. Writing works.");
        page.until("the disk is shown", async |page| page.text("#disk").await == expected).await;
    };
    let mut server = Process::keeping_in(&directory);
    page.go_to(&url(&server)).await;
    page.until("the form is shown", async |page| page.shows("#user").await).await;
    page.type_text("ada\u{e007}").await;
    restored("0").await;
    server.signal("-TERM");
    assert!(server.wait().success());

    // Every port of localhost gets the same cookies.
    let server = Process::keeping_in(&directory);
    page.go_to(&url(&server)).await;
    page.until("the user is logged in", async |page| page.text("#name").await == "ada").await;
    restored("1").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn the_session_of_an_open_page_expires() {
    let (server, driver) = (server().await, Driver::start());
    let page = driver.browser().await;
    log_in(&page, &server, "ada").await;
    server.clock.advance(Duration::from_secs(40));
    page.until("the time left is shown", async |page| page.text("#left").await == "0:20").await;
    page.until("the figures have been requested again", async |page| page.number("#rate").await > 0).await;
    server.clock.advance(Duration::from_secs(21));
    is_logged_out(&page, "This session has ended.").await;
    assert_eq!(server.store.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn logging_out_everywhere_reaches_the_other_browser_and_no_other_user() {
    let (server, driver) = (server().await, Driver::start());
    let (laptop, phone, other) = (driver.browser().await, driver.phone(360).await, driver.browser().await);
    log_in(&laptop, &server, "ada").await;
    log_in(&phone, &server, "ada").await;
    log_in(&other, &server, "<b>mallory</b>").await;
    phone.click("#logout-everywhere").await;
    is_logged_out(&phone, "Logged out on all your devices.").await;
    is_logged_out(&laptop, "This session has ended.").await;
    assert_eq!(devices(&other).await, ["Headless Chrome on Linux"]);
    assert_eq!(other.script("return document.querySelectorAll('b').length", &[]).await, 0);
    other.click("#logout").await;
    is_logged_out(&other, "Logged out.").await;
    assert_eq!(server.store.count(), 0);
}

/// A page on another port of the same host belongs to the same site. `SameSite` does not keep the cookie out of its
/// requests, so the server itself must check where a request comes from.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn pages_of_other_origins_end_no_session() {
    let (server, elsewhere, driver) = (server().await, server().await, Driver::start());
    let page = driver.browser().await;
    log_in(&page, &server, "ada").await;
    let target = format!("{}logout-everywhere", url(&server));
    let port = elsewhere.address.port();
    for origin in [format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}")] {
        // Not the page itself, because its policy forbids forms to other origins.
        page.go_to(&format!("{origin}/page.js")).await;
        let post = "const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0]; \
            document.body.append(form); form.submit()";
        page.script(post, &[&target]).await;
        let refused = async |page: &Page| page.text("body").await.contains("this request comes from another site");
        page.until("the request is refused", refused).await;
        page.go_to(&url(&server)).await;
        page.until("still logged in", async |page| page.text("#name").await == "ada").await;
    }
    assert_eq!(server.store.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn titles_share_a_line_with_their_buttons_on_narrow_screens() {
    let (server, driver) = (server().await, Driver::start());
    // The centre of each visible button in a title, relative to the top and the bottom of the title's heading.
    let beside = "return [...document.querySelectorAll('.title button')].map((button) => { \
        const box = button.getBoundingClientRect(), middle = (box.top + box.bottom) / 2; \
        const heading = button.parentElement.querySelector('h2').getBoundingClientRect(); \
        return button.id + (heading.top <= middle && middle <= heading.bottom && heading.right <= box.left)})";
    for width in [390, 320] {
        let phone = driver.phone(width).await;
        log_in(&phone, &server, "Augusta Ada King, Countess of Lovelace").await;
        let expected = ["logouttrue", "logout-everywheretrue"];
        assert_eq!(phone.script(beside, &[]).await, serde_json::json!(expected), "{width} pixels");
        let broken = "return [...document.querySelectorAll('.title button, #devices-title')].filter((part) => { \
            const range = document.createRange(); range.selectNodeContents(part); \
            const words = part.id === 'devices-title' ? part.innerText.split(' ').length : 1; \
            return new Set([...range.getClientRects()].map((line) => line.top)).size > words}).length";
        assert_eq!(phone.script(broken, &[]).await, 0, "a word or a button's text breaks at {width} pixels");
        phone.click("#logout-everywhere").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn the_time_left_is_one_line_box_on_narrow_screens() {
    // As long a text as the server's default timeout shows.
    let server = Server::with(|store| store.ttl(Duration::from_secs(30 * 60 - 2)), SECURE).await;
    let driver = Driver::start();
    for width in [390, 320] {
        let phone = driver.phone(width).await;
        log_in(&phone, &server, "ada").await;
        assert_eq!(phone.text("#left").await.len(), "29:58".len());
        let lines = "const range = document.createRange(); \
            range.selectNodeContents(document.querySelector(arguments[0])); return range.getClientRects().length";
        for fact in ["#since", "#visits", "#left"] {
            assert_eq!(phone.script(lines, &[fact]).await, 1, "{fact} at {width} pixels");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn a_separating_dot_is_visible_only_between_two_texts_of_one_line() {
    let (server, driver) = (server().await, Driver::start());
    // For each dot: whether it is within its paragraph's visible box, and whether a text of its line precedes it.
    let dots = "return [...document.querySelectorAll('#devices .dot')].map((dot) => { \
        const box = dot.getBoundingClientRect(), line = dot.closest('.times').getBoundingClientRect(); \
        const texts = [...dot.closest('.times').querySelectorAll('.began, .used')]; \
        const before = texts.some((text) => { const there = text.getBoundingClientRect(); \
            return there.right <= box.left + 1 && there.top < box.bottom && box.top < there.bottom}); \
        return [box.right > line.left + 1, before]})";
    log_in(&driver.browser().await, &server, "ada").await;
    for (width, on_one_line) in [(1200, true), (390, false), (320, false)] {
        let page = if width == 1200 { driver.browser().await } else { driver.phone(width).await };
        log_in(&page, &server, "ada").await;
        page.until("the other device is shown", async |page| devices(page).await.len() >= 2).await;
        // As long a text as there is.
        page.script(
            "document.querySelectorAll('#devices .used').forEach((used) => used.textContent = arguments[0])",
            &["used 59 min ago"],
        )
        .await;
        let dots = page.script(dots, &[]).await;
        let dots = dots.as_array().expect("a list");
        assert!(dots.len() >= 4, "{dots:?}");
        assert!(dots.iter().all(|dot| dot[0] == dot[1]), "{width} pixels: {dots:?}");
        assert_eq!(dots.iter().any(|dot| dot[0] == true), on_one_line, "{width} pixels: {dots:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn a_refused_name_is_called_by_the_label_of_its_field() {
    let (server, driver) = (server().await, Driver::start());
    let page = driver.browser().await;
    page.go_to(&url(&server)).await;
    page.until("the form is shown", async |page| page.shows("#user").await).await;
    page.type_text("   \u{e007}").await;
    let label = page.text("label[for=user]").await;
    page.until("the refusal is shown", async |page| {
        page.shows("#message").await && !page.text("#message").await.is_empty()
    })
    .await;
    let message = page.text("#message").await;
    assert!(message.starts_with(&format!("{label} must have")) && message.ends_with('.'), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn the_page_fits_a_phone_and_each_control_has_a_name() {
    let (server, driver) = (server().await, Driver::start());
    for width in [390, 320] {
        let phone = driver.phone(width).await;
        log_in(&phone, &server, &"x".repeat(64)).await;
        let wide = "const cards = [...document.querySelectorAll('.card')].filter((card) => card.checkVisibility()); \
            return cards.flatMap((card) => { \
            const edge = card.getBoundingClientRect().right - parseFloat(getComputedStyle(card).paddingRight); \
            return [...card.querySelectorAll('*')].filter((part) => part.getBoundingClientRect().right > edge)}) \
            .map((part) => part.id || part.className || part.localName).join()";
        assert_eq!(phone.script(wide, &[]).await, "", "wider than its card at {width} pixels");
        // `innerWidth` would grow with an element that is too wide.
        let outside = "return [...document.querySelectorAll('*')].filter((part) => \
            part.getBoundingClientRect().right > Number(arguments[0])).length";
        assert_eq!(phone.script(outside, &[&width.to_string()]).await, 0, "outside of {width} pixels");
    }
    let phone = driver.phone(360).await;
    log_in(&phone, &server, &"x".repeat(64)).await;
    let small = "return [...document.querySelectorAll('button')].filter((button) => button.checkVisibility() && \
        button.getBoundingClientRect().height < 44).map((button) => button.id).join()";
    assert_eq!(phone.script(small, &[]).await, "", "too low for a finger");
    let nameless = "const name = (control) => \
            control.ariaLabel || control.textContent.trim() || control.labels?.length; \
        return [...document.querySelectorAll('button, input')].filter((control) => !name(control)) \
        .map((control) => control.id).join()";
    assert_eq!(phone.script(nameless, &[]).await, "", "without a name");
    phone.has_no_complaint().await;
}

/// Requests a path in the page, and keeps the status of the response in the page's title.
const REQUEST: &str = "fetch(arguments[0]).then((answer) => { document.title = String(answer.status) })";

async fn is_answered(page: &Page, status: &str) {
    page.until("the request is answered", async |page| page.script("return document.title", &[]).await == status).await;
}

/// One tab has a slow request under way, without a cookie or with that of a visitor, while the user logs in in another.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: ci/browser.sh"]
async fn a_response_after_the_login_in_another_tab_leaves_the_user_logged_in() {
    for visited in [false, true] {
        let (mut site, driver) = (Site::start(|layer| layer.remove_stale(true)).await, Driver::start());
        let url = format!("http://localhost:{}/", site.address.port());
        let page = driver.browser().await;
        page.go_to(&url).await;
        if visited {
            page.script(REQUEST, &["/store"]).await;
            is_answered(&page, "200").await;
            page.script("document.title = ''", &[]).await;
        }
        page.script(REQUEST, &["/store-slowly"]).await;
        site.arrival().await;

        let first = page.new_tab().await;
        page.go_to(&url).await;
        page.script(REQUEST, &["/login"]).await;
        is_answered(&page, "200").await;
        site.open_gate();
        page.switch_to(&first).await;
        is_answered(&page, if visited { "409" } else { "200" }).await;
        for path in ["/user", "/basket"] {
            page.script("document.title = ''", &[]).await;
            page.script(REQUEST, &[path]).await;
            is_answered(&page, "200").await;
        }
    }
}
