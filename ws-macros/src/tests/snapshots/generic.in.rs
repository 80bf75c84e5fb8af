#[websocket]
struct Relay<M, const N: usize>([Option<M>; N]);

#[websocket]
impl<M: Clone, const N: usize> Relay<M, N>
where
    Self: Encode<M>,
{
    #[on_info]
    fn message(&mut self, message: M) -> Vec<u8> {
        self.encode(message)
    }

    #[cfg(feature = "slow")]
    #[on_info]
    async fn all(&mut self, messages: [M; N], cx: &mut Context<Self>) {
        for message in messages {
            cx.send(self.encode(message));
        }
    }
}
