//! The check of every request, and the headers of every response.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::refuse;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses requests that another site makes a browser send, and keeps responses out of caches.
///
/// `SameSite=Lax` keeps the cookie out of `POST` requests from other sites, but not out of those from another port or
/// subdomain of the same site. A forged login needs no cookie at all.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if safe || is_same_origin(request.headers()) {
        next.run(request).await
    } else {
        refuse(StatusCode::FORBIDDEN, "this request comes from another site").into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether the request comes from a page of this origin, or from no page at all (the address bar, curl).
///
/// Current browsers send `Sec-Fetch-Site`. Older ones send `Origin` with a `POST`; it must name this host.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_scheme, authority)| authority);
    authority.is_some() && authority == headers.get(header::HOST).and_then(|host| host.to_str().ok())
}
