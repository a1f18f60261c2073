//! What to call a browser in the list of somebody's devices.

use axum::http::{HeaderMap, header::USER_AGENT};

/// The first that a `User-Agent` contains is its browser's: those that pretend to be others as well come before them.
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

/// The same for the system it runs on.
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

/// Describes what a request was made with: `Firefox on Linux`.
///
/// A `User-Agent` is whatever its sender wants. So nothing of it is kept or shown: the words are all from here, and it decides nothing.
pub(crate) fn describe(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let browser = first_in(agent, &BROWSERS).unwrap_or("Something unknown");
    match first_in(agent, &SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

fn first_in(agent: &str, names: &[(&str, &'static str)]) -> Option<&'static str> {
    names.iter().find(|(token, _)| agent.contains(token)).map(|(_, name)| *name)
}
