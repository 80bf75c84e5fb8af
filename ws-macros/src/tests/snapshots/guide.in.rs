#[websocket(path = "/websocket")]
#[derive(Default)]
struct MyHandler;


#[websocket]
impl MyHandler {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(Duration::from_secs(1), Say("Hello!"));
    }

    #[on_text]
    fn echo(&mut self, text: &str) -> String {
        format!("That's what she said! {text}")
    }

    #[on_info]
    fn say(&mut self, Say(what): Say, cx: &mut Context<Self>) -> &'static str {
        cx.send_after(Duration::from_secs(1), Say("How' you doin'?"));
        what
    }
}
