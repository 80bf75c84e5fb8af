use serde::Serialize;
use serde::de::DeserializeOwned;
use ws_core::prelude::*;

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Board<T>(T);

#[websocket(client = pub BoardClient)]
impl<T: Serialize + DeserializeOwned + Clone + Default> Board<T> {
    #[on_call]
    fn last(&mut self) -> T {
        self.0.clone()
    }
}

fn main() {
    let _: Router = Router::new().mount_at::<Board<u8>>("/");
}
