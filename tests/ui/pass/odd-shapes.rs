//! Unusual names, types and `cfg`s.
#![deny(warnings)]
#![allow(dead_code, non_snake_case, unexpected_cfgs)]

use ws_core::prelude::*;

trait Greet {
    const LEN: usize;
}

#[websocket]
struct Odd<T, const N: usize>([T; N]);

impl<T, const N: usize> Greet for Odd<T, N> {
    const LEN: usize = 4;
}

/// An alias of `u64` is accepted.
type Count = u64;

struct Fixed<const N: usize>([u8; N]);

#[websocket]
impl<T> Odd<T, 3>
where
    T: Send + Sync + 'static,
    Self: Greet,
{
    const SIZE: usize = 2;

    #[every(1s)]
    fn tick1(&mut self) {}

    #[every(1s)]
    async fn tick_1(&mut self) {}

    #[after(1s)]
    async fn écho(&mut self) {}

    #[on_info]
    async fn r#type(&mut self, _: std::marker::PhantomData<Self>) {}

    #[on_info]
    fn self_(&mut self, _: Box<Addr<Self>>) {}

    #[cfg(windows_only)]
    #[on_text]
    fn text(&mut self, _: &str) {}

    #[cfg(not(windows_only))]
    #[on_text]
    async fn other_text(&mut self, _: &str) {}

    #[cfg(windows_only)]
    #[on_error]
    fn error(&mut self, _: &HandlerError) {}

    #[on_info]
    fn shared(&mut self, _: std::sync::Arc<T>) {}

    #[on_info]
    async fn shared_with_all(&mut self, _: std::sync::Arc<[Box<Self>]>) {}

    #[cfg(windows_only)]
    #[on_lagged]
    fn lagged(&mut self, _: u64) {}

    #[cfg(not(windows_only))]
    #[on_lagged]
    async fn other_lagged(&self, r#u64: Count) -> impl IntoReply + use<T> {
        r#u64.to_string()
    }

    #[on_binary]
    fn opaque(&mut self, _: &[u8]) -> impl IntoReply + use<T> {
        "opaque"
    }
}

#[websocket]
struct Sized4;

#[websocket]
impl Sized4 {
    const LEN: usize = 4;

    #[on_info]
    async fn fixed(&mut self, _: [u8; Self::LEN]) {}
}

/// A bound on a private trait.
fn broadcast<H: OnInfo<M>, M: Clone>(to: &[Addr<H>], message: &M) {
    for addr in to {
        let _ = addr.send(message.clone());
    }
}

fn main() {
    let _ = broadcast::<Sized4, [u8; 4]>;
}
