//! What holds for every request and every response, whatever its handler does.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::refuse;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site makes a browser send, and keeps answers out of every cache.
///
/// `SameSite=Lax` already keeps the cookie out of cross-site POSTs, but not out of those from another port or subdomain
/// of the same site; and a login forged by another site needs no cookie at all.
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

/// Whether a request was made by a page of this origin, or by no page at all (a person, curl).
///
/// Every current browser says so in `Sec-Fetch-Site`; older ones send `Origin` with a POST, and it must name this host.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_scheme, authority)| authority);
    authority.is_some() && authority == headers.get(header::HOST).and_then(|host| host.to_str().ok())
}
