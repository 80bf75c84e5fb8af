//! A central system for charging stations: OCPP 1.6-J, whose envelope is an array. A request of HTTP asks a station.
//!
//! Run it with `cargo run --example ocpp --features ocpp` and connect a station to
//! `ws://127.0.0.1:8080/ocpp/{station}`, with the subprotocol `ocpp1.6`. `POST /stations/{station}/remote-start` with
//! `{"idTag": "…", "connectorId": 1}` starts a transaction. The first argument is another address to listen on.
//! `tests/interop` runs it with PyPI's `ocpp`.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::routing::post;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json, to_writer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use ws_core::prelude::*;
use ws_core::{Envelope, Incoming};

/// The envelope of OCPP 1.6-J (§4): `[2, id, action, payload]` is a call, `[3, id, payload]` its result, and
/// `[4, id, code, description, details]` its error.
enum OcppJ {}

/// An id is a string of at most 36 characters.
type MessageId = String;

impl Envelope for OcppJ {
    type Id = MessageId;

    fn open(text: &str) -> Incoming<'_, MessageId> {
        if let Ok((2, id, action, payload)) = serde_json::from_str::<(u8, MessageId, String, &RawValue)>(text)
        {
            return Incoming::Call { id, name: action.into(), params: Some(payload) };
        }
        // The server's own ids are numbers in strings.
        let number = |id: &MessageId| id.parse().unwrap_or(0);
        if let Ok((3, id, payload)) = serde_json::from_str::<(u8, MessageId, &RawValue)>(text) {
            return Incoming::Answer { id: number(&id), answer: Ok(payload) };
        }
        match serde_json::from_str::<(u8, MessageId, String, String, &RawValue)>(text) {
            Ok((4, id, code, description, details)) => {
                let error = CallError::internal(format!("{code}: {description}")).with_data(details);
                Incoming::Answer { id: number(&id), answer: Err(error) }
            }
            // Only a call can be answered (§4.2.3).
            _ => Incoming::Other,
        }
    }

    /// OCPP has calls only.
    fn write_message<T: Serialize + ?Sized>(
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        Self::write_call(0, name, params, out)
    }

    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        to_writer(out, &(2, id.to_string(), name, params))
    }

    fn write_answer<T: Serialize + ?Sized>(
        id: &MessageId,
        answer: Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        match answer {
            Ok(result) => to_writer(out, &(3, id, result)),
            Err(error) => {
                let code = match error.code() {
                    -32601 => "NotImplemented",
                    -32602 => "FormationViolation",
                    _ => "InternalError",
                };
                to_writer(out, &(4, id, code, error.message(), json!({})))
            }
        }
    }
}

/// The central system: the stations that are connected, and the transactions.
#[derive(Clone, Default)]
struct Central(Arc<Mutex<Stations>>);

