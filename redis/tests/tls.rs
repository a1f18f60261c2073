//! Engines and sentinels that are reached by TLS. Redis alone: the Valkey of `ci/redis.sh` is built without it.
#![cfg(feature = "tls")]

#[path = "support/sentinel.rs"]
mod sentinel;
mod support;

use cloakroom::{MissingError, Principal};
use cloakroom_redis::{ConnectError, SharedError, SharedOptions, SharedStore};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use sentinel::Sentinel;
use std::path::PathBuf;
use std::time::Duration;
use support::{Engine, Server, eventually, free_port};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const SOON: Duration = Duration::from_secs(10);

/// An authority, and where it puts certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    directory: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        let directory = std::env::temp_dir().join(format!("cloakroom-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("ca.pem"), &pem).unwrap();
        Self { issuer: Issuer::new(parameters, key), pem, directory }
    }

    /// The certificate and the key of a server of these names, or of a client.
    fn certificate(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// The settings of a server that has these names. `clients`: whether it asks them for certificates.
    fn settings(&self, names: &[&str], clients: &str) -> Vec<(&'static str, String)> {
        let (certificate, key) = self.certificate(names);
        let [certificate, key] = [("server.pem", certificate), ("server.key", key)].map(|(name, text)| {
            let path = self.directory.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        });
        let authority = self.directory.join("ca.pem").to_str().unwrap().to_owned();
        vec![
            ("tls-cert-file", certificate),
            ("tls-key-file", key),
            ("tls-ca-cert-file", authority),
            ("tls-auth-clients", clients.to_owned()),
            ("tls-replication", "yes".to_owned()),
        ]
    }

    /// A server, and the port at which it speaks TLS.
    fn server(&self, names: &[&str], clients: &str) -> (Server, u16) {
        let port = free_port();
        let settings = self.settings(names, clients);
        let options = settings.into_iter().chain([("tls-port", port.to_string())]);
        let options: Vec<String> = options.flat_map(|(name, value)| [format!("--{name}"), value]).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        (Server::with(Engine::Redis, &options), port)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn refused(options: SharedOptions) -> String {
    match SharedStore::connect(options).await {
        Err(ConnectError::Tls(what)) => what.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_shared_by_tls() {
    let authority = Authority::new("shared");
    let (server, port) = authority.server(&["localhost", "127.0.0.1"], "no");
    let by_name = SharedOptions::new(format!("rediss://localhost:{port}")).root_certificate(authority.pem.clone());
    let by_address = SharedOptions::new(format!("rediss://127.0.0.1:{port}")).root_certificate(authority.pem.clone());
    let [one, other] = [SharedStore::connect(by_name).await.unwrap(), SharedStore::connect(by_address).await.unwrap()];
    // More than one record of TLS, both ways.
    let long = "x".repeat(60_000);
    let id = one.create_with([("user", "ada"), ("long", &long)]).await.unwrap();
    assert_eq!(other.get(&id, "long").await, Ok(Some(long)));
    one.set(&id, "user", "bob").await.unwrap();
    let changed = async || other.get(&id, "user").await == Ok(Some("bob".to_owned()));
    eventually("the other sees the change", Duration::from_millis(500), changed).await;
    assert!(other.cached(&id, |_| ()).is_some());
    assert_eq!(one.delete(&id).await, Ok(true));
    let gone = async || other.read(&id, |_| ()).await == Err(NOT_FOUND);
    eventually("the other refuses", Duration::from_millis(500), gone).await;
    // Many at once, so that the socket is full at times.
    let created: Vec<_> = (0..200)
        .map(|n| {
            let one = one.clone();
            tokio::spawn(async move { one.create_with([("n", "y".repeat(100 * n))]).await })
        })
        .collect();
    for (n, id) in created.into_iter().enumerate() {
        let length = other.read(&id.await.unwrap().unwrap(), |attributes| attributes.get("n").map(str::len)).await;
        assert_eq!(length, Ok(Some(100 * n)));
    }
    // A connection that is lost is made anew, and idle pings are sent: without one, the engine would count as away.
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("it connects again", SOON, async || one.health().connections == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.health().away_for, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_others_are_refused() {
    let [authority, stranger] = [Authority::new("authority"), Authority::new("stranger")];
    let (_server, port) = authority.server(&["localhost"], "no");
    let at = |host: &str| SharedOptions::new(format!("rediss://{host}:{port}"));
    assert!(SharedStore::connect(at("localhost").root_certificate(authority.pem.clone())).await.is_ok());
    let untrusted = "the authority of the server's certificate is not trusted";
    assert_eq!(refused(at("localhost").root_certificate(stranger.pem.clone())).await, untrusted);
    let both = at("localhost").root_certificate(stranger.pem.clone()).root_certificate(authority.pem.clone());
    assert!(SharedStore::connect(both).await.is_ok());
    let other_name = "the server's certificate is for another name";
    assert_eq!(refused(at("127.0.0.1").root_certificate(authority.pem.clone())).await, other_name);
    let unread = "the root certificates cannot be read";
    assert_eq!(refused(at("localhost").root_certificate("no certificate")).await, unread);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(refused(at("localhost").root_certificate(broken)).await, unread);
    // A server that speaks no TLS.
    let plain = Server::start(Engine::Redis);
    let plain = SharedOptions::new(format!("rediss://localhost:{}", plain.port)).root_certificate(stranger.pem.clone());
    let no_tls = SharedStore::connect(plain).await.unwrap_err();
    assert!(matches!(no_tls, ConnectError::Tls(_) | ConnectError::Io(_)), "{no_tls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorities_of_the_system_are_trusted_by_default() {
    let authority = Authority::new("system");
    let (_server, port) = authority.server(&["localhost"], "no");
    let options = SharedOptions::new(format!("rediss://localhost:{port}"));
    // Nobody has told the system of this one.
    let what = refused(options).await;
    let untrusted = "the authority of the server's certificate is not trusted";
    assert!(what == untrusted || what == "the system trusts no authority", "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new("clients");
    let (_server, port) = authority.server(&["localhost"], "yes");
    let options = || SharedOptions::new(format!("rediss://localhost:{port}")).root_certificate(authority.pem.clone());
    let (certificate, key) = authority.certificate(&["client"]);
    let store = SharedStore::connect(options().client_certificate(certificate.clone(), key)).await.unwrap();
    assert!(store.create().await.is_ok());
    let without = SharedStore::connect(options()).await.unwrap_err();
    // Usually it says so before it closes the connection.
    let said = matches!(without, ConnectError::Tls(what) if what.contains("certificate of the client"));
    assert!(said || matches!(without, ConnectError::Io(_)), "{without:?}");
    let (_, key_of_another) = authority.certificate(&["another"]);
    let unread = "the client's certificate or key cannot be read";
    assert_eq!(refused(options().client_certificate(certificate.clone(), "no key")).await, unread);
    assert_eq!(refused(options().client_certificate(certificate, key_of_another)).await, unread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_asked_by_tls() {
    let authority = Authority::new("sentinels");
    let (_primary, port) = authority.server(&["127.0.0.1"], "no");
    let (tls, settings) = (free_port(), authority.settings(&["127.0.0.1"], "no"));
    let mut lines: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    lines.push(format!("tls-port {tls}"));
    let _sentinel = Sentinel::with(port, &lines);
    let url = format!("rediss+sentinel://127.0.0.1:{tls}/main");
    let options = || SharedOptions::new(&url).command_timeout(Duration::from_millis(500));
    let mut stores = Vec::new();
    eventually("the sentinel knows the primary", SOON, async || {
        stores.extend(SharedStore::connect(options().root_certificate(authority.pem.clone())).await);
        !stores.is_empty()
    })
    .await;
    let id = stores[0].login(None, &Principal::new("ada")).await.unwrap();
    assert_eq!(stores[0].exists(&id).await, Ok(true));
    let stranger = Authority::new("strange-sentinels");
    let untrusted = "the authority of the server's certificate is not trusted";
    assert_eq!(refused(options().root_certificate(stranger.pem.clone())).await, untrusted);
}
