//! Arbitrary values of types with all of serde's shapes: they pass a typed client and its server unchanged, over TCP, and
//! match the schemas of the contract.

use std::future::pending;
use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use tests::TIMEOUT;
use tests::values::{Event, Mirror, MirrorClient, Reflect, Values};
use tokio::net::TcpListener;
use tokio::time::timeout;
use ws_core::Router;
use ws_core::client::{Client, RemoteAnswers};
use ws_core::contract::{ContentContract, HandlerContract, JsonSchema};

/// How many values a test has.
const CASES: u32 = 100;

/// Runs a test with arbitrary values. The environment variable `SEED` repeats those of a failure.
#[track_caller]
fn with_values(test: impl Fn(Values) -> Result<(), TestCaseError>) {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => RandomState::new().hash_one(0),
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    println!("SEED={seed}");
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&any::<Values>(), test) {
        panic!("SEED={seed}: {error}");
    }
}

#[test]
fn values_pass_a_typed_client_and_its_server_unchanged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/values", listener.local_addr().unwrap());
        tokio::spawn(Router::new().mount::<Mirror>().serve_listener(listener, pending()));
        let answers = RemoteAnswers::new().on(|call: Reflect| async move { Ok(call.value) });
        MirrorClient::connect_with(Client::new(&url), answers).await.unwrap()
    });
    let messages = tokio::sync::Mutex::new(client.messages());
    with_values(|value| {
        let passed = async {
            prop_assert_eq!(&client.echo(value.clone()).await.unwrap(), &value);
            prop_assert_eq!(&client.all(ws_core::Params(value.clone())).await.unwrap(), &value);
            prop_assert_eq!(&client.around(value.clone()).await.unwrap(), &value);
            let parts = (value.integers.clone(), value.named.clone(), Some(value.tree.clone()));
            let (integers, named, tree) = parts.clone();
            prop_assert_eq!(client.parts(integers, named, tree).await.unwrap(), parts);
            let (enums, named) = (value.enums.clone(), value.named.clone());
            client.say(value.clone()).unwrap();
            for sent in [Event::Said(Box::new(value)), Event::Parts { enums, named }, Event::Nothing] {
                let received = messages.lock().await.next().await.unwrap();
                prop_assert_eq!(received.unwrap(), sent);
            }
            Ok(())
        };
        runtime.block_on(async { timeout(TIMEOUT, passed).await.expect("an answer in time") })
    });
}

/// The schemas of values as the server reads and writes them.
struct Schemas {
    handler: HandlerContract,
    read: JsonSchema,
    written: JsonSchema,
}

impl Schemas {
    fn new() -> Self {
        let handler = Router::new().mount::<Mirror>().contract().handlers.remove(0);
        let all = handler.client.calls.iter().find(|call| call.name == "all").unwrap();
        let ContentContract::Json { schema: read } = all.content.clone() else { panic!("{all:?}") };
        Self { read, written: all.result.clone(), handler }
    }

    fn validator(&self, schema: &JsonSchema) -> jsonschema::Validator {
        jsonschema::draft7::new(&json!({ "schemas": self.handler.schemas, "allOf": [schema] })).unwrap()
    }

    /// Returns the schema that a reference leads to.
    fn resolve<'a>(&'a self, schema: &'a JsonSchema) -> &'a JsonSchema {
        match schema["$ref"].as_str() {
            Some(reference) => &self.handler.schemas[reference.strip_prefix("#/schemas/").unwrap()],
            None => schema,
        }
    }
}

/// Returns the JSON of a value. Integers beyond 64 bits become floats.
fn to_json(value: &Values) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn values_match_the_schemas_of_their_contract() {
    let schemas = Schemas::new();
    let [read, written] = [&schemas.read, &schemas.written].map(|schema| schemas.validator(schema));
    with_values(|value| {
        let json = to_json(&value);
        for validator in [&read, &written] {
            let errors: Vec<_> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
            prop_assert!(errors.is_empty(), "{errors:?}");
        }
        // The schemas take not just anything.
        let mut other = json;
        other["integers"]["tiny"] = json!([256, 0, 0, 0]);
        prop_assert!(!read.is_valid(&other) && !written.is_valid(&other));
        Ok(())
    });
}

#[test]
fn members_that_schemas_require_are_those_that_serde_needs() {
    let schemas = Schemas::new();
    with_values(|value| {
        let json = to_json(&value);
        let Value::Object(parts) = &schemas.resolve(&schemas.read)["properties"] else { panic!() };
        for (part, schema) in parts {
            let schema = schemas.resolve(schema);
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for (name, _) in schema["properties"].as_object().unwrap() {
                // Floats beyond 64 bits are no integers for serde.
                let mut json = json.clone();
                json["integers"]["wide_unsigned"] = 0.into();
                json["integers"]["wide_signed"] = 0.into();
                json[part].as_object_mut().unwrap().remove(name);
                let is_required = required.contains(&&**name);
                let read = serde_json::from_value::<Values>(json);
                prop_assert_eq!(read.is_err(), is_required, "{}.{}: {:?}", part, name, read.err());
            }
        }
        Ok(())
    });
}
