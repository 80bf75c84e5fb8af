//! Why a certificate cannot be used.

use std::path::PathBuf;
use std::{error::Error as StdError, fmt, io};

use super::BoxError;

/// What is wrong with the files of a certificate.
///
/// ```
/// use ws_core::{Error, Tls, TlsError};
///
/// let error = Tls::load("/nowhere/cert.pem", "/nowhere/key.pem").unwrap_err();
/// assert!(matches!(&error, Error::Tls(TlsError::Unreadable { path, .. }) if path.ends_with("cert.pem")));
/// assert!(error.to_string().starts_with("cannot read `/nowhere/cert.pem`: "));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there, or may not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what PEM is.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: BoxError,
    },
    /// There is no `CERTIFICATE` in the file.
    NoCertificate(PathBuf),
    /// There is no `PRIVATE KEY` in the file.
    NoKey(PathBuf),
    /// The key is another certificate's.
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// That of the key.
        key: PathBuf,
    },
    /// A certificate or a key of a kind that cannot be used.
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// What rustls said.
        source: BoxError,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(f, "cannot read `{}`: {source}", path.display()),
            Self::Malformed { path, source } => write!(f, "`{}` is no PEM file: {source}", path.display()),
            Self::NoCertificate(path) => write!(f, "there is no certificate in `{}`", path.display()),
            Self::NoKey(path) => write!(f, "there is no private key in `{}`", path.display()),
            Self::Mismatch { cert, key } => {
                write!(f, "the key in `{}` is not that of `{}`", key.display(), cert.display())
            }
            Self::Unusable { cert, source } => {
                write!(f, "the certificate in `{}` cannot be used: {source}", cert.display())
            }
        }
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Malformed { source, .. } | Self::Unusable { source, .. } => Some(&**source),
            Self::NoCertificate(_) | Self::NoKey(_) | Self::Mismatch { .. } => None,
        }
    }
}
