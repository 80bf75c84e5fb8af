#[websocket(path = "/chat/{room}", subprotocols = ["chat.v2", "chat.v1"], idle_timeout = 60s, max_message_size = 64KiB, overflow = drop_oldest, compress(level = 1))]
struct Chat {
    name: String,
    room: Room,
}

#[websocket]
impl Chat {
    #[on_upgrade]
    async fn join(Path(room): Path<String>, State(hub): State<Hub>) -> Result<Self, StatusCode> {
        hub.join(room).await
    }

    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        self.room.enter(cx.addr()).await;
    }

    #[on_text]
    async fn said(&mut self, Json(said): Json<Said>) -> Result<(), Full> {
        self.room.say(said).await
    }

    #[on_binary]
    async fn picture(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.send(self.room.keep(bytes).await);
    }

    #[on_ping]
    fn pinged(&mut self) {
        self.room.seen();
    }

    #[on_info]
    fn heard(&mut self, said: Arc<Said>) -> Json<Arc<Said>> {
        Json(said)
    }

    #[on_info]
    async fn leave(&mut self, _: Leave) -> Close {
        self.room.leave().await;
        Close::default()
    }

    #[on_drain]
    fn drained(&mut self) {}

    #[on_lagged]
    async fn lagged(&mut self, missed: u64) -> Result<String, Full> {
        self.room.again(missed).await
    }

    #[every(30s)]
    fn keep_alive(&mut self) -> Ping {
        Ping::default()
    }

    #[after(LIMIT)]
    fn long_enough(&mut self, cx: &mut Context<Self>) {
        cx.close(1000);
    }

    #[on_error]
    fn failed(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }

    #[on_close]
    async fn left(&mut self, reason: &CloseReason) {
        self.room.left(reason).await;
    }
}
