//! Timers, declared and set at run time.
//!
//! Run it with `cargo run --example every` and connect to `ws://127.0.0.1:8080/`: a tick comes
//! every second, a word after five. `faster` doubles the pace of an own timer, `stop` ends it.
//! Another address is its first argument.

use ws_core::prelude::*;

const KEEP_ALIVE: Duration = Duration::from_secs(20);

#[websocket(path = "/")]
#[derive(Default)]
struct Clock {
    seconds: u64,
    period: Option<Duration>,
    beat: Option<TimerId>,
}

#[derive(Clone)]
struct Beat;

#[websocket]
impl Clock {
    #[every(1s)]
    fn tick(&mut self) -> String {
        self.seconds += 1;
        format!("{} s", self.seconds)
    }

    #[after(5s)]
    fn halfway(&mut self) -> &'static str {
        "that was five seconds"
    }

    /// A client that does not answer is found by the idle timeout.
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
            _ => Some("say `faster` or `stop`"),
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
    println!("listening on ws://{addr}/");
    Router::new().mount::<Clock>().serve(addr).await
}
