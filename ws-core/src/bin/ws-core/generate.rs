//! The command `contract`: a summary, or files that are generated.

use std::fs;
use std::path::Path;

use ws_core::contract::{Contract, GeneratedFile};

use crate::args::ContractArguments;
use crate::contracts;
use crate::failure::Failure;
use crate::output::print_line;
use crate::summary::summary;
use crate::target::named;
use crate::text::Style;

/// Reads a contract, and writes what the arguments name.
pub(crate) async fn run(arguments: ContractArguments) -> Result<(), Failure> {
    let ContractArguments { source, typescript, javascript, asyncapi, handler, http } = arguments;
    let mut contract = contracts::read(&source, &http).await?;
    if let Some(wanted) = handler {
        contract.handlers = vec![named(&contract, &wanted)?.clone()];
    }
    if typescript.is_none() && javascript.is_none() && asyncapi.is_none() {
        return print_line(summary(&contract, Style::of_stdout()).trim_end());
    }
    let is_described = contract.handlers.iter().any(|handler| handler.is_described);
    if !is_described {
        return Err(Failure::usage(
            "no handler of the contract is described, so that there is nothing to generate",
        )
        .help("write `#[websocket(contract)]` on the `impl` of a handler"));
    }
    if let Some(folder) = typescript {
        write_files(&folder, &contract.typescript())?;
    }
    if let Some(folder) = javascript {
        write_files(&folder, &contract.javascript())?;
    }
    asyncapi.map_or(Ok(()), |file| write_asyncapi(&file, &contract))
}

fn write_files(folder: &Path, files: &[GeneratedFile]) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("cannot create the folder {}: {error}", folder.display())))?;
    files.iter().try_for_each(|file| write(&folder.join(&file.name), &file.text))
}

fn write_asyncapi(file: &Path, contract: &Contract) -> Result<(), Failure> {
    let is_yaml = file.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let document = contract.asyncapi();
    write(file, &if is_yaml { document.to_yaml() } else { document.to_json() })
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let name = file.display();
    fs::write(file, text).map_err(|error| Failure::usage(format!("cannot write {name}: {error}")))?;
    print_line(&format!("wrote {name}"))
}
