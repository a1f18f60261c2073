//! Headless Chromium and its driver: the part of [WebDriver](https://www.w3.org/TR/webdriver2/) that the tests need, which
//! is JSON over HTTP.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{DEADLINE, client};

/// The key of an element's reference in a response, as the standard defines it.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The flags of Chromium: no window, no sandbox, because containers offer none, and no traffic except the test's.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A running chromedriver, which is stopped when it is dropped.
pub(super) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts the program that the variable `CHROMEDRIVER` names, or else the first one on the path.
    pub(super) fn start() -> Driver {
        let driver = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut process =
            Command::new(driver).arg("--port=0").stdout(Stdio::piped()).spawn().expect("chromedriver runs");
        let said = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut ports = said
            .filter_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let port = ports.next().expect("chromedriver says on which port it listens");
        Driver { process, port }
    }

    /// Opens a new browser with an empty profile, 1200 pixels wide.
    pub(super) async fn browser(&self) -> Page {
        self.open(json!({ "args": ["--window-size=1200,900"] })).await
    }

    /// Opens a new browser that emulates a phone with a screen of this width in CSS pixels.
    pub(super) async fn phone(&self, width: u32) -> Page {
        let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1";
        let screen = json!({ "width": width, "height": 740, "pixelRatio": 2, "touch": true });
        self.open(json!({ "args": [], "mobileEmulation": { "deviceMetrics": screen, "userAgent": agent } })).await
    }

    /// Opens a new browser with these options of chromedriver, and an empty profile.
    pub(super) async fn open(&self, mut options: Value) -> Page {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}-{number}", std::process::id()));
        fs::create_dir_all(&profile).expect("a new directory");
        let args = options["args"].as_array_mut().expect("a list");
        args.extend(FLAGS.map(Value::from));
        args.push(format!("--user-data-dir={}", profile.display()).into());
        if let Some(chromium) = env::var_os("CHROMIUM") {
            options["binary"] = chromium.to_str().expect("UTF-8").into();
        }
        let logs = json!({ "browser": "ALL" });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs });
        let mut page = Page { client: client(false), port: self.port, path: "/session".to_owned(), profile };
        let opened = page.command(Method::POST, "", json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        page.path = format!("/session/{}", opened["sessionId"].as_str().expect("a session"));
        page
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A browser with one page. It is closed, and its profile is removed, when it is dropped.
pub(super) struct Page {
    client: Client,
    port: u16,
    path: String,
    profile: PathBuf,
}

impl Page {
    /// Sends a command of the standard, and returns the value of its answer.
    pub(super) async fn command(&self, method: Method, what: &str, body: Value) -> Value {
        let url = format!("http://127.0.0.1:{}{}{what}", self.port, self.path);
        let request = self.client.request(method.clone(), url);
        let request = if method == Method::POST { request.json(&body) } else { request };
        let answer = request.send().await.expect("chromedriver answers");
        let (status, mut answer) = (answer.status(), answer.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{method} {what}: {}", answer["value"]["message"]);
        answer["value"].take()
    }

    pub(super) async fn go_to(&self, url: &str) {
        self.command(Method::POST, "/url", json!({ "url": url })).await;
    }

    async fn element(&self, selector: &str) -> String {
        let query = json!({ "using": "css selector", "value": selector });
        let found = self.command(Method::POST, "/element", query).await;
        format!("/element/{}", found[ELEMENT].as_str().expect("an element"))
    }

    /// Clicks on the element's position. Fails if the element is hidden or covered.
    pub(super) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command(Method::POST, &format!("{element}/click"), json!({})).await;
    }

    /// Types into the element that has the focus.
    pub(super) async fn type_text(&self, text: &str) {
        let focused = self.command(Method::GET, "/element/active", Value::Null).await;
        let element = focused[ELEMENT].as_str().expect("something has the focus");
        self.command(Method::POST, &format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Runs a script in the page and returns its result.
    pub(super) async fn script(&self, script: &str, arguments: &[&str]) -> Value {
        self.command(Method::POST, "/execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// The visible text of an element; empty if it is hidden.
    pub(super) async fn text(&self, selector: &str) -> String {
        let text = self.script("return document.querySelector(arguments[0]).innerText", &[selector]).await;
        if self.shows(selector).await { text.as_str().expect("text").to_owned() } else { String::new() }
    }

    pub(super) async fn shows(&self, selector: &str) -> bool {
        let shown = "const found = document.querySelector(arguments[0]); return !!found && found.checkVisibility()";
        self.script(shown, &[selector]).await == true
    }

    /// The id of the element that has the focus.
    pub(super) async fn focus(&self) -> String {
        self.script("return document.activeElement.id", &[]).await.as_str().expect("text").to_owned()
    }

    /// The number that an element shows.
    pub(super) async fn number(&self, selector: &str) -> u64 {
        let text = self.text(selector).await;
        text.replace(',', "").parse().unwrap_or_else(|_| panic!("{selector} shows {text:?}, which is not a number"))
    }

    /// Waits until a condition holds, or fails with the text of the page.
    pub(super) async fn until(&self, what: &str, is_so: impl AsyncFn(&Page) -> bool) {
        let start = Instant::now();
        while !is_so(self).await {
            if start.elapsed() > DEADLINE {
                let shown = self.script("return document.body.innerText", &[]).await;
                panic!("never: {what}. The page shows:\n{}", shown.as_str().unwrap_or_default());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits only for the first byte of the response, because chromedriver keeps the connection open.
    fn close(&self) -> io::Result<()> {
        let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        driver.set_read_timeout(Some(DEADLINE))?;
        driver.write_all(format!("DELETE {} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.path).as_bytes())?;
        driver.read_exact(&mut [0])
    }

    /// Fails if the browser has logged an error: of a script, of the content security policy, or of a request.
    /// Responses with status 401 are expected.
    pub(super) async fn has_no_complaint(&self) {
        let said = self.command(Method::POST, "/se/log", json!({ "type": "browser" })).await;
        for entry in said.as_array().expect("a list") {
            let message = entry["message"].as_str().expect("text");
            assert!(message.contains("status of 401"), "the browser reports: {message}");
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.close();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
