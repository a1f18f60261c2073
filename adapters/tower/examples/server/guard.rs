//! The check of every request, and the headers of every response.

use axum::{
    Router, body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::refuse;

/// Refuses requests that another site makes a browser send, and keeps responses out of caches.
///
/// `SameSite=Lax` keeps the cookie out of `POST` requests from other sites, but not out of those from another port or
/// subdomain of the same site. A forged login needs no cookie at all. `CsrfLayer` admits a request if the browser says
/// in `Sec-Fetch-Site` that it comes from this origin or from no page. Browsers without that header send `Origin`,
/// which must name this host. Requests with neither do not come from a page.
pub(crate) fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let forged = |_: ProtectionError| -> Response<body::Body> {
        refuse(StatusCode::FORBIDDEN, "this request comes from another site").into_response()
    };
    routes.layer(CsrfLayer::new().with_rejection_response(forged)).layer(from_fn(uncached))
}

async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
