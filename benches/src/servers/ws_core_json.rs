//! This project with a struct as payload and another as reply, by `Json<T>`.

use ws_core::prelude::*;

use super::order::{Order, Receipt};
use super::ws_core::{run, with_workers};

#[websocket]
#[derive(Default)]
struct Orders;

#[websocket]
impl Orders {
    #[on_text]
    fn order(&mut self, Json(order): Json<Order>) -> Json<Receipt> {
        Json(order.into())
    }
}

/// Serves with this number of worker threads beside the runtime's, or with the default.
pub(super) async fn serve(addr: &str, workers: Option<usize>) -> std::io::Result<()> {
    run(with_workers(Router::new().mount_at::<Orders>("/"), workers), addr).await
}
