use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use syn::spanned::Spanned;

use super::rewrite::with_send_static;
use super::scope;
use super::states::state_impls;
use crate::model::{Declaration, Envelope, Tags};

/// Returns the item unchanged, followed by the `Declared` impl of its options.
pub(crate) fn expand_declaration(item: &TokenStream, model: &Declaration) -> TokenStream {
    let Declaration { ident, generics, path, base, envelope, sends, settings, states } = model;
    let generics = with_send_static(generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // The path is absolute, so that options from macros of other crates resolve too.
    let declaration = Ident::new("declaration", Span::call_site());
    let path_setting = path.as_ref().map(|path| quote!(#declaration.path = #path;));
    let base_options = base.as_ref().map(|base| quote_spanned!(base.span()=> #declaration.options = #base;));
    let settings_of = settings.iter().map(|(name, value)| quote!(#declaration.options.#name = #value;));
    // A handler with `#[on_part]` has no other limit of messages, even if the value is the default.
    let is_limit = |(name, _): &&(Ident, TokenStream)| name == "max_message_size";
    let limits = settings.iter().find(is_limit).map(|_| quote!(#declaration.limits_messages = true;));
    // A `const` checks the options against each other; an option's span makes the error point at it.
    let two = settings.iter().rfind(|(name, _)| name == "outbox_high_water" || name == "outbox_limit");
    let base_span = base.as_ref().map(Spanned::span);
    let setting_span = |(name, _): &(Ident, TokenStream)| name.span();
    let span = two.map(setting_span).or(base_span).or(settings.first().map(setting_span));
    let span = span.unwrap_or_else(Span::call_site);
    let is_generic = !generics.params.is_empty();
    let value = if path.is_none() && base.is_none() && settings.is_empty() {
        quote!(__ws::Declaration::DEFAULT)
    } else {
        let result = if is_generic {
            quote_spanned!(span=> __ws::Declaration::checked(#declaration))
        } else {
            quote!(#declaration)
        };
        quote!({
            let mut #declaration = __ws::Declaration::DEFAULT;
            #base_options
            #path_setting
            #(#settings_of)*
            #limits
            #result
        })
    };
    let mounted = path.as_ref().map(|_| {
        quote! {
            #[automatically_derived]
            impl #impl_generics __ws::Mounted for #ident #type_generics #where_clause {}
        }
    });
    let protocol = match envelope {
        None => quote!(__ws::AnyReply),
        Some(_) => quote!(__ws::NamedMessages<Self>),
    };
    let enveloped = envelope.as_ref().map(|envelope| {
        let (ty, tags) = (envelope_type(envelope), envelope.tags.as_ref().map(tag_names));
        let sends = sends.as_ref().map_or_else(
            || quote!(__ws::AnyReply),
            |sends| quote_spanned!(sends.span()=> __ws::SendsOnly<#sends>),
        );
        quote! {
            #tags

            #[automatically_derived]
            impl #impl_generics __ws::Enveloped for #ident #type_generics #where_clause {
                type Envelope = #ty;
                type Sends = #sends;
            }
        }
    });
    // The compiler evaluates the constant of a generic type only once its parameters are chosen. The check of
    // another one is apart from its value, whose uses the compiler would report too.
    let has_options = base.is_some() || !settings.is_empty();
    let checked = (has_options && !is_generic).then(|| {
        let declared = quote!(<#ident as __ws::Declared>::DECLARATION);
        let checked = quote_spanned!(span=> __ws::Declaration::checked(#declared));
        quote!(const _: __ws::Declaration = #checked;)
    });
    let states = state_impls(ident, &generics, states);
    let code = scope(&quote! {
        #[automatically_derived]
        impl #impl_generics __ws::Declared for #ident #type_generics #where_clause {
            type Protocol = #protocol;
            const DECLARATION: __ws::Declaration = #value;
        }

        #enveloped
        #mounted
        #states
        #checked
    });
    quote!(#item #code)
}

/// Returns the type of an envelope. The span makes a missing impl of the trait point at the option.
fn envelope_type(envelope: &Envelope) -> TokenStream {
    let Envelope { ty, span, tags } = envelope;
    match tags {
        None => ty.clone(),
        Some(_) => {
            let names = Tags::ident();
            quote_spanned!(*span=> #ty<#names>)
        }
    }
}

/// Returns the type that holds the names of `Tagged(tag = …, content = …)`.
fn tag_names(tags: &Tags) -> TokenStream {
    let names = Tags::ident();
    let tag = tags.tag.as_ref().map_or_else(|| quote!("type"), |tag| quote!(#tag));
    let content = match &tags.content {
        Some(content) => quote!(::core::option::Option::Some(#content)),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        pub enum #names {}

        #[automatically_derived]
        impl __ws::TagNames for #names {
            const TAG: &'static ::core::primitive::str = #tag;
            const CONTENT: ::core::option::Option<&'static ::core::primitive::str> = #content;
        }
    }
}
