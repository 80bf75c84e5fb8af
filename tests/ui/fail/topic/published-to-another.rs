use ws_core::prelude::*;

#[websocket]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, text: &str) -> Result<(), PublishError> {
        self.room.publish(text)?;
        Ok(())
    }
}

fn main() {}
