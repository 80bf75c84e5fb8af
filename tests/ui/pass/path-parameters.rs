//! Extractors of path parameters, and ways to leave parameters unused.
#![deny(warnings)]

use ws_core::prelude::*;

/// No extractor, marked by `_`; doubled braces are literal.
#[websocket(path = "/{_tenant}/{{x}}/{*rest}")]
#[derive(Default)]
struct Nobody;

#[websocket]
impl Nobody {
    #[on_open]
    fn open(&mut self) {}
}

#[websocket(path = "/{room}/{seat}")]
struct Extracted;

#[websocket]
impl Extracted {
    #[on_upgrade]
    fn join(_: HeaderMap, Path((_, _)): Path<(String, u8)>) -> Self {
        Self
    }
}

/// A user's extractor may take the parameter.
struct Room;

impl<S: Sync> axum::extract::FromRequestParts<S> for Room {
    type Rejection = StatusCode;

    async fn from_request_parts(
        _: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, StatusCode> {
        Ok(Self)
    }
}

#[websocket(path = "/own/{room}")]
struct Own;

#[websocket]
impl Own {
    #[on_upgrade]
    fn join(_: Room) -> Self {
        Self
    }
}

/// A constant path is checked too.
const PATH: &str = "/constant/{room}";

#[websocket(path = PATH)]
struct Constant;

#[websocket]
impl Constant {
    #[on_upgrade]
    fn join(Path(_): Path<String>) -> Self {
        Self
    }
}

fn main() {
    let _: Router =
        Router::new().mount::<Nobody>().mount::<Extracted>().mount::<Own>().mount::<Constant>();
}
