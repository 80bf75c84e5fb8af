#[websocket(path = "/rpc", envelope = JsonRpc)]
enum Desk {
    Visitor(Visitor),
    User(User),
}

#[websocket]
impl Desk {
    #[on_upgrade]
    fn join() -> Visitor {
        Visitor
    }

    #[on_call("account:login")]
    async fn login(visitor: &mut Visitor, name: &str) -> Result<(Welcome, Goto<User>), Refused> {
        visitor.check(name).await
    }

    #[on_call]
    fn status(_: &mut Visitor) -> &'static str {
        "visitor"
    }

    #[on_call("status")]
    fn user_status(user: &mut User, prefix: String, cx: &mut Context<Self>) -> String {
        user.status(&prefix, cx)
    }

    #[on_message(ignore = Visitor)]
    fn typing(&mut self, room: String) {
        typing(room);
    }

    #[cfg(feature = "logout")]
    #[on_call]
    fn logout(user: &mut User) -> Goto<Visitor> {
        Goto(Visitor)
    }

    #[on_call]
    fn version(&mut self) -> u8 {
        1
    }
}
