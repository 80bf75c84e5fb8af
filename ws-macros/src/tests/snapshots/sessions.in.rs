#[websocket(path = "/orders", session(resume = 2m, buffer = 64KiB, poll_timeout = 20s))]
#[derive(Default)]
struct Orders;

#[websocket]
impl Orders {
    #[on_detach]
    fn away(&mut self) {}

    #[on_attach]
    async fn back(&mut self, cx: &mut Context<Self>) -> &'static str {
        "welcome back"
    }
}
