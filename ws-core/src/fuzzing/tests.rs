//! Runs the fuzz targets on the stored seeds and on the fuzzer's findings in each `cargo test`.

use std::fs;
use std::path::Path;

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

targets! { against_tungstenite connection decoder handshake inflate roundtrip }
