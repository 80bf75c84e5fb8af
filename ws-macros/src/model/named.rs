//! Validation of `#[on_call]` and `#[on_message]`: the name and the arguments.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta, Pat, PatType, Signature, Type};

use super::arg::{Arg, NamedArg};
use super::kind::Kind;
use super::states::receiver_hint;
use super::types::{is_named, is_static, last_name, type_arguments, ungroup_type};
use crate::errors::Errors;

/// Up to this number of arguments, besides `cx`.
const MAX_ARGUMENTS: usize = 8;

/// The name of a call or message.
pub(crate) struct MessageName {
    pub(crate) text: String,
    pub(crate) span: Span,
    /// The span of the attribute, for errors about the handler.
    pub(crate) attribute: Span,
    pub(crate) is_call: bool,
}

/// Returns the name from the attribute, or that of the method. `argument` is the argument without `ignore`.
pub(super) fn validate_name(
    helper: &Attribute,
    argument: Option<TokenStream>,
    sig: &Signature,
    kind: Kind,
    errors: &mut Errors,
) -> Option<MessageName> {
    let name = kind.name();
    let attribute = helper.path().span();
    let is_call = kind == Kind::Call;
    let own = sig.ident.to_string().trim_start_matches("r#").to_owned();
    let help = format!("write `#[{name}]` for the name `{own}`, or `#[{name}(\"another.name\")]`");
    let tokens = match (&helper.meta, argument) {
        (Meta::Path(_), _) | (Meta::List(_), None) => {
            return Some(MessageName { text: own, span: sig.ident.span(), attribute, is_call });
        }
        (Meta::List(list), _) if list.tokens.is_empty() => {
            errors.error_at(list, format!("empty parentheses\nhelp: {help}"));
            return None;
        }
        (Meta::List(_), Some(tokens)) => tokens,
        (Meta::NameValue(set), _) => {
            let value = set.value.to_token_stream();
            errors.error_at(
                &set.value,
                format!("a name is set in parentheses\nhelp: write `#[{name}({value})]`"),
            );
            return None;
        }
    };
    match syn::parse2::<Expr>(tokens.clone()) {
        Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) if text.value().is_empty() => {
            errors.error(text.span(), format!("an empty name\nhelp: {help}"));
            None
        }
        Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            Some(MessageName { text: text.value(), span: text.span(), attribute, is_call })
        }
        Ok(path @ (Expr::Path(_) | Expr::Field(_))) => {
            let path = path.to_token_stream().to_string().replace(' ', "");
            errors.error_at(tokens, format!("a name is a text\nhelp: write `#[{name}(\"{path}\")]`"));
            None
        }
        Ok(Expr::Assign(assign)) => {
            let value = assign.right.to_token_stream();
            errors.error_at(tokens, format!("the name needs no key\nhelp: write `#[{name}({value})]`"));
            None
        }
        _ => {
            errors.error_at(tokens, format!("`#[{name}]` takes one name\nhelp: {help}"));
            None
        }
    }
}

/// Validates an argument of a named method, given those before it.
pub(super) fn validate_named_argument(input: &PatType, before: &[Arg], kind: Kind) -> Result<Arg, String> {
    let ty = &*input.ty;
    let named = |arg: &Arg| match arg {
        Arg::Named(NamedArg::One(..)) => Some(false),
        Arg::Named(NamedArg::All(_)) => Some(true),
        _ => None,
    };
    let kinds: Vec<bool> = before.iter().filter_map(named).collect();
    check_type(ty, kind)?;
    let is_all = is_named(ty, "Params") && !type_arguments(ty).is_empty();
    if kinds.contains(&true) || (is_all && !kinds.is_empty()) {
        return Err("`Params` beside another argument: it takes all parameters\n\
                    help: put them into one type: `Params(all): Params<MyParams>`"
            .into());
    }
    if is_all {
        return Ok(Arg::Named(NamedArg::All(Box::new(ty.clone()))));
    }
    if kinds.len() == MAX_ARGUMENTS {
        return Err(format!(
            "more than {MAX_ARGUMENTS} arguments\n\
             help: put them into one type that is `Deserialize`, and take it as `Params(all): Params<MyParams>`"
        ));
    }
    let Some(name) = argument_name(&input.pat) else {
        return Err(format!(
            "an argument without a name, by which clients pass it\n\
             help: name it, and take it apart in the body: `value: {}`",
            tokens_of(ty)
        ));
    };
    if before.iter().any(|arg| matches!(arg, Arg::Named(NamedArg::One(other, _)) if *other == name)) {
        return Err(format!("a second argument `{name}`\nhelp: give it another name"));
    }
    Ok(Arg::Named(NamedArg::One(name, Box::new(ty.clone()))))
}

