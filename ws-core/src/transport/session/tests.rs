//! The vectors of docs/session_protocol.md.

use std::time::Duration;

use serde_json::Value;

use super::control::{Control, append_frame};
use super::downlink::Downlink;
use super::uplink::{Controls, Target, Uplink};
use super::*;

const PROTOCOL_PAGE: &str = include_str!("../../../docs/session_protocol.md");

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn vectors_of_the_protocol_are_those_of_the_code() {
    let section = PROTOCOL_PAGE.split("## Test vectors").nth(1).unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| server | `{") || line.starts_with("| client | `{"))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .filter(|row: &Vec<&str>| row.len() == 3)
        .collect();
    assert_eq!(rows.len(), 11, "{rows:?}");
    for row in rows {
        let (object, bytes) = (row[1], from_hex(row[2]));
        let value: serde_json::Map<String, Value> = serde_json::from_str(object).unwrap();
        let (name, value) = value.iter().next().unwrap();
        if row[0] == "server" {
            let sent = match value {
                Value::String(text) => {
                    let mut down = Downlink::new(1 << 10);
                    let message = [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
                    assert_eq!(down.push(&message), message.len());
                    down.unsent(true).to_vec()
                }
                value => {
                    let mut frame = Vec::new();
                    append_frame(&mut frame, name, &value.to_string());
                    frame
                }
            };
            assert_eq!(sent, bytes, "{object}");
        } else {
            let (mut up, mut controls) = (Uplink::default(), Controls::default());
            let mut input = bytes.clone();
            assert_eq!(up.process(&mut input, Target::Front, 1 << 10, &mut controls), Ok(0), "{object}");
            let expected = match Control::parse(format!("\0{object}").as_bytes()).unwrap() {
                Control::Ack(number) => Controls { ack: Some(number), ping: None },
                Control::Ping(number) => Controls { ack: None, ping: Some(number) },
                Control::Text(_) | Control::Unknown => Controls::default(),
            };
            assert_eq!(controls, expected, "{object}");
            let mut passed = [0; 64];
            let len = up.take_stashed(&mut passed);
            let text = value.as_str().filter(|_| name == "text").unwrap_or_default();
            assert!(passed[..len].ends_with(text.as_bytes()));
            assert_eq!(up.received(), u64::from(name == "text"));
        }
    }
}

#[test]
fn greetings_of_the_protocol_are_those_of_the_code() {
    let example = |resumed, received| {
        let greeting = Greeting {
            token: "AAECAwQFBgcICQoLDA0ODw",
            resumed,
            received,
            options: SessionOptions::DEFAULT,
            interval: None,
            subprotocol: None,
        };
        let frame = greeting.to_frame();
        // After the header and U+0000.
        String::from_utf8(frame[3..].to_vec()).unwrap()
    };
    assert!(PROTOCOL_PAGE.contains(&example(false, 0)) && PROTOCOL_PAGE.contains(&example(true, 2)));
    assert!(PROTOCOL_PAGE.contains(PROTOCOL) && PROTOCOL_PAGE.contains(RESUME_PREFIX));
    assert_eq!(SessionOptions::DEFAULT.resume, Duration::from_millis(30_000));
}

/// A session that began without an origin is that of the first page with one.
#[test]
fn first_origin_is_the_only_one() {
    let scope = |origin: Option<&str>| Scope { origin: origin.map(Into::into), path: "/".into() };
    let sessions = Sessions::default();
    let token = sessions.begin(&scope(None), None).unwrap().token().to_text();
    let is_found = |origin| sessions.find(&token, &scope(origin)).is_some();
    assert!(is_found(None) && is_found(Some("https://a.example")));
    assert!(!is_found(Some("https://b.example")));
    assert!(is_found(Some("https://a.example")) && is_found(None));
}

#[test]
fn few_replaced_streams_wait_for_their_end() {
    let scope = Scope { origin: None, path: "/".into() };
    let link = Sessions::default().begin(&scope, None).unwrap();
    let mut guards: Vec<_> = (0..20).map_while(|_| link.begin_replacement()).collect();
    assert_eq!(guards.len(), 4);
    guards.pop();
    assert!(link.begin_replacement().is_some());
}
