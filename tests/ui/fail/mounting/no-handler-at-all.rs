use ws_core::prelude::*;

struct Chat;

fn main() {
    let _: Router = Router::new().mount_at::<Chat>("/");
}
