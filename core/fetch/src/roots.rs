//! The certificate authorities that are trusted: the system's and the caller's.
//!
//! The system's are read from its bundle by name. The crates that find them
//! (`rustls-native-certs`, and `rustls-platform-verifier` on top of it) obey
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, and this crate reads no environment; the
//! HTTP library can add no authorities to its platform verifier; and that one
//! brings a compiled-in list under a licence we do not take. A caller that wants
//! `SSL_CERT_FILE` obeyed hands it in as a certificate file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::error::FetchError;

/// Where distributions keep all authorities in one PEM file.
const BUNDLES: [&str; 5] = [
    // Debian, Ubuntu, Arch, Gentoo, Alpine, NixOS.
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL.
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    // openSUSE.
    "/etc/ssl/ca-bundle.pem",
    // Alpine without its bundle, the BSDs, macOS.
    "/etc/ssl/cert.pem",
];

/// The system's authorities, if it has any, and those in `additional`.
pub(crate) fn read(additional: &[PathBuf]) -> Result<Vec<Certificate<'static>>, FetchError> {
    let mut roots = system();
    for file in additional {
        let certificates = fs::read(file)
            .and_then(|pem| certificates(&pem))
            .map_err(FetchError::io("read the certificates in", file))?;
        roots.extend(certificates);
    }
    Ok(roots)
}

/// A system without a bundle still serves plain HTTP; HTTPS will say what is missing.
fn system() -> Vec<Certificate<'static>> {
    let bundle = |file| certificates(&fs::read(Path::new(file))?);
    BUNDLES.into_iter().find_map(|file| bundle(file).ok()).unwrap_or_default()
}

/// The certificates of a PEM file, of which there must be one at least.
pub(crate) fn certificates(pem: &[u8]) -> io::Result<Vec<Certificate<'static>>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let certificates = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(invalid(error.to_string()))),
        })
        .collect::<io::Result<Vec<_>>>()?;
    if certificates.is_empty() {
        return Err(invalid("there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read(&[file.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
