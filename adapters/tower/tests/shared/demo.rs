//! The example server as two processes on one engine.

use crate::build::build;
use crate::engine::Engine;
use crate::harness::{BOUND, DEADLINE, SLACK, client};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, Response};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A running example, which is killed when it is dropped.
pub(crate) struct Demo {
    child: Child,
    pub(crate) port: u16,
    lines: mpsc::Receiver<String>,
}

impl Demo {
    pub(crate) fn start(engine: &Engine) -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(BUILT.get_or_init(|| build("server")));
        command
            .env("PORT", "0")
            .env("REDIS_URL", engine.url())
            .env("SESSION_TTL", "600")
            .env_remove("INSECURE_COOKIES");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = mpsc::channel();
        // All output is read, so that the example can always write.
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|text| drop(line.send(text))));
        let first = lines.recv_timeout(DEADLINE).expect("a line in time");
        let port = first.strip_prefix("listening on http://127.0.0.1:").expect("the address").parse();
        Self { child, port: port.expect("a port"), lines }
    }

    async fn send(&self, method: Method, path: &str, cookie: &str, form: &[(&str, &str)]) -> Response {
        let request = client(false).request(method, format!("http://localhost:{}{path}", self.port));
        let request = if form.is_empty() { request } else { request.form(form) };
        let response = request.header(COOKIE, cookie).send().await.expect("an answer");
        assert_eq!(response.headers()["x-node"], self.port.to_string().as_str(), "another node has answered");
        response
    }

    async fn log_in(&self, user: &str) -> String {
        let answer = self.send(Method::POST, "/login", "", &[("user", user)]).await;
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("ASCII");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    async fn status(&self, path: &str, cookie: &str) -> u16 {
        self.send(Method::GET, path, cookie, &[]).await.status().as_u16()
    }

    async fn live(&self, cookie: &str) -> Value {
        let answer = self.send(Method::GET, "/live", cookie, &[]).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    async fn until(&self, cookie: &str, status: u16) {
        let start = Instant::now();
        while self.status("/profile", cookie).await != status {
            assert!(start.elapsed() < DEADLINE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_user_logs_in_on_one_port_and_out_on_the_other() {
    let engine = Engine::start();
    let (one, two) = (Demo::start(&engine), Demo::start(&engine));
    let cookie = one.log_in("ada").await;
    for demo in [&one, &two] {
        assert_eq!(demo.status("/profile", &cookie).await, 200);
    }
    assert_eq!(two.send(Method::POST, "/logout", &cookie, &[]).await.status(), 204);
    let ended = Instant::now();
    assert_eq!(two.status("/profile", &cookie).await, 401);
    one.until(&cookie, 401).await;
    assert!(ended.elapsed() < BOUND + SLACK, "{:?}", ended.elapsed());
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn the_devices_of_both_ports_are_listed_and_ended_by_name() {
    let engine = Engine::start();
    let (one, two) = (Demo::start(&engine), Demo::start(&engine));
    let (laptop, phone) = (one.log_in("ada").await, two.log_in("ada").await);
    let live = one.live(&laptop).await;
    let devices = live["devices"].as_array().expect("a list");
    assert_eq!(devices.len(), 2);
    assert!(live["near"]["hits"].as_u64() > Some(0) && live["near"]["ping_age"].is_u64(), "{live}");
    let other = devices.iter().find(|device| device["this"] == false).expect("the phone");
    let name = other["name"].as_str().expect("a name");
    assert_eq!(one.send(Method::POST, "/end", &laptop, &[("device", name)]).await.status(), 204);
    assert_eq!(one.send(Method::POST, "/end", &laptop, &[("device", name)]).await.status(), 404);
    two.until(&phone, 401).await;
    assert_eq!(one.send(Method::POST, "/logout-everywhere", &laptop, &[]).await.status(), 204);
    assert_eq!(one.status("/live", &laptop).await, 401);
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn without_its_engine_the_demo_answers_503_and_stops_when_it_is_told_to() {
    let mut engine = Engine::start();
    let mut demo = Demo::start(&engine);
    let cookie = demo.log_in("ada").await;
    engine.kill();
    demo.until(&cookie, 503).await;
    assert_eq!(demo.status("/", &cookie).await, 200);
    let interrupt = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status();
    assert!(interrupt.expect("kill runs").success());
    assert!(demo.child.wait().expect("it ends").success());
    let said: Vec<String> = demo.lines.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(said[said.len() - 2..], ["stopping", "goodbye; the sessions stay in the engine"]);
}
