//! What was published, for those who come back.

use std::sync::mpsc;

use super::*;
use crate::{History, Recovery};

#[websocket]
struct Returns {
    room: Topic<u32>,
    since: Option<Position>,
    told: mpsc::Sender<Recovery>,
}

#[websocket]
impl Returns {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let recovery = cx.subscribe_from(&self.room, self.since).await;
        self.told.send(recovery).unwrap();
    }
    #[on_info]
    fn heard(&mut self, number: Published<u32>) -> String {
        format!("{} at {}", *number, number.position().map_or(0, |position| position.offset))
    }
}

#[tokio::test]
async fn who_comes_back_gets_what_it_missed_or_is_told() {
    let hub = Hub::local();
    let room = hub.topic::<u32>("room").history(4);
    let begin = room.position().unwrap();
    let at = |offset| Some(Position { offset, ..begin });
    let from = async |since: Option<Position>, publish: u32| {
        let (told, recovery) = mpsc::channel();
        let client = Test::open(Returns { room: room.clone(), since, told }).await;
        room.publish(publish).unwrap();
        (client, recovery.recv().unwrap())
    };
    for number in 1..=5 {
        room.publish(number * 10).unwrap();
    }
    let (client, recovery) = from(at(1), 60).await;
    assert_eq!(recovery, Recovery { recovered: true, position: at(5) });
    texts(client, &["20 at 2", "30 at 3", "40 at 4", "50 at 5", "60 at 6"]).await;
    // The second has been forgotten meanwhile.
    let (client, recovery) = from(at(1), 70).await;
    assert_eq!(recovery, Recovery { recovered: false, position: at(6) });
    texts(client, &["70 at 7"]).await;
    let (client, recovery) = from(at(7), 80).await;
    assert!(recovery.recovered);
    texts(client, &["80 at 8"]).await;
    // What has not happened yet, another history, and nothing at all.
    for since in [at(9), Some(Position { epoch: begin.epoch ^ 1, offset: 8 }), None] {
        let (client, recovery) = from(since, 90).await;
        assert!(!recovery.recovered, "{since:?}");
        drop(client);
    }
    let without = hub.topic::<u32>("another");
    let (told, recovery) = mpsc::channel();
    let _client = Test::open(Returns { room: without, since: at(0), told }).await;
    assert_eq!(recovery.recv(), Ok(Recovery { recovered: false, position: None }));
}

#[tokio::test(start_paused = true)]
async fn history_outlives_its_users_for_a_while() {
    let hub = Hub::local();
    let kept = History::new(4).ttl(Duration::from_secs(10));
    hub.topic::<u32>("room").history(kept).publish(1).unwrap();
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(hub.topic::<u32>("room").position().map(|position| position.offset), Some(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    // Looked at when others come.
    for number in 0..1000 {
        hub.topic::<u32>(format!("room {number}")).history(kept);
    }
    assert_eq!(hub.topic::<u32>("room").position(), None);
    assert!(hub.len() >= 1000);
}

#[tokio::test(start_paused = true)]
async fn histories_that_nobody_uses_are_bounded() {
    let hub = Hub::local();
    for number in 0..25_000 {
        hub.topic::<u32>(format!("room {number}")).history(1).publish(1).unwrap();
    }
    assert!(hub.len() <= 10_000, "{}", hub.len());
    assert_eq!(hub.topic::<u32>("room 24999").position().map(|position| position.offset), Some(1));
}
