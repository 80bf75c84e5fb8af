//! The documentation of an `impl` with states: their diagram, in Mermaid.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::model::{HandlerImpl, Method, text};

/// Returns the documentation of the `impl`: a diagram of the states.
pub(super) fn diagram(model: &HandlerImpl) -> Option<TokenStream> {
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    let name = |ty: &Type| text(ty).replace(' ', "");
    // A diagram names a state by letters and digits.
    let id = |ty: &Type| name(ty).replace(|c: char| !c.is_alphanumeric(), "_");
    let mut states: Vec<&Type> = Vec::new();
    for ty in model.methods.iter().flat_map(|method| method.states.types()) {
        if !states.iter().any(|state| name(state) == name(ty)) {
            states.push(ty);
        }
    }
    states.first()?;
    for ty in states.iter().filter(|ty| id(ty) != name(ty)) {
        lines.push(format!("    {}: {}", id(ty), name(ty)));
    }
    for upgrade in &model.upgrades {
        if let Some(first) = states.iter().find(|ty| name(ty) == name(&upgrade.created)) {
            lines.push(format!("    [*] --> {}: {}", id(first), upgrade.ident));
        }
    }
    for method in &model.methods {
        for target in &method.states.targets {
            let from: Vec<&&Type> = match &method.states.state {
                Some(state) => states.iter().filter(|ty| name(ty) == name(state)).collect(),
                None => states.iter().collect(),
            };
            let (event, label) = (method.event.name(), label(method));
            lines.extend(
                from.iter().map(|from| format!("    {} --> {}: {event} {label}", id(from), id(target))),
            );
        }
    }
    let text = format!("The states of the handler.\n\n```mermaid\n{}\n```", lines.join("\n"));
    Some(quote!(#[doc = #text]))
}

/// Returns the label of a method that leads to a state: the name of a call or message, or that of the method.
fn label(method: &Method) -> String {
    let Some(name) = method.name() else { return method.ident.to_string() };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/');
    // Mermaid reads `:` and `;` in a label. Its entities have the number of the character.
    let escaped =
        name.text.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) });
    escaped.collect()
}
