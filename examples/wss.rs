//! An echo inside TLS, over HTTP/1.1 and HTTP/2. The example makes its certificate at the start, and a
//! new one whenever Enter is pressed.
//!
//! Run it with `cargo run --example wss --features tls`, open <https://127.0.0.1:8443> and accept the
//! certificate in the browser, or connect a client that does not verify certificates to
//! `wss://127.0.0.1:8443/echo`. The first argument is another address to listen on:
//! `cargo run --example wss --features tls -- 127.0.0.1:9001`.

mod page;

use std::io;
use std::path::Path;

use ws_core::prelude::*;
use ws_core::{BoxError, Tls};

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

// With the feature `contract`, what the handler takes and sends is kept in `contract/wss.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Echo {
    #[on_text]
    fn text(&mut self, text: &str) -> String {
        format!("{text}, said in private")
    }
}

/// Writes a self-signed certificate and its key. A server has a certificate from an authority instead.
fn make_certificate(cert: &Path, key: &Path) -> io::Result<()> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    std::fs::write(cert, made.cert.pem())?;
    std::fs::write(key, made.signing_key.serialize_pem())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8443".into());
    let folder = std::env::temp_dir().join(format!("wss-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    make_certificate(&cert, &key)?;

    let tls = Tls::load(&cert, &key)?;
    let renewed = tls.clone();
    std::thread::spawn(move || {
        for _ in io::stdin().lines() {
            // Open sockets stay open. With broken files, `reload` keeps the old certificate.
            match make_certificate(&cert, &key).map_err(BoxError::from).and_then(|()| Ok(renewed.reload()?)) {
                Ok(()) => println!("new connections get the new certificate"),
                Err(error) => println!("the old certificate stays in use: {error}"),
            }
        }
    });

    println!("listening on https://{addr}, WebSocket at wss://{addr}/echo");
    let listener = tokio::net::TcpListener::bind(addr).await?;
    let stop = async { _ = tokio::signal::ctrl_c().await };
    Router::new().mount::<Echo>().fallback(PAGE.app()).serve_tls_listener(listener, tls, stop).await?;
    Ok(std::fs::remove_dir_all(folder)?)
}

const PAGE: page::Page = page::Page {
    name: "wss",
    about: "An echo inside TLS. The browser loaded this page over HTTP/2 and opened its socket as a \
            stream of the same connection (RFC 8441). Press Enter in the terminal to reload the \
            certificate.",
    source: include_str!("wss.rs"),
    targets: &["/echo"],
    messages: &["hello"],
};

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/wss.json", &Router::new().mount::<Echo>());
    }
}
