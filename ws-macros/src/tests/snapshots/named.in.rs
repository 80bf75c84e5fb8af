#[websocket(path = "/rpc", envelope = Tagged(tag = "event"), sends = Event)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, cx: &mut Context<Self>, b: Option<i64>) -> Answer<i64> {
        a.checked_add(b.unwrap_or_default()).ok_or(Overflow)
    }

    #[on_call("report.build")]
    async fn build(&mut self, Params(report): Params<Report>) -> Built {
        report.build().await
    }

    #[on_message]
    fn typing(&mut self, room: &str) -> Event {
        Event::Typing { room: room.to_owned() }
    }

    #[cfg(feature = "search")]
    #[on_call]
    async fn search<'a>(&mut self, text: &'a str, limit: usize) -> Vec<Hit<'static>> {
        find(text, limit).await
    }

    #[on_text]
    fn other(&mut self, text: &str) {}
}
