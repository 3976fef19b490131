//! Certificates for the servers of one scenario, made on the spot and thrown away with it.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, DnType, IsCa, KeyPair,
    KeyUsagePurpose, generate_simple_self_signed,
};
use slotwright_net::{Tls, TlsOptions};

use crate::error::{Doing, Error, Result};

/// The name that every certificate of the lab is for.
const NAME: &str = "node.test";

/// Writes `server.crt`, `server.key` and `ca.crt` into a folder: a certificate that signed itself,
/// so that it is its own authority.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path) -> Result<()> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![NAME.to_owned()]).map_err(unmade)?;
    keep(folder, &cert.pem(), &signing_key.serialize_pem(), &cert.pem())
}

/// Writes the same files into each of these folders, all signed by one authority that nobody knew
/// before.
///
/// # Errors
/// When a folder cannot be written.
pub fn write_related<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let mut params = CertificateParams::new(Vec::new()).map_err(unmade)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "authority of the lab");
    let key = KeyPair::generate().map_err(unmade)?;
    let authority = CertifiedIssuer::self_signed(params, key).map_err(unmade)?;
    for folder in folders {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).map_err(unmade)?;
        params.distinguished_name.push(DnType::CommonName, NAME);
        let key = KeyPair::generate().map_err(unmade)?;
        let cert = params.signed_by(&key, &authority).map_err(unmade)?;
        keep(folder, &cert.pem(), &key.serialize_pem(), &authority.pem())?;
    }
    Ok(())
}

/// TLS as somebody speaks it who has the files of such a folder.
///
/// # Errors
/// When they cannot be read.
pub fn tls(folder: &Path) -> Result<Tls> {
    let file = |name: &str| Some(folder.join(name));
    let options = TlsOptions {
        cacert: file("ca.crt"),
        cert: file("server.crt"),
        key: file("server.key"),
        ..TlsOptions::default()
    };
    Tls::new(&options).map_err(|error| Error::Scenario(error.to_string()))
}

fn keep(folder: &Path, cert: &str, key: &str, authority: &str) -> Result<()> {
    for (name, text) in [("server.crt", cert), ("server.key", key), ("ca.crt", authority)] {
        let path = folder.join(name);
        std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn unmade(error: rcgen::Error) -> Error {
    Error::Scenario(format!("no certificate could be made: {error}"))
}
