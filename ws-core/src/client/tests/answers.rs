//! The calls of a server that its contract declares, as a trait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{Call, CallError, JsonRpc};

#[derive(Call, Serialize, Deserialize, JsonSchema)]
#[call("order.confirm", returns = bool)]
struct Confirm {
    order: u64,
}

#[derive(Call, Serialize, Deserialize, JsonSchema)]
#[call(returns = u64)]
struct Double(u64);

#[websocket(path = "/shop", envelope = JsonRpc)]
#[derive(Default)]
struct Shop;

#[websocket(contract(calls = [Confirm, Double]), client = ShopClient)]
impl Shop {
    #[on_call]
    async fn buy(&mut self, order: u64, cx: &mut Context<Self>) -> String {
        format!("{:?} {:?}", cx.call(Confirm { order }).await, cx.call(Double(order)).await)
    }
}

struct Buyer {
    limit: u64,
    seen: AtomicUsize,
}

impl ShopClientCalls for Buyer {
    async fn confirm(&self, Confirm { order }: Confirm) -> Result<bool, CallError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.seen.fetch_add(1, Ordering::Relaxed);
        Ok(order < self.limit)
    }

    async fn double(&self, Double(number): Double) -> Result<u64, CallError> {
        if self.seen.load(Ordering::Relaxed) == 2 {
            return Err(CallError::new(7, "no more"));
        }
        Ok(2 * number)
    }
}

#[tokio::test(start_paused = true)]
async fn a_trait_answers_the_server() {
    let client = client(|_, io| serve(Shop, io));
    let answers = ShopClient::answers(Buyer { limit: 100, seen: AtomicUsize::new(0) });
    let client = ShopClient::connect_with(client, answers).await.unwrap();
    assert_eq!(client.buy(7).await.unwrap(), "Ok(true) Ok(14)");
    let second = client.buy(700).await.unwrap();
    assert!(second.starts_with("Ok(false) Err(Refused(") && second.contains("no more"), "{second}");
}
