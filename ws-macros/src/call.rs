//! `#[derive(Call)]`: a type as a call to the client.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Expr, LitStr, Token, Type};

use crate::errors::Errors;
use crate::expand::scope;
use crate::snake_case::snake_case;

/// The correct form of the attribute.
const HELP: &str =
    "help: write `#[call(returns = bool)]`, or `#[call(returns = ())]` for an answer without a value";

/// Expands `#[derive(Call)]`.
pub(crate) fn derive_call(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    reject_other_kinds(&input, &mut errors);
    let call = read_attributes(&input, &mut errors);
    let DeriveInput { ident, generics, .. } = &input;
    let name = call.name.as_ref().map_or_else(|| snake_case(&ident.unraw().to_string()), LitStr::value);
    // With an error, the impl has a result that fits, so that uses of the type cause no further errors.
    let returns = call
        .returns
        .as_ref()
        .filter(|_| errors.is_empty())
        .map_or_else(|| quote!(()), |returns| quote_spanned!(returns.span()=> #returns));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let code = scope(&quote! {
        #[automatically_derived]
        impl #impl_generics __ws::Call for #ident #type_generics #where_clause {
            const NAME: &'static ::core::primitive::str = #name;
            type Returns = #returns;
        }
    });
    let errors = errors.into_tokens();
    quote!(#errors #code)
}

/// Rejects enums and unions, whose JSON is not the parameters of one method.
fn reject_other_kinds(input: &DeriveInput, errors: &mut Errors) {
    let (kind, span) = match &input.data {
        Data::Struct(_) => return,
        Data::Enum(data) => ("an enum", data.enum_token.span),
        Data::Union(data) => ("a union", data.union_token.span),
    };
    errors.error(
        span,
        format!("{kind} cannot be a call\nhelp: write a `struct` for each method of the client, whose fields are the parameters"),
    );
}

/// The contents of `#[call(…)]`.
#[derive(Default)]
struct CallOptions {
    name: Option<LitStr>,
    returns: Option<Type>,
}

fn read_attributes(input: &DeriveInput, errors: &mut Errors) -> CallOptions {
    let mut options = CallOptions::default();
    let attributes: Vec<&Attribute> =
        input.attrs.iter().filter(|attribute| attribute.path().is_ident("call")).collect();
    let Some((first, others)) = attributes.split_first() else {
        errors.error(Span::call_site(), format!("`#[derive(Call)]` does not know the result\n{HELP}"));
        return options;
    };
    for attribute in others {
        errors.error_at(attribute, "a second `#[call]` on one type\nhelp: keep one of them");
    }
    let arguments = match &first.meta {
        syn::Meta::Path(_) => {
            errors.error_at(first, format!("`#[call]` does not name the result\n{HELP}"));
            return options;
        }
        _ => first.parse_args_with(Punctuated::<CallArg, Token![,]>::parse_terminated),
    };
    let Some(arguments) = errors.collect(arguments) else { return options };
    for argument in arguments {
        match argument {
            CallArg::Name(name) if options.name.is_some() => {
                errors.error(name.span(), "a second name\nhelp: keep one of them");
            }
            CallArg::Name(name) => {
                if name.value().is_empty() {
                    errors.error(name.span(), "an empty name\nhelp: write `#[call(\"order.confirm\", returns = …)]`, or leave the name out");
                }
                options.name = Some(name);
            }
            CallArg::Returns(key, _) if options.returns.is_some() => {
                errors.error(key.span(), "`returns` is set twice\nhelp: keep one of them");
            }
            CallArg::Returns(_, returns) => options.returns = Some(*returns),
        }
    }
    if options.returns.is_none() && errors.is_empty() {
        errors.error_at(first, format!("`#[call]` does not name the result\n{HELP}"));
    }
    options
}

enum CallArg {
    Name(LitStr),
    Returns(Ident, Box<Type>),
}

impl Parse for CallArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::Name);
        }
        let Ok(key) = input.call(Ident::parse_any) else {
            return Err(input.error(format!("not an argument of `#[call]`\n{HELP}")));
        };
        if key == "name" && input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let name: Expr = input.parse()?;
            return Err(syn::Error::new(
                key.span(),
                format!("the name has no key\nhelp: write `#[call({}, returns = …)]`", quote!(#name)),
            ));
        }
        if key != "returns" {
            return Err(syn::Error::new(
                key.span(),
                format!("unknown argument `{key}` of `#[call]`\n{HELP}"),
            ));
        }
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), format!("`returns` has no type\n{HELP}")));
        }
        input.parse::<Token![=]>()?;
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            return Err(syn::Error::new(
                text.span(),
                format!("a type is not a string\nhelp: write `returns = {}`", text.value()),
            ));
        }
        let returns: Type = input.parse()?;
        if let Type::Reference(reference) = &returns {
            let hint =
                if quote!(#reference).to_string().ends_with("str") { "`String`" } else { "an owned type" };
            return Err(syn::Error::new_spanned(
                reference,
                format!(
                    "the result of a call is owned, because the client's message is gone\nhelp: write {hint}"
                ),
            ));
        }
        Ok(Self::Returns(key, Box::new(returns)))
    }
}
