//! TLS towards servers: trust, our own certificate, and what the peer's certificate says.
//!
//! One stack: rustls with ring. Roots are read from disk only when TLS is asked for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use slotwright_core::observation::Certificate;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What the user said about TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// A file of certificates to trust; without it those of the system.
    pub cacert: Option<PathBuf>,
    /// Our own certificate, for servers that ask for one.
    pub cert: Option<PathBuf>,
    /// The key of `cert`.
    pub key: Option<PathBuf>,
    /// The name to ask for (SNI); without it the host that is dialled.
    pub sni: Option<String>,
    /// Whether any certificate is taken.
    pub insecure: bool,
}

/// Why TLS cannot be set up: files of the user.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or holds nothing of use.
    #[error("cannot read {what} from {path}: {why}")]
    File {
        /// What was expected.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// No root certificate at all.
    #[error("the system has no trusted certificates; name one with --cacert")]
    NoRoots,
    /// A certificate without its key or the other way round.
    #[error("--cert and --key belong together")]
    HalfIdentity,
    /// What rustls says.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// TLS, ready to be spoken.
#[derive(Clone)]
pub struct Tls {
    base: ClientConfig,
    judge: Option<Arc<WebPkiServerVerifier>>,
    names_may_differ: bool,
    sni: Option<String>,
}

impl Tls {
    /// Reads the files that the options name.
    ///
    /// With `--cacert` a certificate of that authority is taken under whatever name: those of
    /// most clusters name no addresses, and `redis-cli` does not look at names either. With the
    /// roots of the system the name must fit, for anybody can have such a certificate.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let judge = match (options.insecure, &options.cacert) {
            (true, _) => None,
            (false, cacert) => {
                let roots = Arc::new(roots(cacert.as_ref())?);
                let builder =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Some(builder.build().map_err(|e| rustls::Error::General(e.to_string()))?)
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Eye::new(judge.clone(), false)));
        let base = match (&options.cert, &options.key) {
            (Some(cert), Some(key)) => {
                builder.with_client_auth_cert(certificates(cert)?, private_key(key)?)?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(TlsError::HalfIdentity),
        };
        let names_may_differ = options.cacert.is_some();
        Ok(Self { base, judge, names_may_differ, sni: options.sni.clone() })
    }

    /// Whether a finished handshake proves that the peer holds a certificate of the authority.
    pub fn proves_identity(&self) -> bool {
        self.judge.is_some()
    }

    /// A configuration for one connection, and the eye that will have seen the certificate.
    pub(crate) fn connector(&self) -> (tokio_rustls::TlsConnector, Arc<Eye>) {
        let eye = Arc::new(Eye::new(self.judge.clone(), self.names_may_differ));
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::clone(&eye) as Arc<_>);
        (tokio_rustls::TlsConnector::from(Arc::new(config)), eye)
    }

    pub(crate) fn name_for(&self, host: &str) -> Option<ServerName<'static>> {
        ServerName::try_from(self.sni.as_deref().unwrap_or(host).to_owned()).ok()
    }
}

fn roots(cacert: Option<&PathBuf>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = match cacert {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable =
        |why: String| TlsError::File { what: "a certificate", path: path.clone(), why };
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?.collect();
    match found {
        Ok(found) if found.is_empty() => Err(unreadable("it holds none".to_owned())),
        other => other.map_err(|e| unreadable(e.to_string())),
    }
}

fn private_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| TlsError::File {
        what: "a private key",
        path: path.clone(),
        why: e.to_string(),
    })
}

/// Judges one peer's certificate and remembers it, also when it is refused: why a handshake fails
/// is what the user wants to know.
#[derive(Debug)]
pub(crate) struct Eye {
    judge: Option<Arc<WebPkiServerVerifier>>,
    names_may_differ: bool,
    schemes: Vec<SignatureScheme>,
    seen: Mutex<Option<Certificate>>,
}

impl Eye {
    fn new(judge: Option<Arc<WebPkiServerVerifier>>, names_may_differ: bool) -> Self {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let schemes = algorithms.supported_schemes();
        Self { judge, names_may_differ, schemes, seen: Mutex::new(None) }
    }

    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Eye {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = facts(end_entity);
        let Some(judge) = &self.judge else { return Ok(ServerCertVerified::assertion()) };
        let verdict =
            judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            // The chain is judged before the name, so this error means that the chain holds.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.names_may_differ => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// Names kept of one certificate; a certificate may carry thousands.
const NAMES_MAX: usize = 50;

/// What matters of a certificate; `None` when it cannot be read.
fn facts(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let usage = parsed.extended_key_usage().ok().flatten();
    Some(Certificate {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names: names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(name)
            .take(NAMES_MAX)
            .collect(),
        not_before_s: parsed.validity().not_before.timestamp(),
        not_after_s: parsed.validity().not_after.timestamp(),
        // Without the extension a certificate is good for everything.
        server_auth: usage.as_ref().is_none_or(|usage| usage.value.any || usage.value.server_auth),
        client_auth: usage.as_ref().is_none_or(|usage| usage.value.any || usage.value.client_auth),
    })
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip(bytes),
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}
