#[websocket(path = "/chat")]
enum Chat {
    Guest(Guest),
    Member(Member),
}

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join() -> Guest {
        Guest::default()
    }

    #[on_text]
    async fn login(guest: &mut Guest, Json(login): Json<Login>) -> Result<Goto<Member>, Close> {
        guest.check(login).await
    }

    #[after(5s)]
    fn too_late(_: &mut Guest) -> Close {
        Close::new(4401, "log in first")
    }

    #[on_enter]
    fn welcome(member: &mut Member) -> String {
        member.greeting()
    }

    #[on_text]
    fn said(member: &mut Member, text: &str, cx: &mut Context<Self>) {
        member.say(text, cx);
    }

    #[on_binary(ignore = Guest)]
    fn logout(member: &mut Member, _: &[u8]) -> (&'static str, Goto<Guest>) {
        member.logout()
    }

    #[on_info]
    fn news(&mut self, news: News) -> String {
        news.0
    }

    #[on_info]
    fn member_news(member: &mut Member, news: News) -> String {
        member.name(news)
    }

    #[on_close]
    fn left(&mut self, reason: &CloseReason) {
        log(reason);
    }
}
