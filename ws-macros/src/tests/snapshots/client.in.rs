// A handler with a client: calls, a message, and the calls of the server.

#[websocket(contract(calls = [Confirm, remote::Restart]), client = pub(crate) BoardClient)]
impl Board {
    /// Adds two numbers.
    #[deprecated]
    #[on_call]
    fn add(&mut self, a: i64, r#type: Option<i64>) -> i64 {
        a
    }

    #[on_call]
    async fn pay(&mut self, Params(order): Params<Order>) -> Result<Receipt, Refused> {
        todo!()
    }

    #[on_message("typed.in")]
    fn typed(&mut self, text: &str) {}
}
