//! Timers: declared ones, and one that is set at run time.
//!
//! Run it with `cargo run --example every` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/clock`. The server sends a tick every second and one more message after five
//! seconds. The text `faster` starts a timer, then halves its period; `stop` cancels it. The first
//! argument is another address to listen on.

mod page;

use ws_core::prelude::*;

const KEEP_ALIVE: Duration = Duration::from_secs(20);

#[websocket(path = "/clock")]
#[derive(Default)]
struct Clock {
    seconds: u64,
    period: Option<Duration>,
    beat: Option<TimerId>,
}

#[derive(Clone)]
struct Beat;

// With the feature `contract`, what the handler takes and sends is kept in `contract/every.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract))]
impl Clock {
    #[every(1s)]
    fn tick(&mut self) -> String {
        self.seconds += 1;
        format!("{} s", self.seconds)
    }

    #[after(5s)]
    fn once(&mut self) -> &'static str {
        "five seconds have passed"
    }

    /// Keeps a client that only listens: its pongs count for the idle timeout.
    #[every(KEEP_ALIVE)]
    fn keep_alive(&mut self) -> Ping {
        Ping::default()
    }

    #[on_text]
    fn command(&mut self, text: &str, cx: &mut Context<Self>) -> Option<&'static str> {
        if let Some(beat) = self.beat.take() {
            cx.cancel(beat);
        }
        match text {
            "faster" => {
                let period = self.period.map_or(Duration::from_secs(2), |period| period / 2);
                self.period = Some(period);
                self.beat = Some(cx.send_every(period, Beat));
                None
            }
            "stop" => Some("stopped"),
            _ => Some("send `faster` or `stop`"),
        }
    }

    #[on_info]
    fn beat(&mut self, _: Beat) -> &'static str {
        "beat"
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/clock");
    Router::new().mount::<Clock>().fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "every",
    about: "Declared timers run from open: <code>#[every]</code> repeatedly, <code>#[after]</code> once. \
            The message <code>faster</code> starts a timer of its own and halves its period each time; \
            <code>stop</code> cancels it.",
    source: include_str!("every.rs"),
    targets: &["/clock"],
    messages: &["faster", "stop"],
};

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/every.json", &Router::new().mount::<Clock>());
    }
}
