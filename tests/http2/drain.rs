//! Producers that wait until the window of their stream is open.

use super::*;

/// A handler that sends three times as much as may wait for its client.
#[websocket(path = "/source/{how}", outbox_limit = 256KiB)]
struct Source {
    how: String,
    left: usize,
}

#[websocket]
impl Source {
    #[on_upgrade]
    fn make(Path(how): Path<String>) -> Self {
        Self { how, left: 80 }
    }

    #[on_text]
    async fn start(&mut self, _: &str, cx: &mut Context<Self>) {
        if self.how == "drain" {
            return self.fill(cx);
        }
        while self.left > 0 {
            self.left -= 1;
            cx.send(format!("{:>10000}", self.left));
            cx.flushed().await;
        }
    }

    #[on_drain]
    fn fill(&mut self, cx: &mut Context<Self>) {
        while self.left > 0 && cx.buffered() < 64 << 10 {
            self.left -= 1;
            cx.send(format!("{:>10000}", self.left));
        }
    }
}

#[tokio::test]
async fn producers_wait_for_the_window() {
    let server = serve(Router::new().mount::<Source>()).await;
    let client = server.http2().await;
    for how in ["drain", "flushed"] {
        let mut socket = client.open(&format!("/source/{how}")).await;
        socket.text("go").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        for left in (0..80).rev() {
            assert_eq!(socket.next_text().await.trim_start(), left.to_string(), "{how}");
        }
    }
}

#[websocket(path = "/ticker", overflow = latest)]
struct Ticker(Topic<String>);

#[websocket]
impl Ticker {
    #[on_upgrade]
    fn make(State(ticks): State<Topic<String>>) -> Self {
        Self(ticks)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
}

#[tokio::test]
async fn newest_message_follows_what_the_window_holds() {
    const TICKS: usize = 3000;
    let ticks = Hub::local().topic::<String>("ticks");
    let server = serve(Router::new().mount::<Ticker>().with_state(ticks.clone())).await;
    let client = server.http2().await;
    let mut socket = client.open("/ticker").await;
    while ticks.subscribers() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for tick in 0..TICKS {
        ticks.publish(format!("{tick:>100}")).unwrap();
        // The connection's task takes each of them while the window is open.
        tokio::task::yield_now().await;
        if tick % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let mut bytes = 0;
    loop {
        let text = socket.next_text().await;
        if text.contains(&format!(" {}\"", TICKS - 1)) {
            break;
        }
        bytes += text.len() + 2;
    }
    // The window of 65,535 bytes, and those that the server had encoded when the window closed.
    assert!((60_000..80_000).contains(&bytes), "{bytes} of {}", TICKS * 104);
}
