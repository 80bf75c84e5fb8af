//! Runs the fuzz targets on the stored seeds and on the fuzzer's findings in each `cargo test`.

use std::fs;
use std::path::Path;

#[cfg(feature = "json")]
use proptest::prelude::*;

#[path = "../../../tests/fuzz/src/lib.rs"]
#[allow(missing_docs, unreachable_pub, reason = "the file is the root of another crate")]
pub(crate) mod targets;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

macro_rules! targets {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target::run);
        }
    )*};
}

targets! { against_tungstenite connection decoder envelope handshake inflate roundtrip }

/// Members of the envelopes, and values that they may have.
#[cfg(feature = "json")]
const NAMES: [&str; 10] =
    ["jsonrpc", "method", "params", "id", "result", "error", "type", "event", "data", "m\\u0065thod"];
#[cfg(feature = "json")]
const VALUES: [&str; 10] =
    [r#""2.0""#, r#""a""#, "1", "-0.5e9", "null", "true", "[1,[]]", r#"{"a":{}}"#, r#""\ud800""#, "x"];

#[cfg(feature = "json")]
fn object() -> impl Strategy<Value = String> {
    let member = (prop::sample::select(&NAMES[..]), prop::sample::select(&VALUES[..]));
    let member = member.prop_map(|(name, value)| format!("\"{name}\": {value}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

#[cfg(feature = "json")]
proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn envelope_of_random_objects(objects in prop::collection::vec(object(), 1..4), is_batch: bool) {
        let text = if is_batch { format!("[{}]", objects.join(",")) } else { objects[0].clone() };
        targets::envelope::run(text.as_bytes());
    }

    #[test]
    fn envelope_of_random_text(text in r#"[\[\]{}",:0-9a-e. \\]{0,60}"#) {
        targets::envelope::run(text.as_bytes());
    }
}
