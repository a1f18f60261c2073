//! The names of browsers in the list of a user's devices.

use axum::http::{HeaderMap, header::USER_AGENT};

/// The browser is the first one whose token the `User-Agent` contains. Many browsers also send the tokens of others, so
/// they come before those.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Mozilla/", "A browser"),
];

/// The same for operating systems.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// Names the browser and the operating system of a request, such as `Firefox on Linux`.
///
/// A client can send any `User-Agent`. No part of it is kept or shown, because every name comes from the tables above,
/// and nothing else depends on it.
pub(crate) fn describe(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let browser = first_in(agent, &BROWSERS).unwrap_or("Unknown client");
    match first_in(agent, &SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

fn first_in(agent: &str, names: &[(&str, &'static str)]) -> Option<&'static str> {
    names.iter().find(|(token, _)| agent.contains(token)).map(|(_, name)| *name)
}
