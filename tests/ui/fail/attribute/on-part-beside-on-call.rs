use ws_core::prelude::*;

#[websocket(path = "/", envelope = JsonRpc)]
#[derive(Default)]
struct Files;

#[websocket]
impl Files {
    #[on_part]
    async fn part(&mut self, _: Part<'_>) {}

    #[on_call]
    fn size(&mut self, file: String) -> usize {
        file.len()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Files>();
}
