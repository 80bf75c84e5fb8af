use ws_core::prelude::*;

#[derive(Clone, serde::Deserialize)]
struct Weather;

#[websocket(path = "/chat")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn line(&mut self, line: String) -> String {
        line
    }
}

fn main() {
    let hub = Hub::local();
    hub.accepts::<Chat, Weather>("weather");
    let _: Router = Router::new().mount::<Chat>().hub(&hub);
}
