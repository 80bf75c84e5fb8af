//! The rows of the tables.

use ::ws_core::UnsentLimit;

#[cfg(feature = "peers")]
use super::{
    MAILBOX, actix, axum, ezsockets, fastwebsockets, jsonrpsee, sockudo, tls, tokio_websockets, tungstenite,
    ws_core_json, ws_core_tls, yawc,
};
use super::{
    Mode, Server, block_on, by_default, uwebsockets, ws_core, ws_core_async, ws_core_full, ws_core_rpc,
    ws_core_stream,
};

/// Modes of this project.
const OWN: &[Mode] = &[
    Mode::Echo,
    Mode::Deflate,
    Mode::Takeover,
    Mode::Tls,
    Mode::Http2,
    Mode::Json,
    Mode::Fanout,
    Mode::Timer,
    Mode::Info,
];
/// Modes of its workers, which have no TLS and no HTTP/2.
const WORKER: &[Mode] =
    &[Mode::Echo, Mode::Deflate, Mode::Takeover, Mode::Json, Mode::Fanout, Mode::Timer, Mode::Info];
#[cfg(feature = "peers")]
const COMPRESSING: &[Mode] =
    &[Mode::Echo, Mode::Deflate, Mode::Takeover, Mode::Http2, Mode::Fanout, Mode::Timer, Mode::Info];
#[cfg(feature = "peers")]
const NO_DEFLATE: &[Mode] = &[Mode::Echo, Mode::Fanout, Mode::Timer, Mode::Info];
#[cfg(feature = "peers")]
const WITH_JSON: &[Mode] = &[Mode::Echo, Mode::Json, Mode::Fanout, Mode::Timer, Mode::Info];

