//! Documents of AsyncAPI.

use super::*;

#[test]
fn documents_have_channels_operations_and_messages() {
    let document = Router::new().mount::<Board>().contract().asyncapi().to_value();
    let channel = &document["channels"]["Board"];
    assert_eq!(channel["address"], "/board/{symbol}/{rest}");
    assert_eq!(channel["bindings"]["ws"]["query"]["required"], json!(["token"]));
    let add = &document["operations"]["Board.math.add"];
    assert_eq!((&add["action"], &add["summary"]), (&json!("receive"), &json!("Adds.")));
    assert_eq!(add["messages"][0]["$ref"], "#/channels/Board/messages/math.add.call");
    assert_eq!(add["reply"]["messages"][1]["$ref"], "#/channels/Board/messages/math.add.error");
    assert_eq!(document["operations"]["Board.order.confirm.sent"]["action"], "send");
    let messages = &document["components"]["messages"];
    let call = &messages["Board.math.add.call"]["payload"];
    assert_eq!(call["properties"]["method"], json!({ "type": "string", "const": "math.add" }));
    assert_eq!(call["properties"]["params"]["required"], json!(["a", "text"]));
    // A message of one text is the only element of an array.
    let gone = &messages["Board.gone.sent.message"]["payload"]["properties"]["params"];
    assert_eq!(
        *gone,
        json!({ "type": "array", "items": [{ "type": "string" }], "minItems": 1, "maxItems": 1 })
    );
    let price = &messages["Board.price.sent.message"]["payload"]["properties"]["params"];
    assert_eq!(price["$ref"], "#/components/schemas/Board.Price");
    assert_eq!(messages["Board.other.message"]["contentType"], "text/plain");
    assert_eq!(messages["Board.math.add.call"]["correlationId"]["location"], "$message.payload#/id");
    let error = messages["Board.last.error"]["description"].as_str().unwrap();
    assert!(error.contains("- `-32001`: the market is closed"), "{error}");
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename = "Größe a/b~c%")]
struct Size {
    #[serde(default)]
    width: u8,
    parts: Vec<Self>,
}

#[websocket(path = "/", envelope = JsonRpc)]
#[derive(Default)]
struct Sizes;

#[websocket(contract)]
impl Sizes {
    #[on_call]
    fn size(&mut self, Params(size): Params<Size>) -> Size {
        size
    }
}

/// References have names as they are, which schemars encodes.
#[test]
fn references_lead_to_types_of_any_name() {
    let router = Router::new().mount::<Sizes>();
    let sizes = only(&router);
    let names: Vec<_> = sizes.schemas.keys().collect();
    assert_eq!(names, ["Größe a/b~c%", "Größe a/b~c%Input"]);
    let [size] = &*sizes.client.calls else { panic!("{:?}", sizes.client.calls) };
    assert_eq!(size.result, json!({ "$ref": "#/schemas/Größe a/b~c%" }));
    assert_eq!(as_json(&size.content)["schema"], json!({ "$ref": "#/schemas/Größe a/b~c%Input" }));
    let parts = &sizes.schemas["Größe a/b~c%Input"]["properties"]["parts"]["items"];
    assert_eq!(*parts, json!({ "$ref": "#/schemas/Größe a/b~c%Input" }));
    let [file] = &router.contract().typescript()[..] else { panic!("one handler") };
    assert!(
        file.text.contains("size(value: Gr__e_a_b_c_Input, options?: CallOptions): Promise<Gr__e_a_b_c_>"),
        "{}",
        file.text
    );
    let document = router.contract().asyncapi().to_value();
    let result = &document["components"]["messages"]["Sizes.size.result"]["payload"]["properties"]["result"];
    assert!(document.pointer(&result["$ref"].as_str().unwrap()[1..]).is_some(), "{result}");
}

/// Names that differ in characters which a document does not have, or in what a document adds to them.
#[test]
fn names_of_documents_are_different() {
    let call = |name: &str| json!({ "name": name, "content": { "kind": "nothing" }, "result": { "$ref": "#/schemas/Größe" } });
    let contract: Contract = serde_json::from_value(json!({ "format": 1, "handlers": [{
        "name": "Board", "path": "/{{a}}/{id}", "is_described": true, "version": 1, "limits": { "max_deferred": 1 },
        "path_parameters": [{ "name": "id", "schema": { "enum": [1, 2] } }],
        "envelope": { "format": { "kind": "custom" }, "message": ["$name"], "call": ["$name"], "result": ["$result"], "error": ["$code"] },
        "client": { "calls": [call("price.sent")] },
        "server": { "calls": [call("price")] },
        "schemas": { "Größe": { "type": "integer" }, "Grüße": { "type": "string" } },
    }] }))
    .unwrap();
    let document = contract.asyncapi().to_value();
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&document["operations"]), ["Board.price.sent", "Board.price.sent_"]);
    assert_eq!(keys(&document["components"]["schemas"]), ["Board.Gr__e", "Board.Gr__e_"]);
    let result = &document["components"]["messages"]["Board.price.sent.result"]["payload"]["items"][0];
    assert_eq!(document.pointer(&result["$ref"].as_str().unwrap()[1..]).unwrap()["type"], "integer");
    let channel = &document["channels"]["Board"];
    assert_eq!(channel["address"], "/%7Ba%7D/{id}");
    // The values of a parameter in an address are strings.
    assert_eq!(
        (keys(&channel["parameters"]), channel["parameters"]["id"].get("enum")),
        (vec!["id".to_owned()], None)
    );
}

#[test]
#[should_panic(expected = "\"https://example.com\" is not the URL of a WebSocket server")]
fn servers_have_the_url_of_a_websocket() {
    let _ = Router::new().contract().asyncapi().server("production", "https://example.com");
}
