//! `Cookie` headers, from ordinary to hostile.

use cloakroom::SessionId;
use reqwest::header;

use crate::harness::{Server, profile_request, raw, user_of};

#[tokio::test]
async fn only_a_complete_issued_id_is_accepted() {
    let server = Server::start().await;
    let (browser, id) = (server.jarless(), server.jarless().logged_in("ada").await.to_string());
    let forged = SessionId::random().expect("random bytes");
    let refused = [
        format!("session_id={forged}"),
        format!("session_id={}", &id[..63]),
        format!("session_id={id}0"),
        format!("session_id={id}{id}"),
        format!("session_id=0x{}", &id[2..]),
        format!("session_id={}g", &id[..63]),
        format!("session_id={}+{}", &id[..32], &id[33..]),
        format!("session_id=\"{id}"),
        format!("session_id={id}\""),
        format!("session_id=\"\"{id}\"\""),
        format!("session_id={} {}", &id[..32], &id[32..]),
        format!("session_id{id}"),
        format!("session_id=={id}"),
        format!("session_id_={id}"),
        format!("Session_Id={id}"),
        format!("=session_id={id}"),
        format!("x=session_id={id}"),
        "session_id=".to_owned(),
        "session_id=\"".to_owned(),
        "session_id".to_owned(),
        id.clone(),
        ";=;;==;".to_owned(),
    ];
    for cookie in refused {
        assert_eq!(browser.status_with(&cookie).await, 401, "{cookie:?}");
    }
    assert_eq!(browser.status_with(&format!("session_id={id}")).await, 200);
}

#[tokio::test]
async fn an_id_is_found_among_spaces_quotes_and_other_cookies() {
    let server = Server::start().await;
    let (browser, id) = (server.jarless(), server.jarless().logged_in("ada").await);
    let accepted = [
        format!("session_id={}", id.to_string().to_uppercase()),
        format!("session_id=\"{id}\""),
        format!(" session_id = {id} "),
        format!("\tsession_id=\t{id}"),
        format!("theme=dark;session_id={id};lang=en"),
        format!("theme=dark; session_id={id}; lang=en"),
        format!(";;; session_id={id};"),
        format!("theme; =; session_id={id}"),
    ];
    for cookie in accepted {
        assert_eq!(browser.status_with(&cookie).await, 200, "{cookie:?}");
    }
}

#[tokio::test]
async fn the_first_of_several_ids_that_names_a_live_session_wins() {
    let server = Server::start().await;
    let browser = server.jarless();
    let (ada, grace) = (browser.logged_in("ada").await, browser.logged_in("grace").await);
    let forged = SessionId::random().expect("random bytes");
    let cases: [(&[String], &str); 4] = [
        (&[format!("session_id={ada}; session_id={grace}")], "ada"),
        (&[format!("session_id={grace}; session_id={ada}")], "grace"),
        (&[format!("session_id={forged}; session_id=x; session_id={grace}; session_id={ada}")], "grace"),
        (&[format!("session_id={forged}"), "a=b".to_owned(), format!("session_id={ada}")], "ada"),
    ];
    for (headers, user) in cases {
        let request = headers.iter().fold(browser.client.get(browser.url("/profile")), |request, cookie| {
            request.header(header::COOKIE, cookie)
        });
        assert_eq!(user_of(request.send().await.expect("an answer")).await, user);
    }
}

#[tokio::test]
async fn logout_ends_every_session_that_the_request_names() {
    let server = Server::start().await;
    let browser = server.jarless();
    let (ada, grace) = (browser.logged_in("ada").await, browser.logged_in("grace").await);
    let logout = browser.client.post(browser.url("/logout"));
    let both = format!("session_id={ada}; session_id={grace}");
    assert_eq!(logout.header(header::COOKIE, both).send().await.expect("an answer").status(), 204);
    assert_eq!(server.store.count(), 0);
}

#[tokio::test]
async fn bytes_that_are_not_text_are_skipped() {
    let server = Server::start().await;
    let id = server.jarless().logged_in("ada").await;
    let garbage: &[&[u8]] = &[b"session_id=\xff\xfe\x80", b"\xc3\x28=\xf0\x9f", b"session_id=\xe2\x82", b"\xff"];
    for bytes in garbage {
        let alone = raw(server.address, profile_request(bytes)).await;
        assert!(alone.starts_with("HTTP/1.1 401 "), "{bytes:?}: {alone}");
        let before_the_id = [bytes, format!("; session_id={id}").as_bytes()].concat();
        let answer = raw(server.address, profile_request(&before_the_id)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn control_bytes_in_a_cookie_are_a_bad_request() {
    let server = Server::start().await;
    let id = server.jarless().logged_in("ada").await;
    for byte in [0, 1, 0x7f] {
        let cookie = [format!("session_id={id}").as_bytes(), &[byte]].concat();
        let answer = raw(server.address, profile_request(&cookie)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{byte}: {answer}");
    }
}

#[tokio::test]
async fn an_id_after_kilobytes_of_other_cookies_is_found() {
    let server = Server::start().await;
    let id = server.jarless().logged_in("ada").await;
    let fillings = ["x".repeat(100_000), "a=b; ".repeat(20_000), ";".repeat(100_000), forged_ids(100_000)];
    for filling in fillings {
        let cookie = format!("session_id={filling}; session_id={id}");
        let answer = raw(server.address, profile_request(cookie.as_bytes())).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let too_much = raw(server.address, profile_request(&vec![b'x'; 2_000_000])).await;
    // Empty if the server closes the connection before its response arrives.
    assert!(too_much.is_empty() || too_much.starts_with("HTTP/1.1 431 "), "{too_much}");
    assert_eq!(server.jarless().status_of(&id).await, 200);
}

/// As many well-formed ids as fit. None of them names a session.
fn forged_ids(bytes: usize) -> String {
    let cookie = |number: usize| format!("session_id={number:064x}; ");
    (0..bytes / cookie(0).len()).map(cookie).collect()
}
