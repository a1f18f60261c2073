//! Refused requests, and the files that every client may have.

use reqwest::{StatusCode, header};

use crate::harness::{Server, json, raw, user_of};

async fn refused_login(server: &Server, body: impl Into<reqwest::Body>, content_type: &str) -> (StatusCode, String) {
    let browser = server.jarless();
    let login = browser.client.post(browser.url("/login")).header(header::CONTENT_TYPE, content_type).body(body);
    let answer = login.send().await.expect("an answer");
    assert!(!answer.headers().contains_key(header::SET_COOKIE));
    let status = answer.status();
    (status, json(answer).await["error"].as_str().expect("a reason").to_owned())
}

#[tokio::test]
async fn a_login_without_a_valid_name_is_refused_with_a_reason() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let server = Server::start().await;
    let (long, huge) = (format!("user={}", "x".repeat(65)), format!("user={}", "x".repeat(5_000)));
    let cases: [(&str, &str, u16, &str); 10] = [
        ("user=", FORM, 422, "your name must have 1 to 64 characters"),
        ("user=+%20%09", FORM, 422, "your name must have 1 to 64 characters"),
        (&long, FORM, 422, "your name must have 1 to 64 characters"),
        ("user=a%00b", FORM, 422, "control characters"),
        ("user=a%0d%0ab", FORM, 422, "control characters"),
        ("name=ada", FORM, 422, "missing field"),
        ("user=ada&user=eve", FORM, 422, "duplicate field"),
        ("", FORM, 422, "missing field"),
        (&huge, FORM, 413, "length limit"),
        ("{\"user\":\"ada\"}", "application/json", 415, "Content-Type"),
    ];
    for (body, content_type, expected, part) in cases {
        let (status, reason) = refused_login(&server, body.to_owned(), content_type).await;
        assert_eq!(status, expected, "{body:?}");
        assert!(reason.contains(part), "{body:?}: {reason}");
    }
    assert_eq!(server.store.count(), 0);
}

#[tokio::test]
async fn every_refusal_has_a_json_body_with_a_reason() {
    const FORM: &str = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
    let server = Server::with(|store| store.max_sessions(1), crate::app::Settings { secure_cookies: false }).await;
    server.browser().logged_in("ada").await;
    let huge = format!("{FORM}\r\nContent-Length: 5005\r\n\r\nuser={}", "x".repeat(5_000));
    let cases: [(u16, &str); 12] = [
        (401, "GET /profile HTTP/1.1\r\n\r\n"),
        (401, "GET /live HTTP/1.1\r\n\r\n"),
        (401, "POST /crowd HTTP/1.1\r\n\r\n"),
        (403, "POST /login HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n"),
        (404, "GET /nothing HTTP/1.1\r\n\r\n"),
        (405, "GET /login HTTP/1.1\r\n\r\n"),
        (405, "DELETE / HTTP/1.1\r\n\r\n"),
        (413, &huge),
        (415, "POST /login HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"),
        (422, &format!("{FORM}\r\nContent-Length: 5\r\n\r\nuser=")),
        (422, &format!("{FORM}\r\nContent-Length: 8\r\n\r\nname=ada")),
        (503, &format!("{FORM}\r\nContent-Length: 8\r\n\r\nuser=eve")),
    ];
    for (status, request) in cases {
        let request = request.replacen("\r\n", "\r\nHost: localhost\r\nConnection: close\r\n", 1);
        let answer = raw(server.address, request.into_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
        let reason: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert!(reason["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{answer}");
    }
}

#[tokio::test]
async fn a_refused_login_leaves_the_session_of_its_request() {
    let server = Server::start().await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    assert_eq!(browser.login("").await.status(), 422);
    assert_eq!(user_of(browser.profile().await).await, "ada");
}

#[tokio::test]
async fn a_name_of_64_characters_of_any_script_is_kept_as_it_is() {
    let server = Server::start().await;
    for user in ["x".repeat(64), "😀".repeat(64), "<script>alert(1)</script>".to_owned(), "a\"b\\c;d=e&f".to_owned()]
    {
        let browser = server.browser();
        browser.logged_in(&user).await;
        assert_eq!(user_of(browser.profile().await).await, user);
    }
}

#[tokio::test]
async fn a_post_from_another_site_is_refused() {
    let server = Server::start().await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    let (own, other_port) = (browser.base.clone(), "http://127.0.0.1:1".to_owned());
    let cases: [(&[(&str, &str)], u16); 11] = [
        (&[], 204),
        (&[("sec-fetch-site", "same-origin")], 204),
        (&[("sec-fetch-site", "none")], 204),
        (&[("origin", &own)], 204),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", &own)], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", &other_port)], 403),
        // Taken for none. No browser sends it: a page without an origin says `null`.
        (&[("origin", "")], 204),
    ];
    for (headers, expected) in cases {
        browser.logged_in("ada").await;
        for path in ["/logout", "/login"] {
            let request = browser.client.post(browser.url(path)).form(&[("user", "eve")]);
            let request = headers.iter().fold(request, |request, &(name, value)| request.header(name, value));
            let answer = request.send().await.expect("an answer");
            let expected = if path == "/login" && expected == 204 { 200 } else { expected };
            assert_eq!(answer.status(), expected, "{path} {headers:?}");
        }
        let user = if expected == 403 { "ada" } else { "eve" };
        assert_eq!(user_of(browser.profile().await).await, user, "{headers:?}");
    }
}

