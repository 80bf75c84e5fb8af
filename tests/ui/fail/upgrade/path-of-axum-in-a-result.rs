use ws_core::prelude::*;

#[websocket(path = "/{room}/{seat}")]
struct Chat<T>(T);

#[websocket]
impl<T: From<String>> Chat<T> {
    #[on_upgrade]
    async fn join(
        room: Result<axum::extract::Path<String>, axum::extract::rejection::PathRejection>,
        _: Query<()>,
    ) -> Result<Self, StatusCode> {
        let room = room.map_err(|_| StatusCode::NOT_FOUND)?;
        Ok(Self(room.0.into()))
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat<String>>();
}
