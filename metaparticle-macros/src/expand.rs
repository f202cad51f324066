//! The expansion of the trailing attribute: the only place that writes code for the user's crate.

use metaparticle_spec::{Embedded, render};
use proc_macro2::{Delimiter, Group, Literal, TokenStream};
use quote::quote;

use crate::{
    artifacts, check, errors::Errors, facts, fallback, invocation::Invocation, item::Main,
    model::Draft, parse,
};

/// Expands `#[__spec(stack)] item`.
pub fn spec(stack: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attributes = parse::stack(stack, &mut errors);
    let main = Main::read(item.clone(), &mut errors);
    let draft = Draft::read(&attributes, &mut errors);
    let root = draft.root.clone();
    let invocation = Invocation::of_this_process();
    let build = facts::of_this_process(&invocation);
    let spec = check::app(draft, &build, &mut errors);
    match main {
        Some(main) if errors.is_empty() => {
            let artifacts = render::render(&spec, &build);
            let embedded = Embedded {
                spec,
                build,
                artifacts,
            };
            let files = artifacts::write(&embedded, &invocation);
            let root = root.map_or_else(|| quote!(::metaparticle), |root| quote!(#root));
            expanded(&main, &root, &embedded, &files)
        }
        main => fallback::item(main, item, &errors),
    }
}

/// `main` with the entry before its body. The same in host and container builds: what differs is in `__enter!`.
fn expanded(main: &Main, root: &TokenStream, embedded: &Embedded, files: &[String]) -> TokenStream {
    let Main {
        attrs,
        vis,
        sig,
        inner,
        body,
    } = main;
    let record = Literal::byte_string(&embedded.encode());
    // The gate, in the programs that have one.
    let sharded = embedded.spec.sharding().map(|_| quote!(, sharded));
    // The body is a block of its own, so that its items still stand before its statements.
    let mut whole = Group::new(
        Delimiter::Brace,
        quote! {
            #inner
            #(const _: &[::core::primitive::u8] = ::core::include_bytes!(#files);)*
            #root::__enter!(#record #sharded);
            #body
        },
    );
    whole.set_span(body.span());
    quote!(#(#attrs)* #vis #sig #whole)
}
