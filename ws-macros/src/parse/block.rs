//! Grammar of an `impl` block. Method bodies stay unparsed, so that completion works in half-typed ones.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ImplItem, Signature, Token, Type, Visibility, braced};

use super::helper::{is_helper, is_websocket};

pub(crate) struct Block {
    /// Further `#[websocket]` attributes, which are not emitted.
    pub(crate) websockets: Vec<Attribute>,
    pub(crate) attrs: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// The trait of a trait impl, which the model rejects.
    pub(crate) of_trait: Option<(syn::Path, Token![for])>,
    pub(crate) self_ty: Type,
    pub(crate) members: Vec<Member>,
}

pub(crate) enum Member {
    Method(Box<ImplMethod>),
    /// A constant, a type or a macro.
    Other(TokenStream),
    /// Tokens that do not parse. The compiler reports them.
    Broken(TokenStream),
}

pub(crate) struct ImplMethod {
    /// The helper attributes, which are not emitted.
    pub(crate) helpers: Vec<Attribute>,
    pub(crate) attrs: Vec<Attribute>,
    vis: Visibility,
    pub(crate) sig: Signature,
    /// A brace group, or a semicolon in an unfinished method.
    pub(crate) body: TokenTree,
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
        let lookahead = input.fork();
        if let Ok(member) = member(&lookahead) {
            input.advance_to(&lookahead);
            return Ok(member);
        }
        let attrs = input.call(Attribute::parse_outer).unwrap_or_default();
        let attrs = attrs.iter().filter(|attr| !is_helper(attr));
        let mut broken = quote!(#(#attrs)*);
        while !input.is_empty() {
            let token: TokenTree = input.parse()?;
            let is_end = match &token {
                TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() == ';',
                _ => false,
            };
            broken.extend([token]);
            if is_end {
                break;
            }
        }
        Ok(Self::Broken(broken))
    }
}

fn member(input: ParseStream<'_>) -> syn::Result<Member> {
    let lookahead = input.fork();
    lookahead.call(Attribute::parse_outer)?;
    lookahead.parse::<Visibility>()?;
    if !is_method(&lookahead) {
        return Ok(Member::Other(input.parse::<ImplItem>()?.into_token_stream()));
    }
    let (helpers, attrs) = input.call(Attribute::parse_outer)?.into_iter().partition(is_helper);
    let (vis, sig) = (input.parse()?, input.parse()?);
    if !input.peek(syn::token::Brace) && !input.peek(Token![;]) {
        return Err(input.error("expected a body"));
    }
    Ok(Member::Method(Box::new(ImplMethod { helpers, attrs, vis, sig, body: input.parse()? })))
}

/// Returns whether `fn` follows, after optional qualifiers such as `async`.
fn is_method(lookahead: ParseStream<'_>) -> bool {
    loop {
        if lookahead.peek(Token![fn]) {
            return true;
        }
        let word = lookahead.peek(Token![const])
            || lookahead.peek(Token![async])
            || lookahead.peek(Token![unsafe])
            || lookahead.peek(Token![extern])
            || lookahead.peek(syn::LitStr);
        if !word || lookahead.parse::<TokenTree>().is_err() {
            return false;
        }
    }
}

/// Emits the block unchanged except for its helper attributes.
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
                let ImplMethod { helpers, attrs, vis, sig, body } = &**method;
                // The event prescribes the signature, so these lints would blame the user for it.
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
            Self::Other(other) | Self::Broken(other) => other.to_tokens(tokens),
        }
    }
}
