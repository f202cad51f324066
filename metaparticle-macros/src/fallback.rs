//! What is emitted beside the mistakes, so that they are all that the user reads.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::{errors::Errors, item::Main};

/// The item and the mistakes. A `main` that rustc itself would refuse is put inside one that it takes.
pub fn item(main: Option<Main>, item: TokenStream, errors: &Errors) -> TokenStream {
    let errors = errors.to_compile_errors();
    let item = match main {
        Some(main) if main.sig.ident == "main" && !main.is_ordinary() => wrapped(&main),
        _ => item,
    };
    quote!(#item #errors)
}

fn wrapped(main: &Main) -> TokenStream {
    let attrs = &main.attrs;
    let vis = &main.vis;
    let name = Ident::new("main", Span::call_site());
    let inner = Main {
        attrs: Vec::new(),
        vis: syn::Visibility::Inherited,
        sig: main.sig.clone(),
        inner: main.inner.clone(),
        body: main.body.clone(),
    };
    quote! {
        #(#attrs)*
        #vis fn #name() {
            #[allow(dead_code)]
            #inner
        }
    }
}
