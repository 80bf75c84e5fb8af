//! A handler with an envelope of its own.

use super::*;

/// An envelope of arrays, whose ids are text.
struct Arrays;

impl Envelope for Arrays {
    type Id = String;

    fn open(text: &str) -> Incoming<'_, String> {
        match serde_json::from_str::<(u8, String, String, &serde_json::value::RawValue)>(text) {
            Ok((2, id, name, params)) => Incoming::Call { id, name: name.into(), params: Some(params) },
            _ => Incoming::Other,
        }
    }

    fn write_message<T: Serialize + ?Sized>(_: &str, _: &T, _: &mut Vec<u8>) -> serde_json::Result<()> {
        Err(serde::ser::Error::custom("no messages"))
    }

    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        serde_json::to_writer(out, &(2, id.to_string(), name, params))
    }

    fn write_answer<T: Serialize + ?Sized>(
        id: &String,
        answer: std::result::Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        match answer {
            Ok(result) => serde_json::to_writer(out, &(3, id, result)),
            Err(error) => serde_json::to_writer(out, &(4, id, error.message())),
        }
    }
}

#[websocket(path = "/station", envelope = Arrays)]
#[derive(Default)]
struct Station;

#[websocket(contract)]
impl Station {
    #[on_call("Heartbeat")]
    fn heartbeat(&mut self, at: u8) -> u8 {
        at
    }
}

#[test]
fn the_templates_of_an_own_envelope_are_what_it_writes() {
    let station = only(&Router::new().mount::<Station>());
    assert_eq!(
        as_json(station.envelope),
        json!({
            "format": { "kind": "custom" },
            "message": null,
            "call": [2, "$id_text", "$name", "$params"],
            "result": [3, "$id_text", "$result"],
            "error": [4, "$id_text", "$message"],
        })
    );
    let document = Router::new().mount::<Station>().contract().asyncapi().to_value();
    let call = &document["components"]["messages"]["Station.Heartbeat.call"]["payload"];
    assert_eq!(call["items"][2], json!({ "type": "string", "const": "Heartbeat" }));
    assert_eq!(call["items"][3]["required"], json!(["at"]));
}
