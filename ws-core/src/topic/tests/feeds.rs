//! What becomes of what waits for a connection.

use super::*;

#[websocket(outbox_high_water = 1KiB)]
struct Busy(Topic<String>);

#[websocket]
impl Busy {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
    #[on_text]
    async fn busy(&mut self, _: &str) {
        std::future::pending().await
    }
}

#[tokio::test]
async fn busy_handler_does_not_keep_what_there_is_room_for() {
    let room = Hub::local().topic::<String>("room");
    let mut client = Test::open(Busy(room.clone())).await;
    client.send("be busy").await;
    // Each of them is as much as the outbox takes at once.
    for number in 0..5 {
        room.publish(format!("{number}{}", "x".repeat(2000))).unwrap();
    }
    for number in 0..5 {
        assert!(client.text().await.starts_with(&format!("\"{number}")));
    }
}
