//! `#[derive(Messages)]`: the names of the messages that a server sends.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Lit, Meta};

use crate::errors::Errors;
use crate::expand::scope;
use crate::snake_case::snake_case;

/// Expands the derive.
pub(crate) fn derive_messages(input: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(input) = errors.collect(syn::parse2::<DeriveInput>(input.clone())) else {
        return errors.into_tokens();
    };
    let variants = validate(&input, &mut errors);
    let ident = &input.ident;
    let (names, variant_names, arms) = if errors.is_empty() {
        let names = variants.iter().map(|(cfgs, _, name)| quote!(#(#cfgs)* #name));
        let variant_names = variants.iter().map(|(cfgs, variant, _)| {
            let name = serde_name(&input, variant);
            quote!(#(#cfgs)* #name)
        });
        let arms =
            variants.iter().map(|(cfgs, variant, name)| quote!(#(#cfgs)* Self::#variant { .. } => #name,));
        (quote!(#(#names),*), quote!(#(#variant_names),*), quote!(match self { #(#arms)* }))
    } else {
        (TokenStream::new(), TokenStream::new(), quote!(::core::unreachable!()))
    };
    let errors = errors.into_tokens();
    // Without its own parameters and bounds, a type with errors gets no impl that would cause more of them.
    let has_impl = matches!(input.data, Data::Enum(_)) && input.generics.params.is_empty();
    let code = has_impl.then(|| {
        scope(&quote! {
            #[automatically_derived]
            impl __ws::Messages for #ident {
                const NAMES: &'static [&'static ::core::primitive::str] = &[#names];
                const VARIANTS: &'static [&'static ::core::primitive::str] = &[#variant_names];

                fn name(&self) -> &'static ::core::primitive::str {
                    #arms
                }
            }
        })
    });
    quote!(#errors #code)
}

/// Returns the name of a variant for serde, apart from the case and the separators of `rename_all`: the text of
/// `#[serde(rename = "…")]`, or the identifier.
fn serde_name(input: &DeriveInput, ident: &syn::Ident) -> String {
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    let Data::Enum(data) = &input.data else { return name };
    let attrs =
        data.variants.iter().filter(|variant| variant.ident == *ident).flat_map(|variant| &variant.attrs);
    for attr in attrs.filter(|attr| attr.path().is_ident("serde")) {
        let Meta::List(list) = &attr.meta else { continue };
        let is_text = |token: &TokenTree| token.to_string().starts_with('"');
        let mut tokens = list.tokens.clone().into_iter();
        if !tokens.any(|token| token.to_string() == "rename") {
            continue;
        }
        // `rename = "a"`, or `rename(serialize = "a", deserialize = "b")`.
        let texts: Vec<TokenTree> = match tokens.next() {
            Some(TokenTree::Group(group)) => {
                let mut inner = group.stream().into_iter();
                inner.any(|token| token.to_string() == "serialize");
                inner.collect()
            }
            _ => tokens.collect(),
        };
        if let Some(text) = texts.into_iter().find(is_text)
            && let Ok(text) = syn::parse2::<syn::LitStr>(text.into())
        {
            name = text.value();
        }
    }
    name
}

/// Returns the `cfg`s, the variants and their names.
fn validate<'a>(
    input: &'a DeriveInput,
    errors: &mut Errors,
) -> Vec<(Vec<&'a Attribute>, &'a syn::Ident, String)> {
    let help = "help: write an `enum` with a variant for each message: `enum Event { Price(Price), Closed }`";
    let data = match &input.data {
        Data::Enum(data) => data,
        Data::Struct(data) => {
            errors.error_at(data.struct_token, format!("`#[derive(Messages)]` on a struct\n{help}"));
            return Vec::new();
        }
        Data::Union(data) => {
            errors.error_at(data.union_token, format!("`#[derive(Messages)]` on a union\n{help}"));
            return Vec::new();
        }
    };
    if !input.generics.params.is_empty() {
        errors.error_at(
            &input.generics.params,
            "messages cannot be generic, because the client does not know the type\n\
             help: name the types, or let the messages own their data",
        );
    }
    if data.variants.is_empty() {
        errors.error_at(&input.ident, format!("an enum without a message\n{help}"));
    }
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        reject_representation(attr, errors);
    }
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("message")) {
        errors.error_at(
            attr.path(),
            "`#[message]` on the enum\nhelp: write `#[message(\"name\")]` above a variant",
        );
    }
    let mut found: Vec<(Vec<&Attribute>, &syn::Ident, String)> = Vec::new();
    for variant in &data.variants {
        for field in &variant.fields {
            for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("message")) {
                errors
                    .error_at(attr.path(), "`#[message]` on a field\nhelp: write `#[serde(rename = \"…\")]`");
            }
        }
        let Some((name, span)) = message_name(variant, errors) else { continue };
        let cfgs: Vec<_> = variant.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
        if let Some((first_cfgs, first, _)) = found.iter().find(|(_, _, other)| *other == name)
            && (cfgs.is_empty() || first_cfgs.is_empty())
        {
            errors.error(
                span,
                format!(
                    "a second message `{name}`: `{first}` has this name already\n\
                     help: give one of them another name: `#[message(\"another.name\")]`"
                ),
            );
        }
        found.push((cfgs, &variant.ident, name));
    }
    found
}

/// Rejects attributes of serde that write the name of the variant themselves.
fn reject_representation(attr: &Attribute, errors: &mut Errors) {
    let Meta::List(list) = &attr.meta else { return };
    for token in list.tokens.clone() {
        let word = token.to_string();
        if matches!(word.as_str(), "tag" | "content" | "untagged") {
            errors.error_at(
                token,
                format!(
                    "`{word}` of serde, where the envelope of the handler writes the names\n\
                     help: remove it; for another member than `type`, write `envelope = Tagged(tag = \"…\")` at the handler"
                ),
            );
            return;
        }
    }
}

/// Returns the name of a variant's message, with its span.
fn message_name(variant: &syn::Variant, errors: &mut Errors) -> Option<(String, Span)> {
    let mut attrs = variant.attrs.iter().filter(|attr| attr.path().is_ident("message"));
    let Some(attr) = attrs.next() else {
        let ident = &variant.ident;
        return Some((snake_case(ident.to_string().trim_start_matches("r#")), ident.span()));
    };
    if let Some(second) = attrs.next() {
        errors.error_at(second.path(), "a second `#[message]` on this variant\nhelp: keep one of them");
        return None;
    }
    let usage = "help: write `#[message(\"name\")]`";
    let Meta::List(list) = &attr.meta else {
        errors.error_at(attr, format!("a message without a name\n{usage}"));
        return None;
    };
    match syn::parse2::<Expr>(list.tokens.clone()) {
        Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) if !text.value().is_empty() => {
            Some((text.value(), text.span()))
        }
        Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            errors.error(text.span(), format!("an empty name\n{usage}, or leave `#[message]` out"));
            None
        }
        Ok(Expr::Assign(assign)) => {
            let value = assign.right.to_token_stream();
            errors
                .error_at(&list.tokens, format!("the name needs no key\nhelp: write `#[message({value})]`"));
            None
        }
        _ => {
            errors.error_at(list, format!("`#[message]` takes one name, a text\n{usage}"));
            None
        }
    }
}
