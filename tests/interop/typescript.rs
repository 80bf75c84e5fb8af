//! Writes the clients of a contract: `interop-typescript CONTRACT FOLDER`, and with `--javascript` those for pages.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use ws_core::contract::Contract;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (contract, folder, is_script) = match &arguments[..] {
        [contract, folder] => (contract, folder, false),
        [contract, folder, option] if option == "--javascript" => (contract, folder, true),
        _ => return Err("usage: interop-typescript CONTRACT FOLDER [--javascript]".into()),
    };
    let contract: Contract = serde_json::from_str(&fs::read_to_string(contract)?)?;
    fs::create_dir_all(folder)?;
    for file in if is_script { contract.javascript() } else { contract.typescript() } {
        fs::write(Path::new(folder).join(&file.name), &file.text)?;
    }
    Ok(())
}
