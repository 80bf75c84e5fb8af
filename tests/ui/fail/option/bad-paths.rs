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

#[websocket(path = "/{a}{b}")]
struct Together;

fn main() {
    let _ = (Together, Twice, Open, Nameless, NotLast, Colon);
}
