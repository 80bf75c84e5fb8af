//! Arguments and return types of methods, in every combination that a signature allows.
#![deny(warnings)]

use std::borrow::Cow;
use std::sync::Arc;

use ws_core::prelude::*;

#[websocket(path = "/{room}")]
struct Shapes(Option<String>);

type Cx = Context<Shapes>;

#[websocket]
impl Shapes {
    #[on_upgrade]
    async fn join(
        Path(room): Path<String>,
        State(()): State<()>,
        peer: Option<PeerAddr>,
    ) -> Result<Upgrade<Self>, (StatusCode, String)> {
        let _ = peer;
        Ok(Upgrade::new(Self(Some(room))).header("x-room", "lobby"))
    }

    #[on_open]
    async fn open(&self, cx: &mut Cx) -> impl IntoReply + use<> {
        cx.set_active(true);
        Some(["one", "two"])
    }

    #[on_text]
    fn said<'a>(&'a mut self, cx: &mut Cx, text: &'a str) -> Cow<'a, str> {
        cx.send(text);
        self.0.as_deref().map_or(Cow::Borrowed(text), Cow::Borrowed)
    }

    #[on_binary]
    async fn data(&mut self, bytes: Result<Bytes, DecodeError>) -> Result<(Bytes, Ping), DecodeError> {
        Ok((bytes?, Ping::default()))
    }

    #[on_ping]
    async fn pinged(&mut self, _: &mut Cx) {}

    #[on_pong]
    fn ponged(&mut self, payload: Vec<u8>, _: &mut Cx) -> Vec<Vec<u8>> {
        vec![payload]
    }

    #[on_info]
    fn arc(&mut self, text: Arc<str>) -> Arc<str> {
        text
    }

    #[on_info]
    fn text(&mut self, text: &'static str) -> Result<&'static str, &'static str> {
        Ok(text)
    }

    #[on_info]
    async fn tuple(&mut self, (a, b): (u8, u16)) -> [&'static str; 0] {
        let _ = (a, b);
        []
    }

    #[on_info]
    async fn shared(&mut self, bytes: std::sync::Arc<Vec<u8>>) -> Vec<u8> {
        bytes.to_vec()
    }

    #[on_drain]
    fn drained(&self, cx: &mut Cx) -> Option<&'static str> {
        (cx.buffered() == 0).then_some("drained")
    }

    #[on_lagged]
    async fn lagged(&self, cx: &mut Cx, missed: u64) -> Option<String> {
        cx.send("wait");
        (missed > 0).then(|| missed.to_string())
    }

    #[every(Duration::from_millis(5))]
    fn tick(&self) -> Result<Option<Message>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }

    #[after(0.5h)]
    fn late(&mut self) -> Close {
        Close::new(4000, "late")
    }

    #[on_error]
    async fn failed(&mut self, error: &HandlerError, cx: &mut Cx) {
        cx.send(error.to_string());
    }

    #[on_close]
    fn left(&self, _: &CloseReason) -> () {}
}

fn main() {
    let _: Router = Router::new().mount::<Shapes>();
}
