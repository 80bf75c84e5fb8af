//! The client's answers to calls of the server.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::decode::read_params;
use crate::envelope::{Call, CallError};

/// The future of an answer.
type AnswerFuture = Pin<Box<dyn Future<Output = Result<Box<RawValue>, CallError>> + Send>>;

/// The function that answers a call.
type AnswerFn = dyn Fn(Option<&RawValue>) -> AnswerFuture + Send + Sync;

/// The functions of a typed client that answer calls of the server, one for each type with
/// [`Call`](trait@Call).
///
/// The type also needs serde's `Deserialize`, and its result `Serialize`. A call without a function is answered with
/// [`CallError::method_not_found`]. Up to 64 functions run at a time; one more call is answered with an error.
///
/// ```
/// use ws_core::client::{Client, RemoteAnswers};
/// use ws_core::{Call, prelude::*};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Call, Serialize, Deserialize)]
/// #[call(returns = bool)]
/// struct Confirm { order: u64 }
///
/// #[websocket(path = "/shop", envelope = JsonRpc)]
/// #[derive(Default)]
/// struct Shop;
///
/// #[websocket(client = ShopClient)]
/// impl Shop {
///     #[on_call]
///     async fn buy(&mut self, order: u64, cx: &mut Context<Self>) -> bool {
///         cx.call(Confirm { order }).await.unwrap_or(false)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("ws://{}/shop", listener.local_addr()?);
/// # tokio::spawn(Router::new().mount::<Shop>().serve_listener(listener, std::future::pending()));
/// let answers = RemoteAnswers::new().on(|confirm: Confirm| async move { Ok(confirm.order < 100) });
/// let shop = ShopClient::connect_with(Client::new(&url), answers).await?;
/// assert!(shop.buy(7).await?);
/// assert!(!shop.buy(700).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct RemoteAnswers(BTreeMap<&'static str, Arc<AnswerFn>>);

impl RemoteAnswers {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the function for calls of the type `C`, in place of an earlier one.
    pub fn on<C, F>(mut self, answer: impl Fn(C) -> F + Send + Sync + 'static) -> Self
    where
        C: Call<Returns: Serialize> + DeserializeOwned,
        F: Future<Output = Result<C::Returns, CallError>> + Send + 'static,
    {
        let answer = move |params: Option<&RawValue>| -> AnswerFuture {
            match read_params(params) {
                Ok(call) => {
                    let answer = answer(call);
                    Box::pin(async move {
                        let result = answer.await?;
                        to_raw_value(&result)
                            .map_err(|_| CallError::internal("the result does not serialize"))
                    })
                }
                Err(error) => {
                    let error = CallError::invalid_params(format!("invalid parameters: {error}"));
                    Box::pin(async { Err(error) })
                }
            }
        };
        self.0.insert(C::NAME, Arc::new(answer));
        self
    }

    /// Returns the future of the answer to a call; `None` without a function of this name.
    pub(super) fn answer(&self, name: &str, params: Option<&RawValue>) -> Option<AnswerFuture> {
        self.0.get(name).map(|answer| answer(params))
    }
}

impl fmt::Debug for RemoteAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteAnswers").field(&self.0.keys()).finish()
    }
}
