use ws_core::prelude::*;

struct Celsius(f64);

impl IntoReply for Celsius {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.0.to_string().into_reply(to)
    }
}

#[websocket(path = "/weather")]
#[derive(Default)]
struct Weather;

#[websocket(contract)]
impl Weather {
    #[on_open]
    fn open(&mut self) -> Celsius {
        Celsius(20.0)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Weather>();
}