pub(crate) const SERVERS: &[Server] = &[
    Server { name: "ws-core", modes: OWN, run: |mode, addr| by_default(serve(mode, addr, None)) },
    Server {
        name: "ws-core, workers(1)",
        modes: WORKER,
        run: |mode, addr| block_on(serve(mode, addr, Some(1))),
    },
    Server {
        name: "ws-core, workers(0)",
        modes: OWN,
        run: |mode, addr| block_on(serve(mode, addr, Some(0))),
    },
    Server {
        name: "ws-core, async method",
        modes: &[Mode::Echo, Mode::Deflate, Mode::Takeover, Mode::Info],
        run: |mode, addr| block_on(ws_core_async::serve(mode, addr)),
    },
    Server {
        name: "ws-core, owned payload",
        modes: &[Mode::Echo],
        run: |_, addr| block_on(ws_core_async::serve_owned(addr)),
    },
    Server {
        name: "ws-core, on_info of a topic",
        modes: &[Mode::Fanout],
        run: |_, addr| block_on(ws_core::serve_on_info(addr)),
    },
    Server {
        name: "ws-core, every attribute",
        modes: &[Mode::Echo],
        run: |_, addr| block_on(ws_core_full::serve(addr)),
    },
    Server {
        name: "ws-core, session",
        modes: &[Mode::Session],
        run: |mode, addr| block_on(ws_core::serve(mode, addr, Some(0))),
    },
    Server {
        name: "ws-core, JSON-RPC",
        modes: &[Mode::Rpc],
        run: |_, addr| block_on(ws_core_rpc::serve_calls(addr)),
    },
    Server {
        name: "ws-core, Json<T> by hand",
        modes: &[Mode::Rpc],
        run: |_, addr| block_on(ws_core_rpc::serve_by_hand(addr)),
    },
    #[cfg(feature = "metrics")]
    Server {
        name: "ws-core, metrics",
        modes: &[Mode::Echo],
        run: |mode, addr| block_on(ws_core::serve(mode, addr, Some(0))),
    },
    #[cfg(feature = "metrics")]
    Server {
        name: "ws-core, worker, metrics",
        modes: &[Mode::Echo],
        run: |mode, addr| block_on(ws_core::serve(mode, addr, Some(1))),
    },
    #[cfg(feature = "metrics")]
    Server {
        name: "ws-core, worker, Prometheus metrics",
        modes: &[Mode::Echo],
        run: |mode, addr| {
            use metrics_exporter_prometheus::PrometheusBuilder;
            let _exporter = PrometheusBuilder::new().install_recorder().map_err(std::io::Error::other)?;
            block_on(ws_core::serve(mode, addr, Some(1)))
        },
    },
    #[cfg(feature = "peers")]
    Server { name: "jsonrpsee", modes: &[Mode::Rpc], run: |_, addr| block_on(jsonrpsee::serve(addr)) },
    #[cfg(feature = "peers")]
    Server {
        name: "axum",
        modes: &[Mode::Echo, Mode::Http2, Mode::Json, Mode::Fanout, Mode::Timer, Mode::Info],
        run: |mode, addr| block_on(axum::serve(mode, addr)),
    },
    #[cfg(feature = "peers")]
    Server { name: "axum-server", modes: &[Mode::Tls], run: |_, addr| block_on(axum::serve_tls(addr)) },
    #[cfg(feature = "peers")]
    Server { name: "actix-ws", modes: NO_DEFLATE, run: actix::serve },
    #[cfg(feature = "peers")]
    Server {
        name: "tokio-tungstenite",
        modes: &[Mode::Echo, Mode::Json, Mode::Fanout, Mode::Timer, Mode::Info, Mode::Rpc],
        run: |mode, addr| block_on(tungstenite::serve(mode, addr)),
    },
    #[cfg(feature = "peers")]
    Server {
        name: "fastwebsockets",
        modes: WITH_JSON,
        run: |mode, addr| block_on(fastwebsockets::serve(mode, addr)),
    },
    #[cfg(feature = "peers")]
    Server {
        name: "tokio-websockets",
        modes: WITH_JSON,
        run: |mode, addr| block_on(tokio_websockets::serve(mode, addr)),
    },
    #[cfg(feature = "peers")]
    Server { name: "ezsockets", modes: NO_DEFLATE, run: |mode, addr| block_on(ezsockets::serve(mode, addr)) },
    #[cfg(feature = "peers")]
    Server { name: "sockudo-ws", modes: COMPRESSING, run: |mode, addr| block_on(sockudo::serve(mode, addr)) },
    #[cfg(feature = "peers")]
    Server { name: "yawc", modes: COMPRESSING, run: |mode, addr| block_on(yawc::serve(mode, addr)) },
    #[cfg(feature = "peers")]
    Server {
        name: "rustls, tokio-tungstenite",
        modes: &[Mode::Tls],
        run: |_, addr| block_on(tls::serve(addr, tungstenite::echo)),
    },
    #[cfg(feature = "peers")]
    Server {
        name: "rustls, fastwebsockets",
        modes: &[Mode::Tls],
        run: |mode, addr| {
            let room = fastwebsockets::Room::new(MAILBOX);
            block_on(tls::serve(addr, move |stream| {
                fastwebsockets::serve_connection(stream, mode, room.clone())
            }))
        },
    },
    #[cfg(feature = "peers")]
    Server {
        name: "rustls, tokio-websockets",
        modes: &[Mode::Tls],
        run: |_, addr| block_on(tls::serve(addr, tokio_websockets::echo)),
    },
    Server { name: "uWebSockets (C++)", modes: &[Mode::Echo, Mode::Fanout], run: uwebsockets::serve },
];

/// Producers for one fast client, which only the command `unsent` measures. The first one has the default.
pub(crate) const PRODUCERS: &[Server] = &[
    Server {
        name: "ws-core, producer",
        modes: &[Mode::Echo],
        run: |_, addr| block_on(ws_core_stream::serve(UnsentLimit::Unlimited, addr)),
    },
    Server {
        name: "ws-core, unsent_limit 16 KiB",
        modes: &[Mode::Echo],
        run: |_, addr| block_on(ws_core_stream::serve(UnsentLimit::Bytes(16 << 10), addr)),
    },
];

/// Serves a mode of this project with this number of worker threads beside the runtime's, or with the default.
async fn serve(mode: Mode, addr: &str, workers: Option<usize>) -> std::io::Result<()> {
    match mode {
        #[cfg(feature = "peers")]
        Mode::Json => ws_core_json::serve(addr, workers).await,
        #[cfg(feature = "peers")]
        Mode::Tls => ws_core_tls::serve(addr, workers).await,
        _ => ws_core::serve(mode, addr, workers).await,
    }
}
