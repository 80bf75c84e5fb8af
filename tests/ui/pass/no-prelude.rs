//! Generated code needs no names in scope.
#![no_implicit_prelude]
#![deny(warnings)]


#[::ws_core::websocket(path = "/", subprotocols = PROTOCOLS, origins = ["null", ORIGIN], cancel_timeout = 0s, overflow = (latest), idle_timeout = None)]
struct Chat<T: ?::core::marker::Sized, U>(::std::boxed::Box<U>, ::core::marker::PhantomData<T>);

const PROTOCOLS: &[&str] = &["v1"];
const ORIGIN: &str = "https://example.com";

#[::ws_core::websocket]
impl<T: ?::core::marker::Sized, U> Chat<T, U> {
    #[on_text]
    async fn said(&mut self, text: &str) -> ::std::string::String {
        ::std::convert::From::from(text)
    }

    #[on_binary]
    fn data(&mut self, _: &[u8]) {}

    #[on_ping]
    async fn pinged(&mut self, _: &[u8]) {}

    #[on_lagged]
    async fn lagged(&mut self, _: ::core::primitive::u64) {}

    #[on_info]
    async fn context(&mut self, _: rpc::Context) {}
}

mod rpc {
    pub struct Context;
}

fn main() {}
