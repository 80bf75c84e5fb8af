//! Handlers that a `macro_rules!` macro assembles from names, types, values and whole bodies.
#![deny(warnings)]

use ws_core::prelude::*;

macro_rules! handler {
    ($name:ident, $path:literal, $delay:expr, $method:ident, $payload:ty, $cx:ty, $reply:ty) => {
        #[websocket(path = $path, idle_timeout = $delay)]
        #[derive(Default)]
        struct $name;

        #[websocket]
        impl $name {
            #[on_text]
            async fn $method(&mut self, text: $payload, _: $cx) -> $reply {
                text.into()
            }

            #[every($delay)]
            fn tick(&mut self) {}
        }
    };
}

handler!(Echo, "/echo", 60s, said, String, &mut Context<Echo>, String);

macro_rules! body {
    ($name:ident { $($body:tt)* }) => {
        #[websocket]
        impl $name { $($body)* }
    };
}

macro_rules! options {
    ($name:ident: $($options:tt)*) => {
        #[websocket($($options)*)]
        struct $name;
    };
}

macro_rules! upgrade {
    ($name:ident($extractor:ty) -> $output:tt) => {
        #[websocket]
        impl $name {
            #[on_upgrade]
            fn join(_: $extractor) -> $output {
                $name
            }

            #[on_error]
            fn failed(&mut self, _: &HandlerError) {}
        }
    };
}

options!(Made: path = "/{room}", mailbox = 5, max_message_size = 1KiB);
upgrade!(Made(Path<String>) -> Self);

#[websocket(path = "/body")]
#[derive(Default)]
struct Body;

body!(Body {
    #[on_binary]
    fn data(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Vec<u8> {
        cx.send("bytes");
        bytes.to_vec()
    }

    #[on_close]
    async fn left(&mut self, _: &CloseReason) {}
});

fn main() {
    let _: Router = Router::new().mount::<Echo>().mount::<Made>().mount::<Body>();
}
