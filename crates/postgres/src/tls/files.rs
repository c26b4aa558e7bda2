//! PEM files: certificate authorities, client certificate and key.

use crate::parameters::Parameter;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Certificate authorities that are trusted to sign the server's certificate.
///
/// `sslrootcert` in the connection string also names a file; naming authorities in both places is an error. Named
/// authorities turn `sslmode=prefer`, the default, into `require`. Unix sockets have no TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsRoots {
    /// The authorities of the operating system.
    #[default]
    Platform,
    /// The authorities in this PEM file, which is read when the pool is created.
    File(PathBuf),
    /// The authorities in this PEM text.
    Pem(String),
}

impl TlsRoots {
    /// Returns the authorities; `None` for those of the operating system.
    pub(super) fn read(&self) -> Result<Option<RootCertStore>, String> {
        let certificates = match self {
            Self::Platform => return Ok(None),
            Self::File(path) => certificates(&read(path)?),
            Self::Pem(text) => certificates(text.as_bytes()),
        };
        let mut store = RootCertStore::empty();
        for certificate in certificates? {
            store.add(certificate).map_err(|error| format!("a certificate cannot be used: {error}"))?;
        }
        Ok(Some(store))
    }
}

/// File named by a parameter.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    path: PathBuf,
    /// Name of the parameter, for errors.
    origin: &'static str,
}

impl NamedFile {
    pub(super) fn new(parameter: Parameter) -> Self {
        Self { path: parameter.value.into(), origin: parameter.origin }
    }

    fn named<T>(&self, result: Result<T, String>) -> Result<T, String> {
        result.map_err(|error| format!("{}: {error}", self.origin))
    }
}

/// Files with the client certificate and key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) certificate: NamedFile,
    pub(super) key: NamedFile,
}

impl Identity {
    /// Returns the certificates, the client's first, and the key.
    pub(super) fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let certificates = read(&self.certificate.path).and_then(|pem| certificates(&pem));
        Ok((self.certificate.named(certificates)?, self.key.named(read_key(&self.key.path))?))
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    check_protection(path)?;
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| {
        format!("{}: no private key in PEM form was found; decrypt an encrypted one", path.display())
    })
}

/// Checks like libpq that only the owner can read the key; root may share it with a group.
fn check_protection(key: &Path) -> Result<(), String> {
    let found = key.metadata().map_err(|error| unreadable(key, &error))?;
    let shared = if found.uid() == 0 { 0o037 } else { 0o077 };
    match found.permissions().mode() & shared {
        0 => Ok(()),
        _ => Err(format!("{}: others can read the private key, run chmod 0600 on it", key.display())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("a certificate cannot be used: {error}"))?;
    match found.is_empty() {
        true => Err("no certificate in PEM form was found".to_owned()),
        false => Ok(found),
    }
}
