//! Signatures of methods that take parts.
#![deny(warnings)]

use ws_core::prelude::*;

#[websocket(path = "/a")]
#[derive(Default)]
struct Borrowing(Vec<u8>);

#[websocket]
impl Borrowing {
    #[on_part]
    fn part<'a>(&mut self, part: Part<'a>) -> Result<&'a [u8], &'static str> {
        self.0.extend_from_slice(part.bytes());
        if self.0.len() > 1000 { Err("too large") } else { Ok(part.bytes()) }
    }
}

type Piece<'a> = ws_core::Part<'a>;

#[websocket(path = "/b", max_message_size = 1GiB)]
#[derive(Default)]
struct Copying;

#[websocket]
impl Copying {
    #[on_part]
    async fn part(&self, cx: &mut Context<Self>, part: Piece<'_>) -> std::io::Result<()> {
        let mut copy = cx.send_parts(part.kind());
        copy.write(&part).await?;
        copy.finish().await
    }

    #[on_ping]
    fn pinged(&mut self) {}
}

/// The methods are never enabled together.
#[websocket(path = "/c")]
#[derive(Default)]
struct Conditional;

#[websocket]
impl Conditional {
    #[cfg(all())]
    #[on_part]
    fn part(&mut self, _: Part<'_>) {}

    #[cfg(any())]
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[websocket(path = "/d")]
#[derive(Default)]
struct Generic<T>(T);

#[websocket]
impl<T: Default + Extend<u8> + Send + 'static> Generic<T> {
    #[on_part]
    fn part(&mut self, part: Part<'_>) {
        self.0.extend(part.iter().copied());
    }
}

fn main() {
    let router: Router = Router::new().mount::<Borrowing>().mount::<Copying>();
    let _ = router.mount::<Conditional>().mount::<Generic<Vec<u8>>>();
}
