use ws_core::prelude::*;

#[derive(serde::Deserialize)]
struct Say {
    text: String,
}

#[derive(serde::Deserialize)]
struct Leave {
    room: u32,
}

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn say(&mut self, Json(say): Json<Say>) -> String {
        say.text
    }

    #[on_text]
    fn leave(&mut self, Json(leave): Json<Leave>) -> String {
        leave.room.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
