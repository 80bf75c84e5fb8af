// A described handler: calls, messages, extractors, states, and what only the option declares.

#[websocket(path = "/board/{id}", envelope = JsonRpc)]
enum Board {
    Guest(Guest),
    Member(Member),
}

/// A board.
#[websocket(contract(version = 2, calls = [Confirm], sends = [Json<Line>], closes = [(4401, "log in")]))]
impl Board {
    #[on_upgrade]
    fn join(Path(id): Path<u32>) -> Guest {
        Guest(id)
    }

    /// Logs in.
    #[on_call]
    fn login(guest: &mut Guest, Params(name): Params<Name>) -> Result<Goto<Member>, Refused> {
        guest.login(name)
    }

    #[on_message("typed.in", ignore = Guest)]
    fn typed<'a>(member: &mut Member, text: Option<&'a str>, room: Cow<'a, str>) {
        member.typed(text, room);
    }

    #[on_text]
    fn text(&mut self, text: Json<Line>) -> Option<String> {
        None
    }

    #[cfg(feature = "binary")]
    #[on_binary]
    fn binary(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.into()
    }
}
