//! Writes the documents of AsyncAPI for contracts: `interop-asyncapi OUT examples/contract/*.json`. The document `all` has
//! the handlers of all contracts, some of which have one name.
//!
//! `asyncapi.mjs` beside this file validates them with AsyncAPI's own parser.

use std::path::Path;
use std::{env, fs};

use ws_core::contract::Contract;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let out = args.next().ok_or("the folder for the documents is missing")?;
    fs::create_dir_all(&out)?;
    let mut all: Option<Contract> = None;
    let write = |name: &str, contract: &Contract| -> Result<(), Box<dyn std::error::Error>> {
        let document = contract.asyncapi().title(name).server("local", "ws://127.0.0.1:8080");
        fs::write(Path::new(&out).join(format!("{name}.json")), document.to_json())?;
        fs::write(Path::new(&out).join(format!("{name}.yaml")), document.to_yaml())?;
        Ok(())
    };
    for file in args {
        let contract: Contract = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let name = Path::new(&file).file_stem().and_then(|name| name.to_str()).ok_or("a file has no name")?;
        write(name, &contract)?;
        match &mut all {
            Some(all) => all.handlers.extend(contract.handlers),
            None => all = Some(contract),
        }
    }
    write("all", &all.ok_or("no contract")?)
}
