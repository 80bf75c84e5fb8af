#[websocket]
struct Relay<M, const N: usize>([Option<M>; N]);

#[websocket]
impl<M: Clone + Sync, const N: usize> Relay<M, N>
where
    Self: Encode<M>,
{
    #[on_info]
    fn message(&mut self, message: M) -> Vec<u8> {
        self.encode(message)
    }

    #[on_info]
    fn published(&mut self, message: std::sync::Arc<M>) -> Vec<u8> {
        self.encode(M::clone(&message))
    }

    #[on_lagged]
    fn lagged(&mut self, cx: &mut Context<Self>, missed: u64) -> Result<(), String> {
        Err(format!("{missed} messages were missed, {} bytes wait", cx.buffered()))
    }

    #[cfg(feature = "slow")]
    #[on_info]
    async fn all(&mut self, messages: [M; N], cx: &mut Context<Self>) {
        for message in messages {
            cx.send(self.encode(message));
        }
    }
}
