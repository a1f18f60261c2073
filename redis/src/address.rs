//! The address of an engine, as a URL.

use std::path::PathBuf;

/// Where the engine is, and as whom to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) place: Place,
    pub(crate) sign_in: SignIn,
    /// As whom to ask the sentinels.
    pub(crate) sentinels: SignIn,
    pub(crate) database: u32,
    pub(crate) tls: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignIn {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Server { host: String, port: u16 },
    Socket(PathBuf),
    Sentinels { hosts: Vec<(String, u16)>, primary: String },
}

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl Address {
    /// Reads a URL. The error says which part of it is wrong, and shows nothing of it.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("there is no scheme")?;
        let (engine, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match engine {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err("the scheme is not redis or valkey"),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (sign_in, sentinels) = (SignIn::default(), SignIn::default());
        let mut address = Self { place: Place::Socket(PathBuf::new()), sign_in, sentinels, database: 0, tls };
        let rest = match rest.rsplit_once('@') {
            Some((user, rest)) if kind != "unix" => {
                address.sign_in(user)?;
                rest
            }
            _ => rest,
        };
        match kind {
            "" => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (host, port) = host_and_port(host, SERVER_PORT)?;
                address.place = Place::Server { host, port };
                address.choose(path)?;
            }
            "unix" if tls => return Err("a socket of this machine has no TLS"),
            "unix" if !rest.starts_with('/') => return Err("the path of the socket is not absolute"),
            "unix" => address.place = Place::Socket(decoded(rest)?.into()),
            "sentinel" => {
                let (hosts, path) = rest.split_once('/').ok_or("the name of the primary is missing")?;
                let hosts = hosts.split(',').map(|host| host_and_port(host, SENTINEL_PORT));
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                if primary.is_empty() {
                    return Err("the name of the primary is missing");
                }
                address.place =
                    Place::Sentinels { hosts: hosts.collect::<Result<_, _>>()?, primary: decoded(primary)? };
                address.choose(database)?;
            }
            _ => return Err("the scheme is not redis, redis+unix or redis+sentinel"),
        }
        for (key, value) in
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        {
            match key {
                "db" => address.choose(value)?,
                "user" => address.sign_in.user = Some(decoded(value)?),
                "pass" => address.sign_in.password = Some(decoded(value)?),
                "sentinel_user" => address.sentinels.user = Some(decoded(value)?),
                "sentinel_pass" => address.sentinels.password = Some(decoded(value)?),
                // Other clients choose the protocol by it; this one always speaks RESP3.
                "protocol" => {}
                _ => return Err("a parameter is unknown"),
            }
        }
        Ok(address)
    }

    fn sign_in(&mut self, user: &str) -> Result<(), &'static str> {
        let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
        let user = Some(decoded(user)?).filter(|user| !user.is_empty());
        self.sign_in = SignIn { user, password: password.map(decoded).transpose()? };
        Ok(())
    }

    fn choose(&mut self, database: &str) -> Result<(), &'static str> {
        let database = database.trim_end_matches('/');
        if !database.is_empty() {
            self.database = database.parse().map_err(|_| "the database is not a number")?;
        }
        Ok(())
    }
}

fn host_and_port(text: &str, default: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("the port is not a number")?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    let port = port.map_or(Ok(default), str::parse).map_err(|_| "the port is not a number")?;
    Ok((decoded(host)?, port))
}

/// Replaces `%2F` and the like.
fn decoded(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "a percent sign is not followed by two hex digits, or does not make text";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(WRONG);
        let number = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(number).expect("two hex digits are a byte"));
    }
    String::from_utf8(bytes).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16) -> Place {
        Place::Server { host: host.to_owned(), port }
    }

    fn plain(place: Place) -> Address {
        Address { place, sign_in: SignIn::default(), sentinels: SignIn::default(), database: 0, tls: false }
    }

    #[test]
    fn every_form_is_read() {
        let some = |text: &str| Some(text.to_owned());
        let with =
            |user, password, database, place| Address { sign_in: SignIn { user, password }, database, ..plain(place) };
        let sentinels = Place::Sentinels {
            hosts: vec![("a".to_owned(), 26379), ("::1".to_owned(), 7)],
            primary: "main".to_owned(),
        };
        let cases = [
            ("redis://h", plain(server("h", 6379))),
            ("valkey://h:7/", plain(server("h", 7))),
            ("redis://[::1]:7", plain(server("::1", 7))),
            ("rediss://h", Address { tls: true, ..plain(server("h", 6379)) }),
            ("redis://ada:p%40%3a@h/3", with(some("ada"), some("p@:"), 3, server("h", 6379))),
            ("redis://:p@h?protocol=resp3", with(None, some("p"), 0, server("h", 6379))),
            (
                "redis+unix:///run/r.sock?db=2&user=u&pass=p",
                with(some("u"), some("p"), 2, Place::Socket("/run/r.sock".into())),
            ),
            (
                "redis+sentinel://u:p@a,[::1]:7/main/5?sentinel_user=s&sentinel_pass=%21",
                Address {
                    sentinels: SignIn { user: some("s"), password: some("!") },
                    ..with(some("u"), some("p"), 5, sentinels)
                },
            ),
        ];
        for (url, address) in cases {
            assert_eq!(Address::parse(url), Ok(address), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        let wrong = [
            "h",
            "http://h",
            "redis+x://h",
            "redis://",
            "redis://h:x",
            "redis://h:99999",
            "redis://h/x",
            "redis://%4:p@h",
            "redis://%ff@h",
            "redis+unix://r.sock",
            "rediss+unix:///r",
            "redis+sentinel://h",
            "redis+sentinel://h/",
            "redis://h?x=1",
            "redis://[::1]x",
        ];
        for url in wrong {
            let part = Address::parse(url).expect_err(url);
            assert!(!part.contains("99999") && !part.is_empty());
        }
    }
}
