use proc_macro2::TokenStream;
use quote::quote;

use crate::model::Declaration;

/// The item as it was written, and what it declares.
pub(crate) fn declaration(item: &TokenStream, model: &Declaration) -> TokenStream {
    let Declaration { ident, generics, path, settings } = model;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // `Declared` demands what a handler must be; bounds on the type say so for its parameters.
    let bounds = generics.type_params().map(|param| {
        let ident = &param.ident;
        quote!(#ident: ::core::marker::Send + 'static)
    });
    let predicates = where_clause.map(|clause| &clause.predicates).into_iter().flatten();
    let where_clause = quote!(where #(#bounds,)* #(#predicates,)*);
    let options = if settings.is_empty() {
        quote!(::ws_core::private::Options::DEFAULT)
    } else {
        let (names, values): (Vec<_>, Vec<_>) = settings.iter().map(|(name, value)| (name, value)).unzip();
        quote!({
            let mut options = ::ws_core::private::Options::DEFAULT;
            #(options.#names = #values;)*
            options
        })
    };
    let mounted = path.as_ref().map(|path| {
        quote! {
            #[automatically_derived]
            impl #impl_generics ::ws_core::private::Mounted for #ident #type_generics #where_clause {
                const PATH: &'static ::core::primitive::str = #path;
            }
        }
    });
    quote! {
        #item

        #[automatically_derived]
        impl #impl_generics ::ws_core::private::Declared for #ident #type_generics #where_clause {
            const OPTIONS: ::ws_core::private::Options = #options;
        }

        #mounted
    }
}
