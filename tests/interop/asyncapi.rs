//! Writes the documents of AsyncAPI for contracts: `interop-asyncapi OUT examples/contract/*.json`.
//!
//! `asyncapi.mjs` beside this file validates them with AsyncAPI's own parser.

use std::path::Path;
use std::{env, fs};

use ws_core::contract::Contract;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let out = args.next().ok_or("the folder for the documents is missing")?;
    fs::create_dir_all(&out)?;
    let mut count = 0;
    for file in args {
        let contract: Contract = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let name = Path::new(&file).file_stem().and_then(|name| name.to_str()).ok_or("a file has no name")?;
        let document = contract.asyncapi().title(name).server("local", "ws://127.0.0.1:8080");
        fs::write(Path::new(&out).join(format!("{name}.json")), document.to_json())?;
        fs::write(Path::new(&out).join(format!("{name}.yaml")), document.to_yaml())?;
        count += 1;
    }
    if count == 0 { Err("no contract".into()) } else { Ok(()) }
}
