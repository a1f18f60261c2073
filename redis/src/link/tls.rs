//! TLS, behind the feature of that name.

#[cfg(not(feature = "tls"))]
pub(super) use absent::{Tls, explained};
#[cfg(feature = "tls")]
pub(super) use present::{Tls, explained};

#[cfg(feature = "tls")]
mod present {
    use crate::error::ConnectError;
    use crate::link::socket::Socket;
    use crate::options::Certificates;
    use std::io;
    use std::sync::Arc;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

    /// How connections are secured.
    pub(in crate::link) struct Tls(TlsConnector);

    impl Tls {
        /// Reads the certificates of the settings, or those that the system trusts.
        pub(in crate::link) fn new(certificates: &Certificates) -> Result<Self, ConnectError> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config = config.map_err(|_| ConnectError::Tls("no version of TLS is supported"))?;
            let config = config.with_root_certificates(trusted(certificates)?);
            let config = match &certificates.client {
                None => config.with_no_client_auth(),
                Some((chain, key)) => {
                    const WRONG: ConnectError = ConnectError::Tls("the client's certificate or key cannot be read");
                    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
                    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| WRONG)?;
                    config.with_client_auth_cert(chain.map_err(|_| WRONG)?, key).map_err(|_| WRONG)?
                }
            };
            Ok(Self(TlsConnector::from(Arc::new(config))))
        }

        pub(in crate::link) async fn secured(
            &self,
            stream: TcpStream,
            host: &str,
        ) -> Result<Box<dyn Socket>, ConnectError> {
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| ConnectError::Url("the host is no name and no address"))?;
            Ok(Box::new(self.0.connect(name, stream).await.map_err(explained)?))
        }
    }

    fn trusted(certificates: &Certificates) -> Result<RootCertStore, ConnectError> {
        const WRONG: ConnectError = ConnectError::Tls("the root certificates cannot be read");
        let mut roots = RootCertStore::empty();
        if certificates.roots.is_empty() {
            // Some of the system's may be of a kind that is not understood.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for pem in &certificates.roots {
            let before = roots.len();
            for root in CertificateDer::pem_slice_iter(pem) {
                roots.add(root.map_err(|_| WRONG)?).map_err(|_| WRONG)?;
            }
            if roots.len() == before {
                return Err(WRONG);
            }
        }
        if roots.is_empty() {
            return Err(ConnectError::Tls("the system trusts no authority"));
        }
        Ok(roots)
    }

    /// What an error of a connection means.
    pub(in crate::link) fn explained(error: io::Error) -> ConnectError {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        ConnectError::Tls(match cause {
            None => return ConnectError::Io(error),
            Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "the server's certificate is for another name"
                }
                CertificateError::UnknownIssuer => "the authority of the server's certificate is not trusted",
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the server's certificate has expired"
                }
                _ => "the server's certificate is not accepted",
            },
            // With TLS 1.3 it says so only when the first command has been sent.
            Some(rustls::Error::AlertReceived(_)) => {
                "the server has refused the connection, perhaps because it asks for another certificate of the client"
            }
            Some(_) => "the server speaks no TLS that is understood",
        })
    }
}

#[cfg(not(feature = "tls"))]
mod absent {
    use crate::error::ConnectError;
    use crate::link::socket::Socket;
    use crate::options::Certificates;
    use std::io;
    use tokio::net::TcpStream;

    pub(in crate::link) fn explained(error: io::Error) -> ConnectError {
        ConnectError::Io(error)
    }

    /// No connection is secured.
    pub(in crate::link) enum Tls {}

    impl Tls {
        pub(in crate::link) fn new(_: &Certificates) -> Result<Self, ConnectError> {
            Err(ConnectError::Url("TLS needs the feature `tls` of cloakroom-redis"))
        }

        pub(in crate::link) async fn secured(&self, _: TcpStream, _: &str) -> Result<Box<dyn Socket>, ConnectError> {
            match *self {}
        }
    }
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::Tls;
    use crate::error::ConnectError;

    #[test]
    fn without_the_feature_the_error_names_it() {
        let made = Tls::new(&crate::options::Certificates::default());
        assert!(matches!(made, Err(ConnectError::Url(text)) if text.contains("feature `tls`")));
    }
}
