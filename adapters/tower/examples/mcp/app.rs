//! The endpoint `/mcp`, for the versions of the protocol that have sessions: up to 2025-11-25. (From 2026-07-28 on
//! there are none. A server then gives its client a handle, which the client passes as an argument. A `SessionId` that
//! is bound to the user serves for that too.)
//!
//! | request | response |
//! |---|---|
//! | without a valid token | 401 |
//! | with an `Origin`, which only a browser sends | 403, because a page might have rebound its domain to this address |
//! | `POST` of `initialize` | 200, and the id of a new session in `Mcp-Session-Id`; 503 with `Retry-After` if there is no room |
//! | `POST` of another request | 200 |
//! | `POST` of a notification | 202 |
//! | `DELETE` | 204, and the session has ended |
//! | `GET` | 405, because this server sends nothing by itself |
//! | any but `initialize` without an id | 400 |
//! | with an id that has ended, is unknown or belongs to another user | 404, at which the client begins anew |
//! | with another version of the protocol | 400 |

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use cloakroom::{CreateError, Principal, SessionId, SessionStore, SessionStoreBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The versions that this server speaks, the newest first.
const VERSIONS: [&str; 2] = ["2025-11-25", "2025-06-18"];

/// After which a client may find room.
const RETRY_SECONDS: &str = "30";

/// Many clients never send `DELETE`: their sessions expire. A user with too many cannot take the others' room.
pub(crate) fn limits() -> SessionStoreBuilder {
    let builder = SessionStore::builder().max_sessions(1_000).max_sessions_per_principal(10).max_session_bytes(4 << 10);
    builder.ttl(Duration::from_secs(10 * 60)).absolute_timeout(Duration::from_secs(8 * 60 * 60))
}

pub(crate) fn app(store: Arc<SessionStore>) -> Router {
    Router::new()
        .route("/mcp", post(message).delete(end))
        .layer(DefaultBodyLimit::max(64 << 10))
        .layer(from_fn(authenticate))
        .with_state(store)
}

/// The tokens and their users. A real server checks the signature and the audience of an OAuth token.
const TOKENS: [(&str, &str); 2] = [("ada-token", "ada"), ("grace-token", "grace")];

/// The user comes from the token of each request. The id of a session is no proof of who sends it.
async fn authenticate(mut request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some((_, user)) = TOKENS.iter().find(|(known, _)| Some(*known) == token) else {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    request.extensions_mut().insert(Principal::new(user));
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, "no-store".parse().expect("visible ASCII"));
    response
}

type User = Extension<Principal>;

/// A JSON-RPC message. One without an `id` is a notification.
#[derive(Deserialize)]
struct Message {
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

/// The live session that the request names, which belongs to the user, or the status that says why there is none.
fn session(store: &SessionStore, user: &Principal, headers: &HeaderMap) -> Result<SessionId, StatusCode> {
    let named = headers.get(SESSION_ID).ok_or(StatusCode::BAD_REQUEST)?;
    if headers.get(PROTOCOL_VERSION).is_some_and(|version| !VERSIONS.iter().any(|known| version == known)) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let id = named.to_str().ok().and_then(|text| text.parse::<SessionId>().ok());
    // Another user's session is not told apart from none. The principal of an id never changes.
    id.filter(|id| store.principal(id) == Some(*user) && store.touch(id)).ok_or(StatusCode::NOT_FOUND)
}

async fn message(
    State(store): State<Arc<SessionStore>>,
    Extension(user): User,
    headers: HeaderMap,
    Json(message): Json<Message>,
) -> Result<Response, StatusCode> {
    if message.method == "initialize" {
        return Ok(initialize(&store, user, message));
    }
    let session = session(&store, &user, &headers)?;
    let Some(id) = message.id else { return Ok(StatusCode::ACCEPTED.into_response()) };
    let answer = match message.method.as_str() {
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": [tool()] })),
        "tools/call" if message.params["name"] == "count" => {
            // The session may end between the look-up and this.
            let calls = store.increment(&session, "calls", 1).map_err(|_| StatusCode::NOT_FOUND)?;
            Ok(json!({ "content": [{ "type": "text", "text": calls.to_string() }] }))
        }
        "tools/call" => Err(json!({ "code": -32602, "message": "there is no such tool" })),
        _ => Err(json!({ "code": -32601, "message": "there is no such method" })),
    };
    Ok(Json(match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    })
    .into_response())
}

fn initialize(store: &SessionStore, user: Principal, Message { id, params, .. }: Message) -> Response {
    let asked = params["protocolVersion"].as_str();
    let version = VERSIONS.into_iter().find(|known| Some(*known) == asked).unwrap_or(VERSIONS[0]);
    let session = match store.new_session().principal(user).create_with([("version", version)]) {
        Ok(session) => session,
        Err(CreateError::Full | CreateError::PrincipalFull) => {
            return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY_SECONDS)]).into_response();
        }
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let result = json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "cloakroom-example", "version": env!("CARGO_PKG_VERSION") },
    });
    ([(SESSION_ID, session.to_string())], Json(json!({ "jsonrpc": "2.0", "id": id, "result": result }))).into_response()
}

fn tool() -> Value {
    json!({
        "name": "count",
        "description": "Counts its calls in this session",
        "inputSchema": { "type": "object", "properties": {} },
    })
}

async fn end(
    State(store): State<Arc<SessionStore>>,
    Extension(user): User,
    headers: HeaderMap,
) -> Result<StatusCode, StatusCode> {
    let id = session(&store, &user, &headers)?;
    store.delete(&id).then_some(StatusCode::NO_CONTENT).ok_or(StatusCode::NOT_FOUND)
}
