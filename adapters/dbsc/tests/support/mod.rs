//! The example's server on a free port, and clients that hold a key as a browser does.

use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom::{ManualClock, SessionStore};
use cloakroom_dbsc::{CHALLENGE, Dbsc, REGISTRATION, RESPONSE, SESSION_ID};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) const LIFETIME: Duration = Duration::from_secs(300);
pub(crate) const CHALLENGE_LIFETIME: Duration = Duration::from_secs(60);
pub(crate) const LEEWAY: Duration = Duration::from_secs(20);
pub(crate) const BLINK: Duration = Duration::from_millis(1);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<SessionStore>,
    pub(crate) clock: ManualClock,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let clock = ManualClock::new();
        let store = SessionStore::builder().clock(clock.clone()).ttl(10 * LIFETIME).build().expect("valid settings");
        let store = Arc::new(store);
        let dbsc = Dbsc::builder().clock(clock.clone()).lifetime(LIFETIME).leeway(LEEWAY).exclude("/static/");
        let dbsc = dbsc.challenge_lifetime(CHALLENGE_LIFETIME).build().expect("valid settings");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        tokio::spawn(axum::serve(listener, crate::app::app(Arc::clone(&store), Arc::new(dbsc))).into_future());
        Self { address, store, clock }
    }
}

/// The key of a device.
pub(crate) struct Key(SigningKey);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).expect("a scalar"))
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.0.verifying_key().to_sec1_point(false);
        let text = |coordinate: Option<_>| Base64UrlUnpadded::encode_string(coordinate.expect("not the identity"));
        let (x, y) = (text(point.x().map(|x| &x[..])), text(point.y().map(|y| &y[..])));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    /// The JWT of a registration.
    pub(crate) fn registration(&self, challenge: &str) -> String {
        self.sign(&json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": self.jwk() }), &json!({ "jti": challenge }))
    }

    /// The JWT of a refresh.
    pub(crate) fn proof(&self, challenge: &str) -> String {
        self.sign(&json!({ "alg": "ES256", "typ": "dbsc+jwt" }), &json!({ "jti": challenge }))
    }

    pub(crate) fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_text(&header.to_string(), &payload.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, payload: &str) -> String {
        let signed = [header, payload].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature.to_bytes()))
    }
}

/// A client with the cookies that it was given, whatever their attributes: also those that it has copied.
#[derive(Clone)]
pub(crate) struct Profile {
    client: Client,
    base: String,
    pub(crate) cookies: Vec<(String, String)>,
    /// The name of the device, once it has registered.
    pub(crate) device: String,
}

impl Profile {
    pub(crate) fn new(server: &Server) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { client, base: format!("http://{}", server.address), cookies: Vec::new(), device: String::new() }
    }

    /// Sends a request with the cookies, and keeps those of the response.
    pub(crate) async fn send(
        &mut self,
        change: impl FnOnce(RequestBuilder) -> RequestBuilder,
        post: bool,
        path: &str,
    ) -> Response {
        let url = format!("{}{path}", self.base);
        let request = if post { self.client.post(url) } else { self.client.get(url) };
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = change(request.header(COOKIE, cookies.join("; "))).send().await.expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
            let (name, value) = cookie.split_once('=').expect("name=value");
            self.cookies.retain(|(held, _)| held != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(|request| request, false, path).await
    }

    /// Logs in, and returns the challenge of the registration.
    pub(crate) async fn log_in(&mut self, user: &str, password: &str) -> String {
        let form = [("user", user), ("password", password)];
        let answer = self.send(|request| request.form(&form), true, "/login").await;
        assert_eq!(answer.status(), 200);
        let offer = answer.headers()[REGISTRATION].to_str().expect("ASCII");
        let challenge = offer.strip_prefix("(ES256);path=\"/dbsc/register\";challenge=\"").expect("an offer");
        challenge.strip_suffix('"').expect("the end of the string").to_owned()
    }

    pub(crate) async fn register(&mut self, jwt: &str) -> Response {
        self.send(|request| request.header(RESPONSE, format!("\"{jwt}\"")), true, "/dbsc/register").await
    }

    /// Logs in as ada, and binds the session to the key.
    pub(crate) async fn log_in_with(&mut self, key: &Key) {
        let challenge = self.log_in("ada", "engine").await;
        let answer = self.register(&key.registration(&challenge)).await;
        assert_eq!(answer.status(), 200);
        let instructions: Value = answer.json().await.expect("JSON");
        self.device = instructions["session_identifier"].as_str().expect("a name").to_owned();
    }

    pub(crate) async fn refresh(&mut self, proof: Option<&str>) -> Response {
        let device = self.device.clone();
        let with_proof = |request: RequestBuilder| {
            let request = request.header(SESSION_ID, format!("\"{device}\""));
            match proof {
                Some(jwt) => request.header(RESPONSE, jwt),
                None => request,
            }
        };
        self.send(with_proof, true, "/dbsc/refresh").await
    }

    /// Asks for a challenge.
    pub(crate) async fn challenge(&mut self) -> String {
        let answer = self.refresh(None).await;
        assert_eq!(answer.status(), 403);
        challenge_of(&answer)
    }

    pub(crate) async fn profile(&mut self) -> u16 {
        self.get("/profile").await.status().as_u16()
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) fn challenge_of(answer: &Response) -> String {
    let challenge = answer.headers()[CHALLENGE].to_str().expect("ASCII");
    challenge.strip_prefix('"').expect("a string").split('"').next().expect("its end").to_owned()
}
