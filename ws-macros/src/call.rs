//! `#[derive(Call)]`: a type as a call to the client.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, LitStr, Token, Type};

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
    // An error in place of the type: the compiler reports no use of such a result a second time.
    let returns = match &call.returns {
        Ok(returns) => quote_spanned!(returns.span()=> #returns),
        Err(error) => error.to_compile_error(),
    };
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
struct CallOptions {
    name: Option<LitStr>,
    /// The type of the result, or the one error that explains why there is none.
    returns: syn::Result<Type>,
}

fn read_attributes(input: &DeriveInput, errors: &mut Errors) -> CallOptions {
    let mut attributes = input.attrs.iter().filter(|attribute| attribute.path().is_ident("call"));
    let Some(first) = attributes.next() else {
        let text = format!("`#[derive(Call)]` does not know the result\n{HELP}");
        return CallOptions { name: None, returns: Err(syn::Error::new(Span::call_site(), text)) };
    };
    for attribute in attributes {
        errors.error_at(attribute, "a second `#[call]` on one type\nhelp: keep one of them");
    }
    let arguments = match &first.meta {
        syn::Meta::Path(_) => Ok(Punctuated::new()),
        _ => first.parse_args_with(Punctuated::<CallArg, Token![,]>::parse_terminated),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return CallOptions { name: None, returns: Err(error) },
    };
    let (mut name, mut returns) = (None, None);
    for argument in arguments {
        match argument {
            CallArg::Name(second) if name.is_some() => {
                errors.error(second.span(), "a second name\nhelp: keep one of them");
            }
            CallArg::Name(text) => {
                if text.value().is_empty() {
                    errors.error(text.span(), "an empty name\nhelp: write `#[call(\"order.confirm\", returns = …)]`, or leave the name out");
                }
                name = Some(text);
            }
            CallArg::Returns(key, _) if returns.is_some() => {
                errors.error(key.span(), "`returns` is set twice\nhelp: keep one of them");
            }
            CallArg::Returns(_, result) => returns = Some(*result),
        }
    }
    let missing = || syn::Error::new_spanned(first, format!("`#[call]` does not name the result\n{HELP}"));
    CallOptions { name, returns: returns.ok_or_else(missing) }
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
