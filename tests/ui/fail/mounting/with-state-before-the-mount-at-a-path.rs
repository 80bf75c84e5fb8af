use ws_core::axum_core::extract::FromRequestParts;
use ws_core::prelude::*;

#[derive(Clone)]
struct Hub;

struct Member;

impl FromRequestParts<Hub> for Member {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut axum::http::request::Parts, _: &Hub) -> Result<Self, StatusCode> {
        Ok(Member)
    }
}

#[websocket]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: Member) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().with_state(Hub).mount_at::<Chat>("/");
}
