//! A request for a document, with the settings of a client (feature `cli`).

use std::future::poll_fn;
use std::pin::{Pin, pin};

use axum_core::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::builder::Client;
use super::error::ConnectError;
use super::exchange::MAX_HEAD;

impl Client {
    /// Sends a `GET` to the server, over the client's proxy and TLS and with its headers: HTTP for a URL with the scheme
    /// `ws`, HTTPS for `wss`. Redirects are not followed.
    ///
    /// For the command line, which reads contracts.
    ///
    /// # Errors
    ///
    /// Returns the reason why there is no response within [`connect_timeout`](Self::connect_timeout), or
    /// [`ConnectError::Http`] for a body of more than `max_body` bytes.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the request.
    #[doc(hidden)]
    pub async fn get(self, max_body: usize) -> Result<Response<Bytes>, ConnectError> {
        let Self { url, offer, invalid, dialer, connect_timeout, .. } = self;
        let url = url?;
        if let Some(error) = invalid {
            return Err(error);
        }
        let mut request = Request::get(Uri::from(url.path.clone()))
            .body(Body::empty())
            .map_err(|error| ConnectError::Url(error.to_string()))?;
        let host = url.authority.parse().map_err(|_| ConnectError::Url("invalid host".into()))?;
        *request.headers_mut() = offer.headers;
        request.headers_mut().entry(HOST).or_insert(host);
        let exchange = async {
            let (io, _) = dialer.dial(&url).await?;
            let mut http = http1::Builder::new();
            http.max_buf_size(MAX_HEAD).title_case_headers(true);
            let (mut sender, connection) = http.handshake(TokioIo::new(io)).await?;
            let response = pin!(async move {
                let (parts, body) = sender.send_request(request).await?.into_parts();
                Ok(Response::from_parts(parts, read(body, max_body).await?))
            });
            match select(response, pin!(connection)).await {
                Either::Left((response, _)) => response,
                Either::Right((_, response)) => response.await,
            }
        };
        timeout(connect_timeout, exchange).await.unwrap_or(Err(ConnectError::Timeout))
    }
}

/// Reads a body of up to `max` bytes.
async fn read(mut body: Incoming, max: usize) -> Result<Bytes, ConnectError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > max - bytes.len() {
            return Err(ConnectError::Http(format!("the body has more than {max} bytes").into()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
