//! An echo inside TLS, over HTTP/1.1 and HTTP/2, with a certificate that is made when it starts and
//! again whenever Enter is pressed.
//!
//! Run it with `cargo run --example wss`, open <https://127.0.0.1:8443> and tell the browser that
//! you trust it, or talk to `wss://127.0.0.1:8443/echo` with a client that does not ask. Another
//! address is its first argument: `cargo run --example wss -- 127.0.0.1:9001`.

use std::io;
use std::path::Path;

use axum::response::Html;
use axum::routing::get;
use ws_core::prelude::*;
use ws_core::{BoxError, Tls};

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text(&mut self, text: &str) -> String {
        format!("{text}, said in private")
    }
}

const PAGE: &str = r#"<!doctype html><title>wss</title><input autofocus><pre></pre><script>
const socket = new WebSocket(`wss://${location.host}/echo`), [input, log] = document.body.children
socket.onmessage = event => log.textContent += event.data + "\n"
input.onchange = () => { socket.send(input.value); input.value = "" }
</script>"#;

/// A server has these from somebody whom browsers trust.
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
            // The sockets that are open stay open. If the files were broken, so would the old
            // certificate stay.
            match make_certificate(&cert, &key).map_err(BoxError::from).and_then(|()| Ok(renewed.reload()?)) {
                Ok(()) => println!("new clients get a new certificate"),
                Err(error) => println!("still the old certificate: {error}"),
            }
        }
    });

    println!("listening on https://{addr}, WebSocket at wss://{addr}/echo");
    let page = axum::Router::new().route("/", get(async || Html(PAGE)));
    let listener = tokio::net::TcpListener::bind(addr).await?;
    let stop = async { _ = tokio::signal::ctrl_c().await };
    Router::new().mount::<Echo>().fallback(page).serve_tls_listener(listener, tls, stop).await?;
    Ok(std::fs::remove_dir_all(folder)?)
}