/// Returns the name by which clients pass an argument. A leading underscore marks an argument that the method does
/// not use.
fn argument_name(pat: &Pat) -> Option<String> {
    let Pat::Ident(pat) = pat else { return None };
    let name = pat.ident.to_string();
    let name = name.trim_start_matches("r#");
    let used = name.trim_start_matches('_');
    Some(if used.is_empty() { name } else { used }.to_owned())
}

fn check_type(ty: &Type, kind: Kind) -> Result<(), String> {
    let name = kind.name();
    match ungroup_type(ty) {
        Type::ImplTrait(_) => {
            Err(format!("`#[{name}]` needs the concrete types of its arguments\nhelp: name the type"))
        }
        Type::Reference(reference) if reference.mutability.is_some() => {
            Err("a parameter cannot be borrowed mutably\nhelp: take it by value".into())
        }
        Type::Reference(reference) if is_static(reference) => {
            Err("a parameter is borrowed for the call only, not for `'static`\nhelp: remove `'static`".into())
        }
        Type::Reference(reference) => match last_name(&reference.elem).as_deref() {
            Some("str" | "RawValue" | "Path" | "CStr") | None
                if !matches!(ungroup_type(&reference.elem), Type::Slice(_)) =>
            {
                Ok(())
            }
            _ if matches!(ungroup_type(&reference.elem), Type::Slice(_)) => Err(format!(
                "a list is not borrowed from the message\nhelp: take a `Vec`, or a type of your own: `{}`",
                match ungroup_type(&reference.elem) {
                    Type::Slice(slice) => format!("Vec<{}>", tokens_of(&slice.elem)),
                    _ => String::new(),
                }
            )),
            _ => Err(format!(
                "only text is borrowed from the message\nhelp: take `{}`, by value",
                tokens_of(&reference.elem)
            )),
        },
        ty if is_named(ty, "Json") => Err(match type_arguments(ty).first() {
            Some(inner) => format!(
                "parameters are JSON already\nhelp: take `{0}`, or all parameters as `Params<{0}>`",
                tokens_of(inner)
            ),
            None => "parameters are JSON already\nhelp: take the type without `Json`".into(),
        }),
        _ => Ok(()),
    }
}

fn tokens_of(ty: &Type) -> String {
    let text = quote!(#ty).to_string();
    text.replace(" < ", "<").replace(" >", ">").replace("& ", "&").replace(" :: ", "::").replace(" ,", ",")
}

/// Returns the signature that the attribute expects.
pub(super) fn usage_hint(sig: &Signature, kind: Kind) -> String {
    let keyword = if sig.asyncness.is_some() { "async fn" } else { "fn" };
    let output = if kind == Kind::Call { " -> i64" } else { "" };
    let receiver = receiver_hint(sig, kind);
    format!("`{keyword} {}({receiver}, first: i64, second: &str){output}`, with any arguments", sig.ident)
}

/// Returns a type with anonymous lifetimes in place of the method's own.
pub(crate) fn with_anonymous_lifetimes(ty: &Type, sig_lifetimes: &[Ident]) -> TokenStream {
    use proc_macro2::{Group, TokenTree};
    fn replace(tokens: TokenStream, names: &[Ident]) -> TokenStream {
        let mut after_quote = false;
        let replaced = tokens.into_iter().map(|token| {
            let is_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
            let token = match token {
                TokenTree::Ident(ident) if after_quote && names.contains(&ident) => {
                    TokenTree::Ident(Ident::new("_", ident.span()))
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), replace(group.stream(), names));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other,
            };
            after_quote = is_quote;
            token
        });
        replaced.collect()
    }
    replace(ty.to_token_stream(), sig_lifetimes)
}
