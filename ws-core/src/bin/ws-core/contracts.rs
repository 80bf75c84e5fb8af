//! Contracts from files, stdin and servers.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;
use std::time::Duration;

use ws_core::client::rustls::crypto::ring;
use ws_core::client::rustls::pki_types::CertificateDer;
use ws_core::client::rustls::pki_types::pem::PemObject;
use ws_core::client::rustls::{ClientConfig, RootCertStore};
use ws_core::client::{Client, ConnectError};
use ws_core::contract::Contract;
use ws_core::{Bytes, StatusCode, Uri};

use crate::args::HttpArguments;
use crate::failure::Failure;

/// The largest contract in bytes, from any source.
pub(crate) const MAX_SIZE: usize = 16 << 20;

/// How long a server may take for a contract.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The path at which a server has its contract: that of `Router::docs("/docs")`.
const WELL_KNOWN: &str = "/docs/contract.json";

/// Reads a contract from a file, from stdin (`-`), or from a server.
pub(crate) async fn read(source: &str, http: &HttpArguments) -> Result<Contract, Failure> {
    if source.contains("://") {
        return from_server(source, http).await;
    }
    let text = if source == "-" {
        read_bounded(stdin(), "stdin")?
    } else {
        let file = File::open(source).map_err(|error| {
            Failure::usage(format!("cannot read {source}: {error}"))
                .help("give a file, `-` for stdin, or a URL with `http://`, `https://`, `ws://` or `wss://`")
        })?;
        read_bounded(file, source)?
    };
    Contract::from_json(&text).map_err(|why| unreadable(source, &*why))
}

/// Reads a text of up to [`MAX_SIZE`].
pub(crate) fn read_bounded(from: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = from.take(MAX_SIZE as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    if text.len() > MAX_SIZE {
        return Err(Failure::usage(format!("{name} has more than {} MiB", MAX_SIZE >> 20)));
    }
    Ok(text)
}

fn unreadable(source: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("the contract of {source} cannot be read: {why}"))
        .help("`Contract::to_json` writes a contract, and `Router::docs` serves one; a newer format needs a newer `ws-core`")
}

/// Reads the contract of the server of a WebSocket; `None` if the server has none.
pub(crate) async fn of_server(
    url: &str,
    http: &HttpArguments,
    timeout: Duration,
) -> Result<Option<Contract>, Failure> {
    let Some(well_known) = at_origin(url, WELL_KNOWN) else { return Ok(None) };
    match request(&well_known, http, timeout.min(TIMEOUT)).await {
        Ok((StatusCode::OK, body)) => match document(&body) {
            Some(text) => Contract::from_json(text).map(Some).map_err(|why| {
                unreadable(&well_known, &*why)
                    .help("`--contract FILE` has another one, `--no-contract` needs none")
            }),
            None => Ok(None),
        },
        Ok(_) | Err(ConnectError::Http(_)) => Ok(None),
        Err(error) => Err(Failure::connect(url, &error)),
    }
}

/// Reads the contract at a URL, at its neighbour, or at the usual path of the server.
async fn from_server(url: &str, http: &HttpArguments) -> Result<Contract, Failure> {
    let address = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let mut candidates = vec![url.to_owned(), format!("{address}/contract.json")];
    candidates.extend(at_origin(url, WELL_KNOWN).filter(|known| !candidates.contains(known)));
    let mut tried = Vec::new();
    for candidate in &candidates {
        let (status, body) = match request(candidate, http, TIMEOUT).await {
            Ok(response) => response,
            Err(error) => return Err(Failure::connect(candidate, &error)),
        };
        if status == StatusCode::OK
            && let Some(text) = document(&body)
        {
            return Contract::from_json(text).map_err(|why| unreadable(candidate, &*why));
        }
        let what = if status == StatusCode::OK { "no contract" } else { status.as_str() };
        tried.push(format!("{candidate}: {what}"));
    }
    let message = format!("there is no contract\n  {}", tried.join("\n  "));
    Err(Failure::connection(message).help("serve one with `Router::docs(\"/docs\")`, or give a file"))
}

/// Returns the text of a body that is a document of contracts, and not a page or another document.
fn document(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let is_document = text.trim_start().starts_with('{') && text.contains("\"handlers\"");
    is_document.then_some(text)
}

async fn request(
    url: &str,
    http: &HttpArguments,
    timeout: Duration,
) -> Result<(StatusCode, Bytes), ConnectError> {
    let url = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss://{rest}"),
        _ => url.to_owned(),
    };
    let client = client(&url, http).map_err(|failure| ConnectError::Header(failure.to_string()))?;
    let response =
        client.header("accept", "application/json, text/html").connect_timeout(timeout).get(MAX_SIZE).await?;
    Ok((response.status(), response.into_body()))
}

/// Returns a client with the headers and the certificate authorities of the arguments.
pub(crate) fn client(url: &str, http: &HttpArguments) -> Result<Client, Failure> {
    let mut client = Client::new(url);
    if let Some(file) = &http.ca {
        client = client.tls(trusting(file)?);
    }
    for (name, value) in &http.headers {
        client = client.header(name, value);
    }
    Ok(client)
}

/// Returns a configuration of TLS that trusts the certificates of a PEM file.
fn trusting(file: &Path) -> Result<ClientConfig, Failure> {
    let name = file.display();
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot use the certificates of {name}: {error}"))
            .help("the file has the form PEM: `-----BEGIN CERTIFICATE-----`")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&"there is no certificate"));
    }
    let provider = std::sync::Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Returns the URL of a path on the same server.
fn at_origin(url: &str, path: &str) -> Option<String> {
    origin(url).map(|(scheme, authority)| format!("{scheme}://{authority}{path}"))
}

/// Returns the scheme, as one of HTTP, and the authority of a URL.
fn origin(url: &str) -> Option<(&'static str, String)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => return None,
    };
    Some((scheme, uri.authority()?.as_str().to_ascii_lowercase()))
}

/// Returns whether two URLs are of one server, so that headers for one may go to the other.
pub(crate) fn is_same_server(a: &str, b: &str) -> bool {
    origin(a).is_some_and(|a| origin(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_the_same_or_not() {
        assert!(is_same_server("ws://a.example/x", "http://A.example/docs"));
        assert!(!is_same_server("ws://a.example/x", "https://a.example/x"));
        assert!(!is_same_server("ws://a.example/x", "ws://a.example:81/x"));
        assert!(!is_same_server("ws://a.example/x", "contract.json"));
        assert_eq!(at_origin("wss://a:1/b?c", "/d").as_deref(), Some("https://a:1/d"));
    }
}
