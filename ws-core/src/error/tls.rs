//! The errors of loading a TLS certificate.

use std::path::PathBuf;
use std::{error::Error as StdError, fmt, io};

use super::BoxError;

/// The reason why a certificate or its key cannot be used.
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
    /// The file does not exist, or cannot be read.
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not valid PEM.
    Malformed {
        /// The path of the file.
        path: PathBuf,
        /// The error of the parser.
        source: BoxError,
    },
    /// The file contains no `CERTIFICATE` section.
    NoCertificate(PathBuf),
    /// The file contains no `PRIVATE KEY` section.
    NoKey(PathBuf),
    /// The key does not belong to the certificate.
    Mismatch {
        /// The path of the certificate's file.
        cert: PathBuf,
        /// The path of the key's file.
        key: PathBuf,
    },
    /// rustls does not support the certificate or its key.
    Unusable {
        /// The path of the certificate's file.
        cert: PathBuf,
        /// The error of rustls.
        source: BoxError,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(f, "cannot read `{}`: {source}", path.display()),
            Self::Malformed { path, source } => write!(f, "`{}` is not a PEM file: {source}", path.display()),
            Self::NoCertificate(path) => write!(f, "no certificate in `{}`", path.display()),
            Self::NoKey(path) => write!(f, "no private key in `{}`", path.display()),
            Self::Mismatch { cert, key } => {
                write!(
                    f,
                    "the key in `{}` does not match the certificate in `{}`",
                    key.display(),
                    cert.display()
                )
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
