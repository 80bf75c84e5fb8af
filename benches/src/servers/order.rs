//! The JSON of [`Mode::Json`](super::Mode::Json), the same for all servers.

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) struct Order {
    id: u64,
    customer: String,
    #[allow(dead_code, reason = "parsed, as an application would")]
    street: String,
    #[allow(dead_code, reason = "parsed, as an application would")]
    city: String,
    #[allow(dead_code, reason = "parsed, as an application would")]
    note: Option<String>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    sku: String,
    #[allow(dead_code, reason = "parsed, as an application would")]
    name: String,
    quantity: u64,
    cents: u64,
    #[allow(dead_code, reason = "parsed, as an application would")]
    tags: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Receipt {
    order: u64,
    customer: String,
    cents: u64,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    sku: String,
    cents: u64,
}

impl From<Order> for Receipt {
    fn from(order: Order) -> Self {
        let lines: Vec<Line> = order.items.into_iter().map(Line::from).collect();
        let cents = lines.iter().map(|line| line.cents).sum();
        Self { order: order.id, customer: order.customer, cents, lines }
    }
}

impl From<Item> for Line {
    fn from(item: Item) -> Self {
        Self { sku: item.sku, cents: item.quantity * item.cents }
    }
}

/// Returns the receipt for an order, for servers that parse and write JSON by hand.
pub(super) fn answer(order: &[u8]) -> serde_json::Result<String> {
    let order: Order = serde_json::from_slice(order)?;
    serde_json::to_string(&Receipt::from(order))
}