#[derive(Default)]
struct Stations {
    connected: HashMap<String, Addr<Station>>,
    last_transaction: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BootNotification {
    charge_point_vendor: String,
    charge_point_model: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StatusNotification {
    connector_id: u32,
    error_code: String,
    status: String,
}

/// The part of `Authorize` and `StartTransaction` that this system reads.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Card {
    id_tag: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StopTransaction {
    transaction_id: i64,
    meter_stop: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MeterValues {
    connector_id: u32,
    meter_value: Vec<Value>,
}

/// What the central system asks a station.
#[derive(Call, Serialize, Deserialize, JsonSchema)]
#[call("RemoteStartTransaction", returns = Value)]
#[serde(rename_all = "camelCase")]
struct RemoteStart {
    id_tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector_id: Option<u32>,
}

#[websocket(path = "/ocpp/{station}", subprotocols = ["ocpp1.6"], envelope = OcppJ)]
struct Station {
    name: String,
    central: Central,
}

// What the handler takes and sends is kept in `contract/ocpp.json`.
#[websocket(contract(calls = [RemoteStart]))]
impl Station {
    #[on_upgrade]
    fn connect(Path(name): Path<String>, State(central): State<Central>) -> Self {
        Self { name, central }
    }

    #[on_open]
    fn opened(&mut self, cx: &mut Context<Self>) {
        self.central.0.lock().unwrap().connected.insert(self.name.clone(), cx.addr());
    }

    #[on_call("BootNotification")]
    fn boot(&mut self, Params(boot): Params<BootNotification>) -> Value {
        println!("{}: {} {}", self.name, boot.charge_point_vendor, boot.charge_point_model);
        json!({ "currentTime": now(), "interval": 300, "status": "Accepted" })
    }

    #[on_call("Heartbeat")]
    fn heartbeat(&mut self) -> Value {
        json!({ "currentTime": now() })
    }

    #[on_call("StatusNotification")]
    fn status(&mut self, Params(status): Params<StatusNotification>) -> Value {
        println!(
            "{}: connector {} {} ({})",
            self.name, status.connector_id, status.status, status.error_code
        );
        json!({})
    }

    #[on_call("Authorize")]
    fn authorize(&mut self, Params(card): Params<Card>) -> Value {
        json!({ "idTagInfo": { "status": status_of(&card.id_tag) } })
    }

    #[on_call("StartTransaction")]
    fn start(&mut self, Params(card): Params<Card>) -> Value {
        let mut stations = self.central.0.lock().unwrap();
        stations.last_transaction += 1;
        json!({ "transactionId": stations.last_transaction, "idTagInfo": { "status": status_of(&card.id_tag) } })
    }

    #[on_call("StopTransaction")]
    fn stop(&mut self, Params(stop): Params<StopTransaction>) -> Value {
        println!("{}: transaction {} ended at {} Wh", self.name, stop.transaction_id, stop.meter_stop);
        json!({})
    }

    #[on_call("MeterValues")]
    fn meter_values(&mut self, Params(values): Params<MeterValues>) -> Value {
        println!(
            "{}: {} meter values of connector {}",
            self.name,
            values.meter_value.len(),
            values.connector_id
        );
        json!({})
    }

    #[on_close]
    fn closed(&mut self, reason: &CloseReason) {
        println!("{} disconnected: {reason}", self.name);
        // A station that has connected again keeps its new entry.
        let mut stations = self.central.0.lock().unwrap();
        if stations.connected.get(&self.name).is_some_and(|station| !station.is_open()) {
            stations.connected.remove(&self.name);
        }
    }
}

/// Returns whether a card may charge. A real system has a list of cards.
fn status_of(id_tag: &str) -> &'static str {
    if id_tag.starts_with("blocked") { "Blocked" } else { "Accepted" }
}

/// Returns the time as OCPP writes it (RFC 3339).
fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// Asks a station to start a transaction, and returns its answer.
async fn remote_start(
    axum::extract::State(central): axum::extract::State<Central>,
    axum::extract::Path(station): axum::extract::Path<String>,
    request: String,
) -> (StatusCode, String) {
    let request: RemoteStart = match serde_json::from_str(&request) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let station = central.0.lock().unwrap().connected.get(&station).cloned();
    let Some(station) = station else { return (StatusCode::NOT_FOUND, "not connected".into()) };
    match station.call(request).timeout(Duration::from_secs(10)).await {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err(ClientCallError::Timeout) => (StatusCode::GATEWAY_TIMEOUT, "no answer".into()),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let central = Central::default();
    let stations = Router::new().mount::<Station>().with_state(central.clone());
    // `/docs` is the documentation, with a console.
    let stations = stations.docs_with("/docs", |document| document.title("Charging stations"));
    let app = axum::Router::new()
        .route("/stations/{station}/remote-start", post(remote_start))
        .with_state(central)
        .fallback_service(stations.clone());
    let listener = tokio::net::TcpListener::bind(&addr).await?;
    println!("listening on http://{addr}, stations at ws://{addr}/ocpp/{{station}}");
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    stations.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_is_kept() {
        let router = Router::new().mount::<Station>().with_state(Central::default());
        ws_core::contract::check("contract/ocpp.json", &router);
    }
}
