//! Handlers of their own: without states, with a close as an error, and with transitions that follow each other.

use super::*;

#[websocket]
#[derive(Default)]
struct Closing;

#[websocket]
impl Closing {
    #[on_text]
    fn text(&mut self, text: &str) -> Result<&'static str, Close> {
        if text == "stay" { Ok("stays") } else { Err(Close::new(4401, "leave")) }
    }

    #[on_error]
    fn error(&mut self, _: &HandlerError) -> &'static str {
        "not an error"
    }
}

#[tokio::test(start_paused = true)]
async fn close_as_the_error_of_a_method_is_sent() {
    let mut peer = connect(|_| Closing);
    peer.send("stay").await;
    peer.expect(&["stays"]).await;
    peer.send("go").await;
    assert_eq!(peer.closed().await, 4401);
}

#[websocket]
struct Stateless;

#[websocket]
impl Stateless {
    #[on_text]
    fn text(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.send(Goto(Stranger));
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn goto_without_states_is_an_error() {
    let mut peer = connect(|_| Stateless);
    peer.send("").await;
    let text = peer.text().await;
    assert!(text.contains("Stranger>` in a handler without states"), "{text}");
}

/// Two states that lead to each other until the number is used up.
#[websocket]
enum Ball {
    Left(Left),
    Right(Right),
}

struct Left(u32);
struct Right(u32);

#[websocket]
impl Ball {
    #[on_text]
    fn serve(&mut self, text: &str) -> Goto<Right> {
        Goto(Right(text.parse().unwrap()))
    }

    #[on_enter]
    fn left(left: &mut Left) -> Option<Goto<Right>> {
        left.0.checked_sub(1).map(|left| Goto(Right(left)))
    }

    #[on_enter]
    async fn right(right: &mut Right) -> Option<Goto<Left>> {
        right.0.checked_sub(1).map(|left| Goto(Left(left)))
    }

    #[on_error]
    fn error(&mut self, _: &HandlerError) -> Goto<Right> {
        Goto(Right(9))
    }

    #[on_binary]
    fn side(&mut self, _: &[u8]) -> &'static str {
        match self {
            Self::Left(_) => "left",
            Self::Right(_) => "right",
        }
    }
}

#[tokio::test(start_paused = true)]
async fn transitions_of_on_enter_are_as_many_as_the_states() {
    let mut peer = connect(|_| Ball::Left(Left(0)));
    for _ in 0..3 {
        // Two transitions in a row, for each message again.
        peer.send("1").await;
        peer.raw(&frame(0x82, b"")).await;
        peer.expect(&["left"]).await;
    }
    peer.send("2").await;
    assert_eq!(peer.closed().await, 1011);
}
