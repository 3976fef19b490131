//! Certificates for the servers of one scenario, made on the spot and thrown away with it.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::error::{Doing, Error, Result};

/// Writes `server.crt`, `server.key` and `ca.crt` into a folder: a certificate that signed itself,
/// so that it is its own authority.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path) -> Result<()> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["node.test".to_owned()])
            .map_err(|error| Error::Scenario(format!("no certificate could be made: {error}")))?;
    let files = [
        ("server.crt", cert.pem()),
        ("ca.crt", cert.pem()),
        ("server.key", signing_key.serialize_pem()),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
