//! Authentication before the 101: `#[on_upgrade]` extracts the path, the query and the router's state.
//! The error that it returns is the HTTP response.
//!
//! Run it with `cargo run --example auth` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/rooms/lobby?token=wonderland`. Any other token gets 401, an unknown room
//! 404. The first argument is another address to listen on.

mod page;

use std::collections::HashMap;
use std::sync::Arc;

use ws_core::prelude::*;

/// The names of users by token. The router holds it as its state; handlers share it.
#[derive(Clone)]
struct Users(Arc<HashMap<&'static str, &'static str>>);

#[derive(serde::Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct Credentials {
    token: String,
}

#[websocket(path = "/rooms/{room}", subprotocols = ["chat.v1"])]
struct Room {
    user: &'static str,
    room: String,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/auth.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Room {
    #[on_upgrade]
    async fn join(
        Path(room): Path<String>,
        Query(credentials): Query<Credentials>,
        State(Users(users)): State<Users>,
    ) -> Result<Self, (StatusCode, &'static str)> {
        let user = *users.get(&*credentials.token).ok_or((StatusCode::UNAUTHORIZED, "unknown token\n"))?;
        if room != "lobby" {
            return Err((StatusCode::NOT_FOUND, "there is only the lobby\n"));
        }
        Ok(Self { user, room })
    }

    #[on_open]
    fn welcome(&mut self) -> String {
        format!("welcome to the {}, {}", self.room, self.user)
    }

    #[on_text]
    fn text(&mut self, text: &str) -> String {
        format!("{}: {text}", self.user)
    }

    #[on_close]
    fn closed(&mut self, reason: &CloseReason) {
        println!("{} left the {}: {reason}", self.user, self.room);
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let users = Users(Arc::new(HashMap::from([("wonderland", "alice")])));
    println!("listening on http://{addr}, WebSocket at ws://{addr}/rooms/lobby?token=wonderland");
    Router::new().mount::<Room>().with_state(users).fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "auth",
    about: "Who may connect is decided before the handshake is answered. Try an address below: the \
            second has a wrong token (401), the third a room that does not exist (404).",
    source: include_str!("auth.rs"),
    targets: &[
        "/rooms/lobby?token=wonderland",
        "/rooms/lobby?token=looking-glass",
        "/rooms/attic?token=wonderland",
    ],
    messages: &["hello"],
};

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        ws_core::contract::check(
            "contract/auth.json",
            &Router::new().mount::<Room>().with_state(Users(Arc::default())),
        );
    }
}
