use ws_core::prelude::*;

#[websocket(path = "/{room}/{room}")]
struct Twice;

#[websocket(path = "/{room")]
struct Open;

#[websocket(path = "/{}")]
struct Nameless;

#[websocket(path = "/{*rest}/more")]
struct NotLast;

#[websocket(path = "/:room")]
struct Colon;

fn main() {
    let _ = (Twice, Open, Nameless, NotLast, Colon);
}
