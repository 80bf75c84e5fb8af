//! The handler of the board: its states, calls and messages. The examples `board` and `feed` use this module.

mod errors;
mod market;

use std::collections::HashSet;

pub use errors::{LoginError, UnknownSymbol};
pub use market::Market;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_core::Messages;
use ws_core::prelude::*;

/// The password of each name.
pub const PASSWORD: &str = "wonderland";

/// The number of wrong passwords that end the connection.
const MAX_ATTEMPTS: u32 = 3;

/// The maximum length of a name in characters.
const MAX_NAME: usize = 32;

/// Number of prices that a client gets of each symbol.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// Each price: about ten a second.
    #[default]
    Live,
    /// About one a second.
    Calm,
}

/// The query of the handshake.
#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// How many prices to send. Without it, all of them.
    pace: Option<Pace>,
}

/// A symbol of the market.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    pub symbol: String,
    /// The name of the company.
    pub name: String,
}

/// The answer to a login: what a member may subscribe to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    /// All symbols, sorted.
    pub listings: Vec<Listing>,
}

/// The state of a symbol at the time of the subscription.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {
    pub symbol: String,
    /// The price in cents.
    pub cents: u32,
    /// The price at the opening of the market, in cents.
    pub open: u32,
    /// The prices of the last minute in cents, one a second, the oldest first.
    pub recent: Vec<u32>,
}

/// The messages that the server sends by itself.
#[derive(Debug, Messages, Serialize, Deserialize, JsonSchema)]
pub enum Event {
    /// A new price of a symbol, in cents.
    Price { symbol: String, cents: u32 },
}

// A slow client gets the newest price of each symbol, because each symbol has a topic. The buffer of the session is
// small: what a client has missed of prices is not worth much.
#[websocket(
    path = "/board",
    envelope = JsonRpc,
    sends = Event,
    overflow = latest,
    session(resume = 30s, buffer = 64KiB),
    max_message_size = 16KiB,
    max_message_rate = 100,
)]
pub enum Board {
    Guest(Guest),
    Member(Member),
}

/// A client that has to log in.
pub struct Guest {
    market: Market,
    pace: Pace,
    attempts: u32,
}

/// A client that may subscribe.
pub struct Member {
    market: Market,
    pace: Pace,
    subscribed: HashSet<usize>,
}

/// Prices of 200 symbols, which walk at random. The password of each name is `wonderland`.
// What the handler takes and sends is kept in `../contract/board.json`.
#[websocket(
    client = pub BoardClient,
    contract(version = 1, closes = [(4401, "log in within 30 s"), (4403, "three wrong passwords")]),
)]
impl Board {
    #[on_upgrade]
    fn connect(Query(Settings { pace }): Query<Settings>, State(market): State<Market>) -> Guest {
        Guest { market, pace: pace.unwrap_or_default(), attempts: 0 }
    }

    /// Logs in. The third wrong password is not answered, but ends the connection with 4403.
    #[on_call]
    fn login(
        guest: &mut Guest,
        name: String,
        password: String,
        cx: &mut Context<Self>,
    ) -> Result<(Welcome, Goto<Member>), LoginError> {
        if name.trim().is_empty() || name.chars().count() > MAX_NAME {
            return Err(LoginError::InvalidName);
        }
        if password != PASSWORD {
            guest.attempts += 1;
            if guest.attempts == MAX_ATTEMPTS {
                cx.close(Close::new(4403, "three wrong passwords"));
            }
            return Err(LoginError::WrongPassword { attempts_left: MAX_ATTEMPTS - guest.attempts });
        }
        let Guest { market, pace, .. } = guest;
        let member = Member { market: market.clone(), pace: *pace, subscribed: HashSet::new() };
        Ok((Welcome { listings: market.listings() }, Goto(member)))
    }

    #[after(30s)]
    fn too_late(_: &mut Guest) -> Close {
        Close::new(4401, "log in within 30 s")
    }

    /// Subscribes to symbols, in addition to those of earlier calls, and returns their current prices. Each change is a
    /// message `price`. A client that reads too slowly gets the newest price of each symbol only.
    #[on_call]
    fn subscribe(
        member: &mut Member,
        symbols: Vec<String>,
        cx: &mut Context<Self>,
    ) -> Result<Vec<Quote>, UnknownSymbol> {
        let symbols = member.find(symbols)?;
        for &symbol in &symbols {
            if member.subscribed.insert(symbol) {
                cx.forward(member.market.topic(symbol, member.pace));
            }
        }
        // After the subscription, so that no price is missed in between.
        Ok(symbols.into_iter().map(|symbol| member.market.quote(symbol)).collect())
    }

    /// Ends subscriptions. Symbols without one are no error.
    #[on_call]
    fn unsubscribe(
        member: &mut Member,
        symbols: Vec<String>,
        cx: &mut Context<Self>,
    ) -> Result<(), UnknownSymbol> {
        for symbol in member.find(symbols)? {
            member.unsubscribe(symbol, cx);
        }
        Ok(())
    }

    /// Ends all subscriptions. The client has to log in again.
    #[on_call]
    fn logout(member: &mut Member) -> Goto<Guest> {
        Goto(Guest { market: member.market.clone(), pace: member.pace, attempts: 0 })
    }

    #[on_leave]
    fn leave(member: &mut Member, cx: &mut Context<Self>) {
        for symbol in member.subscribed.clone() {
            member.unsubscribe(symbol, cx);
        }
    }
}

impl Member {
    /// Returns the numbers of symbols, each once.
    fn find(&self, symbols: Vec<String>) -> Result<Vec<usize>, UnknownSymbol> {
        let mut found = Vec::new();
        for symbol in symbols {
            let Some(at) = self.market.find(&symbol) else { return Err(UnknownSymbol(symbol)) };
            if !found.contains(&at) {
                found.push(at);
            }
        }
        Ok(found)
    }

    fn unsubscribe(&mut self, symbol: usize, cx: &mut Context<Board>) {
        if self.subscribed.remove(&symbol) {
            cx.unsubscribe(self.market.topic(symbol, self.pace));
        }
    }
}
