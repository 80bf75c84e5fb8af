//! Reading a contract from its JSON, with the checks without which changes would stay unseen.

use serde_json::Value;

use super::schema_fit::refers_only_to;
use crate::contract_model::{Contract, FORMAT, HandlerContract};

/// Reads a contract. Another format has other rules, so that a difference would stay unseen.
pub(super) fn read(text: &str) -> Result<Contract, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let Head { format } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!("its format is {format}, and this version of ws-core knows {FORMAT}"));
    }
    let contract: Contract = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut paths: Vec<_> = contract.handlers.iter().map(|handler| &handler.path).collect();
    paths.sort();
    if let Some((path, _)) = paths.iter().zip(paths.iter().skip(1)).find(|(path, next)| path == next) {
        return Err(format!("the handler at `{path}` is in it twice"));
    }
    let written: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (handler, written) in
        contract.handlers.iter().zip(written["handlers"].as_array().into_iter().flatten())
    {
        verify(handler, written).map_err(|why| format!("the handler at `{}` {why}", handler.path))?;
    }
    Ok(contract)
}

/// Checks that a handler has what each contract has. A member that was lost would hide changes.
fn verify(handler: &HandlerContract, written: &Value) -> Result<(), String> {
    let always = ["name", "path", "is_described", "limits"];
    if let Some(name) = always.into_iter().find(|name| written.get(name).is_none()) {
        return Err(format!("has no `{name}`"));
    }
    let declared = HandlerContract {
        name: handler.name.clone(),
        path: handler.path.clone(),
        path_parameters: handler.path_parameters.clone(),
        subprotocols: handler.subprotocols.clone(),
        limits: handler.limits.clone(),
        session: handler.session.clone(),
        close_codes: handler.close_codes.clone(),
        ..HandlerContract::default()
    };
    if !handler.is_described && *handler != declared {
        return Err("is not described, but has a description".into());
    }
    if handler.is_described && handler.version == 0 {
        return Err("has no `version`".into());
    }
    let names = handler.schemas.keys().cloned().collect();
    if refers_only_to(written, &names) {
        Ok(())
    } else {
        Err("refers to a schema that it does not have".into())
    }
}
