//! An `impl` block whose bodies are never parsed, so that half-typed ones keep their completions.

use crate::report::nearest;
use proc_macro2::{Group, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ImplItem, Signature, Token, Type, Visibility, braced};

/// The names of the helper attributes.
pub(crate) const HELPERS: [&str; 11] = [
    "on_upgrade",
    "on_open",
    "on_text",
    "on_binary",
    "on_ping",
    "on_pong",
    "on_info",
    "every",
    "after",
    "on_error",
    "on_close",
];

/// What other frameworks, and other people, call them.
pub(crate) const OTHER_NAMES: [(&str, &[&str]); 9] = [
    ("on_upgrade", &["on_handshake", "on_request", "on_accept", "on_init"]),
    ("on_open", &["on_connect", "on_connected", "on_connection", "on_start", "on_join"]),
    ("on_text", &["on_message", "on_msg", "on_string", "on_receive"]),
    ("on_binary", &["on_bytes", "on_data"]),
    ("on_info", &["on_event", "on_notify", "on_notification"]),
    ("every", &["on_every", "on_tick", "on_interval"]),
    ("after", &["on_after", "on_timer", "on_timeout"]),
    ("on_error", &["on_failure", "on_fail"]),
    (
        "on_close",
        &["on_closed", "on_disconnect", "on_disconnected", "on_terminate", "on_stop", "on_leave", "on_end"],
    ),
];

pub(crate) struct Block {
    /// Attributes that are `#[websocket]` again, which are not emitted.
    pub(crate) websockets: Vec<Attribute>,
    attrs: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// The trait, which should not be there.
    pub(crate) of_trait: Option<(syn::Path, Token![for])>,
    pub(crate) self_ty: Type,
    pub(crate) members: Vec<Member>,
}

pub(crate) enum Member {
    Method(Box<Method>),
    /// A constant, a type, a macro.
    Other(TokenStream),
}

pub(crate) struct Method {
    /// The helper attributes, which are not emitted again.
    pub(crate) helpers: Vec<Attribute>,
    pub(crate) attrs: Vec<Attribute>,
    vis: Visibility,
    pub(crate) sig: Signature,
    body: Group,
}

pub(super) fn parse(input: ParseStream<'_>) -> syn::Result<Block> {
    let (websockets, attrs) = input.call(Attribute::parse_outer)?.into_iter().partition(is_websocket);
    let unsafety = input.parse()?;
    let impl_token: Token![impl] = input.parse()?;
    let generics_follow = input.peek(Token![<]) && !input.peek2(Token![<]);
    let mut generics = if generics_follow { input.parse()? } else { Generics::default() };
    let first: Type = input.parse()?;
    let (of_trait, self_ty) = match (input.parse::<Option<Token![for]>>()?, first) {
        (Some(token), Type::Path(path)) => (Some((path.path, token)), input.parse()?),
        (Some(token), _) => return Err(syn::Error::new(token.span, "expected an inherent `impl`")),
        (None, first) => (None, first),
    };
    generics.where_clause = input.parse()?;
    let content;
    braced!(content in input);
    let mut members = Vec::new();
    while !content.is_empty() {
        members.push(content.parse()?);
    }
    Ok(Block { websockets, attrs, unsafety, impl_token, generics, of_trait, self_ty, members })
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if !is_method(&ahead) {
            return Ok(Self::Other(input.parse::<ImplItem>()?.into_token_stream()));
        }
        let (helpers, attrs) = input.call(Attribute::parse_outer)?.into_iter().partition(is_helper);
        Ok(Self::Method(Box::new(Method {
            helpers,
            attrs,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })))
    }
}

/// Whether `fn` follows, behind the words that may stand before it.
fn is_method(ahead: ParseStream<'_>) -> bool {
    loop {
        if ahead.peek(Token![fn]) {
            return true;
        }
        let word = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(syn::LitStr);
        if !word || ahead.parse::<proc_macro2::TokenTree>().is_err() {
            return false;
        }
    }
}

/// The name of a helper attribute, however it is imported.
pub(crate) fn helper_name(attribute: &Attribute) -> Option<String> {
    Some(attribute.path().segments.last()?.ident.to_string())
}

/// Whether an attribute is the one that we are called for, however it is imported.
pub(crate) fn is_websocket(attribute: &Attribute) -> bool {
    helper_name(attribute).is_some_and(|name| name == "websocket")
}

/// Whether an attribute is ours, or is meant to be: the compiler need not complain about a misspelt
/// one again.
fn is_helper(attribute: &Attribute) -> bool {
    helper_name(attribute)
        .is_some_and(|name| name.starts_with("on_") || nearest(&name, &HELPERS, &[]).is_some())
}

/// The block as it was written, without the helper attributes.
impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, unsafety, impl_token, generics, of_trait, self_ty, members, .. } = self;
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let of_trait = of_trait.as_ref().map(|(path, token)| quote!(#path #token));
        tokens.extend(quote! {
            #(#attrs)* #unsafety #impl_token #impl_generics #of_trait #self_ty #where_clause { #(#members)* }
        });
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Method(method) => {
                let Method { helpers, attrs, vis, sig, body } = &**method;
                // The signature is what the event demands, not what the author chose.
                let allow = (!helpers.is_empty()).then(|| {
                    quote!(#[allow(
                        clippy::missing_const_for_fn,
                        clippy::needless_pass_by_ref_mut,
                        clippy::needless_pass_by_value,
                        clippy::unused_self
                    )])
                });
                tokens.extend(quote!(#(#attrs)* #allow #vis #sig #body));
            }
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}