#[tokio::test]
async fn no_other_site_ends_a_session_or_creates_visitors() {
    let server = Server::start().await;
    let browser = server.browser();
    browser.logged_in("ada").await;
    let name = browser.told().await["devices"][0]["name"].as_str().expect("a name").to_owned();
    for path in ["/end", "/logout-everywhere", "/crowd"] {
        let request = browser.client.post(browser.url(path)).form(&[("device", &name)]);
        let answer = request.header("sec-fetch-site", "same-site").send().await.expect("an answer");
        assert_eq!(answer.status(), 403, "{path}");
        let by_link = browser.client.get(browser.url(path)).send().await.expect("an answer");
        assert_eq!(by_link.status(), 405, "{path}");
    }
    assert_eq!(user_of(browser.profile().await).await, "ada");
    assert_eq!(server.store.count(), 1);
}

#[tokio::test]
async fn the_page_is_the_same_for_all_users_and_runs_only_its_own_script() {
    let server = Server::start().await;
    let browser = server.browser();
    let get = async |path: &str| browser.client.get(browser.url(path)).send().await.expect("an answer");
    let before = get("/").await;
    let policy = before.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII").to_owned();
    for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|part| part == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(before.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let before = before.text().await.expect("a page");

    browser.logged_in("<b>mallory</b>").await;
    let after = get("/").await;
    assert!(!after.headers().contains_key(header::SET_COOKIE));
    assert_eq!(after.text().await.expect("a page"), before);

    for (path, content_type) in [("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        assert!(before.contains(&format!("=\"{path}\"")));
        let part = get(path).await;
        assert_eq!(part.status(), 200);
        assert_eq!(part.headers()[header::CONTENT_TYPE], format!("{content_type}; charset=utf-8"));
        let text = part.text().await.expect("text");
        assert!(!text.contains("innerHTML") && !text.contains("http://") && !text.contains("https://"), "{path}");
    }
    assert!(!before.contains("http://") && !before.contains("https://"));
}

#[tokio::test]
async fn no_response_may_be_cached_or_sniffed() {
    let server = Server::with(|store| store.max_sessions(1), crate::app::Settings { secure_cookies: false }).await;
    let browser = server.browser();
    let cross_site = browser.client.post(browser.url("/login")).header("sec-fetch-site", "cross-site");
    let answers = [
        (401, browser.profile().await),
        (401, browser.live().await),
        (200, browser.login("ada").await),
        (503, server.jarless().login("late").await),
        (422, browser.login("").await),
        (200, browser.profile().await),
        (200, browser.live().await),
        (404, browser.post("/end", &[("device", "none")]).await),
        (403, cross_site.send().await.expect("an answer")),
        (204, browser.logout().await),
        (401, browser.post("/logout-everywhere", &[]).await),
        (404, browser.client.get(browser.url("/nothing")).send().await.expect("an answer")),
        (405, browser.client.get(browser.url("/login")).send().await.expect("an answer")),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store", "{status}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{status}");
    }
}
