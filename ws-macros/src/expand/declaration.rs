use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use syn::spanned::Spanned;

use super::rewrite::with_send_static;
use super::scope;
use crate::model::Declaration;

/// Returns the item unchanged, followed by the `Declared` impl of its options.
pub(crate) fn expand_declaration(item: &TokenStream, model: &Declaration) -> TokenStream {
    let Declaration { ident, generics, path, base, settings } = model;
    let generics = with_send_static(generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // The path is absolute, so that options from macros of other crates resolve too.
    let declaration = Ident::new("declaration", Span::call_site());
    let path_setting = path.as_ref().map(|path| quote!(#declaration.path = #path;));
    let base_options = base.as_ref().map(|base| quote_spanned!(base.span()=> #declaration.options = #base;));
    let settings_of = settings.iter().map(|(name, value)| quote!(#declaration.options.#name = #value;));
    // A `const` checks the options against each other; an option's span makes the error point at it.
    let two = settings.iter().rfind(|(name, _)| name == "outbox_high_water" || name == "outbox_limit");
    let base_span = base.as_ref().map(Spanned::span);
    let setting_span = |(name, _): &(Ident, TokenStream)| name.span();
    let span = two.map(setting_span).or(base_span).or(settings.first().map(setting_span));
    let span = span.unwrap_or_else(Span::call_site);
    let value = if path.is_none() && base.is_none() && settings.is_empty() {
        quote!(__ws::Declaration::DEFAULT)
    } else {
        let checked = quote_spanned!(span=> __ws::Declaration::checked(#declaration));
        quote!({
            let mut #declaration = __ws::Declaration::DEFAULT;
            #base_options
            #path_setting
            #(#settings_of)*
            #checked
        })
    };
    let mounted = path.as_ref().map(|_| {
        quote! {
            #[automatically_derived]
            impl #impl_generics __ws::Mounted for #ident #type_generics #where_clause {}
        }
    });
    // The compiler evaluates the constant of a generic type only once its parameters are chosen.
    let has_options = base.is_some() || !settings.is_empty();
    let force_eval = (has_options && generics.params.is_empty())
        .then(|| quote!(const _: __ws::Declaration = <#ident as __ws::Declared>::DECLARATION;));
    let code = scope(&quote! {
        #[automatically_derived]
        impl #impl_generics __ws::Declared for #ident #type_generics #where_clause {
            const DECLARATION: __ws::Declaration = #value;
        }

        #mounted
        #force_eval
    });
    quote!(#item #code)
}
