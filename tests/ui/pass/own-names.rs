//! A user's types may have the names that generated code uses.
#![deny(warnings)]
#![allow(dead_code)]

mod names {
    pub struct Option;
    pub struct Result;
    pub struct Box;
    pub struct String;
    pub struct Vec;
    pub struct Event;
    pub struct Info(pub u8);
    pub struct Call;
    pub enum Some {}
    pub enum Ok {}
    pub enum Err {}
}

use names::*;
use ws_core::prelude::{Context, Router, websocket};

#[websocket(path = "/", idle_timeout = none)]
#[derive(Default)]
struct Handler;

#[websocket]
impl Handler {
    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        cx.send(text);
    }

    #[on_info]
    fn info(&mut self, _: Info, _: &mut Context<Self>) {}

    #[on_info]
    async fn event(&mut self, _: Event) {}

    #[every(1s)]
    fn call(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Handler>();
}
