//! Contracts from all sources, and what is generated from them.

use std::fs;

use ws_core::Router;

use crate::server::{Docs, Plain, router, serve};
use crate::{Folder, address, board, check, check_error, run_with};

#[test]
fn contracts_that_cannot_be_read_are_refused() {
    let url = format!("ws://{}/plain", serve(Router::new().mount::<Plain>(), Docs::NewerFormat));
    check_error(&["call", &url, "add", "[1, 2]"], 2, &["its format is 2", "`--no-contract` needs none"]);
    check(&["call", &url, "add", "[1, 2]", "--no-contract"], "", 0, "3\n");
    check_error(&["contract", &url], 2, &["its format is 2"]);
    let large = format!("http://{}", serve(Router::new().mount::<Plain>(), Docs::TooLarge));
    check_error(&["contract", &large], 3, &["the body has more than 16777216 bytes"]);
    let stdin = run_with(&["contract", "-"], &vec![b' '; (16 << 20) + 1]);
    assert_eq!(stdin.status.code(), Some(2));
    assert_eq!(String::from_utf8(stdin.stderr).unwrap(), "error: stdin has more than 16 MiB\n");
    let stderr = check(&["contract", "-"], "{}", 2, "");
    assert!(stderr.contains("the contract of - cannot be read: missing field `format`"), "{stderr}");
}

#[test]
fn headers_go_to_one_server() {
    let url = format!("http://{}", serve(router(), Docs::Locked));
    check_error(&["contract", &url], 3, &["there is no contract", "/docs/contract.json: 401"]);
    let header = ["-H", "Authorization: Bearer a"];
    let output = run_with(&[&["contract", &url], &header[..]].concat(), b"");
    assert_eq!(output.status.code(), Some(0));
    // The header is for the server of the call, and not for that of the contract.
    let call = ["call", &board(), "subscribe", "[[]]", "--contract", &url];
    check_error(&[&call, &header[..]].concat(), 3, &["/docs/contract.json: 401"]);
}

#[test]
fn files_are_generated_from_any_source() {
    let folder = Folder::new("generated");
    let file = folder.contract();
    let (page, server) = (format!("http://{}/docs", address()), board());
    let expect = router().contract();
    for source in [&file, &page, &format!("{page}/contract.json"), &server] {
        let out = folder.path("out");
        let stdout = format!("wrote {out}/board.ts\nwrote {out}/echo.ts\nwrote {out}/trouble.ts\n");
        check(&["contract", source, "--typescript", &out], "", 0, &stdout);
        for generated in expect.typescript() {
            assert_eq!(fs::read_to_string(format!("{out}/{}", generated.name)).unwrap(), generated.text);
        }
        fs::remove_dir_all(out).unwrap();
    }
    let (out, json, yaml) = (folder.path("js"), folder.path("a.json"), folder.path("a.yaml"));
    let output =
        run_with(&["contract", "-", "--javascript", &out, "--asyncapi", &json], &fs::read(&file).unwrap());
    assert_eq!(output.status.code(), Some(0));
    for generated in expect.javascript() {
        assert_eq!(fs::read_to_string(format!("{out}/{}", generated.name)).unwrap(), generated.text);
    }
    assert_eq!(fs::read_to_string(&json).unwrap(), expect.asyncapi().to_json());
    let stdout = format!("wrote {yaml}\n");
    check(&["contract", &file, "--asyncapi", &yaml, "--handler", "/echo"], "", 0, &stdout);
    let text = fs::read_to_string(&yaml).unwrap();
    assert!(text.contains("/echo") && !text.contains("/board"), "{text}");
    check_error(&["contract", &file, "--handler", "Bord"], 2, &["no handler `Bord`; did you mean `Board`?"]);
}

#[test]
fn a_contract_is_summarized() {
    let folder = Folder::new("summary");
    let stdout = "\
Board  /board/{_market}  version 1
  Prices of a market.
  envelope: JSON-RPC 2.0
  calls
    subscribe(symbols: string[], depth?: integer (uint8) | null) -> integer (uint)
      Subscribes to symbols.
    order(id: integer (uint64), side: Side) -> integer (uint64)
      Places an order, which the client has to confirm.
      errors: -32001 the user said no, with string
  messages
    watch(symbol: string)
      Subscribes to one symbol, until the market closes.
  calls of the server
    confirm(Confirm) -> boolean
      The question whether the user confirms an order.
  messages of the server
    price({ cents: integer (uint64), symbol: string })
      A new price, in cents.
    closed()
";
    check(&["contract", &folder.contract(), "--handler", "Board"], "", 0, stdout);
}
