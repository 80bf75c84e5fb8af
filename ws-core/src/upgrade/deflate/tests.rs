use hyper::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

use super::*;

/// Checks the server's answer to lines of offers; `""` means no answer.
#[track_caller]
fn check_with(change: impl FnOnce(&mut Compress), lines: &[&str], expect: &str) -> Option<DeflateParams> {
    let mut compress = Compress::DEFAULT;
    change(&mut compress);
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(line).unwrap());
    }
    let (params, answer) = negotiate(&headers, compress).unzip();
    let answer = answer.map(|answer| answer.to_str().unwrap().to_owned());
    assert_eq!(answer.unwrap_or_default(), expect, "{lines:?}");
    params
}

#[track_caller]
fn check(offers: &str, expect: &str) {
    check_with(|_| {}, &[offers], expect);
}

#[test]
fn answer_names_the_parameters_in_force() {
    check("permessage-deflate", "permessage-deflate");
    check("Permessage-Deflate", "permessage-deflate");
    // The offer of Chromium and Firefox.
    check("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15");
    check("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10");
    check("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8");
    check("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10");
    check("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15");
    check(
        "permessage-deflate; server_max_window_bits=\"1\\0\"",
        "permessage-deflate; server_max_window_bits=10",
    );
    check(
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    );
}

#[test]
fn invalid_offers_are_declined_alone() {
    for invalid in [
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=+9",
        "client_max_window_bits=9x",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits=9",
        "server_max_window_bits",
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=10; server_max_window_bits=11",
        "server_no_context_takeover=1",
        "server_no_context_takeover=\"x\"",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover=true",
        "client_no_context_takeover; Client_No_Context_Takeover",
        "unknown",
        "unknown=1",
    ] {
        let offer = format!("permessage-deflate; {invalid}");
        check(&offer, "");
        check(&format!("{offer}, permessage-deflate"), "permessage-deflate");
        check_with(
            |_| {},
            &[&offer, "permessage-deflate; server_max_window_bits=9"],
            "permessage-deflate; server_max_window_bits=9",
        );
    }
}

#[test]
fn first_acceptable_offer_is_accepted() {
    check(
        "permessage-deflate; server_max_window_bits=9, permessage-deflate",
        "permessage-deflate; server_max_window_bits=9",
    );
    check(
        "x-webkit-deflate-frame, foo; bar=\"baz\", permessage-deflate; client_max_window_bits, permessage-deflate",
        "permessage-deflate; client_max_window_bits=15",
    );
    check_with(|_| {}, &["foo", "", "permessage-deflate"], "permessage-deflate");
}

#[test]
fn missing_and_malformed_offers_get_no_answer() {
    check_with(|_| {}, &[], "");
    check("", "");
    check("foo", "");
    check("permessage-deflate-2", "");
    check("permessage-deflate;", "");
    check("permessage-deflate; server_max_window_bits=", "");
    check("permessage-deflate; server_max_window_bits=\"9", "");
    check("permessage-deflate, bad header", "");
    check_with(|_| {}, &["permessage-deflate", "=;="], "");
}

#[test]
fn declared_parameters_are_applied() {
    let small = |compress: &mut Compress| {
        compress.server_max_window_bits = 11;
        compress.client_max_window_bits = 10;
    };
    // The server may limit the window of a client only if the client offers that.
    let params = check_with(small, &["permessage-deflate"], "permessage-deflate; server_max_window_bits=11");
    assert_eq!(params.unwrap().window_bits, 11);
    let expect = "permessage-deflate; server_max_window_bits=11; client_max_window_bits=10";
    check_with(small, &["permessage-deflate; client_max_window_bits"], expect);
    let expect = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9";
    let offer = "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9";
    assert_eq!(check_with(small, &[offer], expect).unwrap().window_bits, 9);
    let expect = "permessage-deflate; server_max_window_bits=11; client_max_window_bits=10";
    let offer = "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15";
    check_with(small, &[offer], expect);

    let alone = |compress: &mut Compress| {
        compress.server_no_context_takeover = true;
        compress.client_no_context_takeover = true;
    };
    let expect = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let params = check_with(alone, &["permessage-deflate"], expect).unwrap();
    assert!(!params.server_takeover && !params.client_takeover);
    let params = check_with(|_| {}, &["permessage-deflate"], "permessage-deflate").unwrap();
    assert!(params.server_takeover && params.client_takeover);
}

#[test]
fn parameters_are_clamped_to_their_range() {
    let wild = |compress: &mut Compress| {
        compress.level = 200;
        compress.mem_level = 0;
        compress.server_max_window_bits = 0;
        compress.client_max_window_bits = 99;
    };
    let expect = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=15";
    let params = check_with(wild, &["permessage-deflate; client_max_window_bits"], expect).unwrap();
    assert_eq!((params.level, params.mem_level, params.window_bits), (9, 1, 9));
}
