//! `#[leader("…")]` and `#[exclusive("…")]`: a function that runs while it leads, or holds a lock.
//!
//! ```text
//! #[leader("billing")]                          async fn bill() -> Result<(), Error> {
//! async fn bill(term: Term)                         async fn bill(term: Term) -> Result<(), Error> { body }
//!     -> Result<(), Error> { body }      =>         ::metaparticle::__private::lead("billing", bill).await
//!                                               }
//!
//! #[exclusive("migrations")]                    async fn migrate(to: u32) -> Result<(), Error> {
//! async fn migrate(to: u32)                         async fn migrate(to: u32) -> Result<(), Error> { body }
//!     -> Result<(), Error> { body }      =>         ::metaparticle::__private::exclusive("migrations", migrate(to)).await
//!                                               }
//! ```
//! Documentation, `cfg` and what concerns callers stay outside; other attributes go with the body.

use metaparticle_spec::Namespace;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, FnArg, Pat, Path, ReturnType, Safety, Type, spanned::Spanned};

use crate::{
    errors::Errors,
    item::Main as Function,
    keys,
    parse::{self, Arg, Key, Value},
};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sugar {
    Leader,
    Exclusive,
}

impl Sugar {
    fn example(self) -> &'static str {
        match self {
            Self::Leader => "#[leader(\"billing\")]",
            Self::Exclusive => "#[exclusive(\"migrations\")]",
        }
    }

    fn names(self) -> &'static str {
        match self {
            Self::Leader => "an election",
            Self::Exclusive => "a lock",
        }
    }
}

/// Expands `#[leader(args)] item` or `#[exclusive(args)] item`.
pub fn expand(sugar: Sugar, args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let (name, root) = arguments(sugar, args, &mut errors);
    let function = syn::parse2::<Function>(item.clone())
        .ok()
        .filter(|function| function.sig.receiver().is_none());
    let Some(function) = function else {
        errors.at(
            Span::call_site(),
            format!(
                "{} belongs on an `async fn` outside of `impl` and `trait`",
                sugar.example()
            ),
        );
        let errors = errors.to_compile_errors();
        return quote!(#item #errors);
    };
    check(sugar, &function, &mut errors);
    let root = root.map_or_else(|| quote!(::metaparticle), |root| quote!(#root));
    let call = if let (Some(name), true) = (&name, errors.is_empty()) {
        call(sugar, &root, name, &function)
    } else {
        // Callers are type-checked against what they would have got.
        quote!(::core::unreachable!())
    };
    if errors.is_empty() {
        return wrapped(sugar, function, &call);
    }
    // What is wrong with it has been said, so rustc need not say it again.
    let mut function = function;
    function.sig.constness = None;
    function.sig.abi = None;
    function.sig.safety = Safety::Default;
    function.sig.asyncness = Some(syn::token::Async::default());
    let errors = errors.to_compile_errors();
    let function = wrapped(sugar, function, &call);
    quote!(#[allow(dead_code, unused_variables)] #function #errors)
}

/// The name, and where this crate's facade is.
fn arguments(
    sugar: Sugar,
    args: TokenStream,
    errors: &mut Errors,
) -> (Option<String>, Option<Path>) {
    let (mut name, mut root, mut is_named) = (None, None, false);
    for arg in parse::args(args, errors) {
        match arg {
            Arg::Keyed(
                Key {
                    text,
                    span,
                    is_quoted: true,
                },
                Value::Flag,
            ) if !is_named => {
                is_named = true;
                name = label(sugar, &text, span, errors);
            }
            Arg::Keyed(
                Key {
                    text,
                    is_quoted: false,
                    ..
                },
                Value::Is(syn::Expr::Path(path)),
            ) if text == keys::CRATE.0 && root.is_none() => {
                root = Some(path.path);
            }
            Arg::Keyed(key, _) if !is_named && key.text != keys::CRATE.0 => {
                is_named = true;
                errors.at(
                    key.span,
                    format!(
                        "expected a name, as a literal in quotes: write `{}`",
                        sugar.example()
                    ),
                );
            }
            Arg::Keyed(key, _) => {
                errors.at(
                    key.span,
                    format!("expected one name: write `{}`", sugar.example()),
                );
            }
            Arg::Positional(value) => {
                is_named = true;
                let what = "expected a name, as a literal in quotes";
                errors.over(value, format!("{what}: write `{}`", sugar.example()));
            }
            Arg::Broken => is_named = true,
        }
    }
    if !is_named {
        let what = sugar.names();
        errors.at(
            Span::call_site(),
            format!("the name of {what} is missing: write `{}`", sugar.example()),
        );
    }
    (name, root)
}

/// A DNS label, as namespaces are.
fn label(sugar: Sugar, text: &str, span: Span, errors: &mut Errors) -> Option<String> {
    if Namespace::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    errors.at(
        span,
        format!(
            "`{text}` is no name of {}: write 1 to 63 lower-case letters, digits and `-`, beginning and ending with a \
             letter or digit",
            sugar.names()
        ),
    );
    None
}

fn check(sugar: Sugar, function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    let name = &sig.ident;
    if sig.asyncness.is_none() {
        errors.over(
            sig.fn_token,
            format!("`{name}` waits for its turn: make it an `async fn`"),
        );
    }
    if let Some(token) = &sig.constness {
        errors.over(token, format!("`{name}` must not be `const`: remove it"));
    }
    if !matches!(sig.safety, Safety::Default) {
        errors.over(
            &sig.safety,
            format!("`{name}` must not be `unsafe` or `safe`: remove it"),
        );
    }
    if let Some(abi) = &sig.abi {
        errors.over(
            abi,
            format!("`{name}` has the ABI of Rust: remove `extern`"),
        );
    }
    if matches!(sig.output, ReturnType::Default) {
        errors.over(
            name,
            format!(
                "`{name}` must return a `Result` whose error is made from `metaparticle::coordinator::Error`: it may lose \
                 what it holds"
            ),
        );
    }
    if sugar == Sugar::Leader {
        check_leader(function, errors);
    }
}

/// It is called once a term, with the term and nothing else.
fn check_leader(function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    let name = &sig.ident;
    if !sig.generics.params.is_empty() {
        errors.over(
            &sig.generics,
            format!("`{name}` takes no generic parameters: remove them"),
        );
    }
    match sig.inputs.first() {
        None => errors.at(
            sig.paren_token.span.join(),
            format!(
                "`{name}` is given its term: write `{name}(term: metaparticle::election::Term)`"
            ),
        ),
        Some(FnArg::Typed(first)) => {
            if let Type::Reference(reference) = &*first.ty {
                errors.over(
                    reference,
                    "the term is given by value: write `metaparticle::election::Term`",
                );
            }
        }
        Some(FnArg::Receiver(_)) => {}
    }
    for more in sig.inputs.iter().skip(1) {
        errors.over(
            more,
            format!("`{name}` is called anew in each term, with the term alone: read what else it needs inside"),
        );
    }
}

fn call(sugar: Sugar, root: &TokenStream, name: &str, function: &Function) -> TokenStream {
    let ident = &function.sig.ident;
    match sugar {
        Sugar::Leader => quote!(#root::__private::lead(#name, #ident).await),
        Sugar::Exclusive => {
            let arguments = forwarded(function).into_iter().map(|(name, _)| name);
            quote!(#root::__private::exclusive(#name, #ident(#(#arguments),*)).await)
        }
    }
}

/// The function that callers see, with the one that was written inside.
fn wrapped(sugar: Sugar, function: Function, call: &TokenStream) -> TokenStream {
    let arguments = match sugar {
        Sugar::Leader => Vec::new(),
        Sugar::Exclusive => forwarded(&function),
    };
    let arguments: Vec<_> = arguments
        .iter()
        .map(|(name, ty)| quote!(#name: #ty))
        .collect();
    let (outside, within): (Vec<_>, Vec<_>) =
        function.attrs.into_iter().partition(concerns_callers);
    let vis = function.vis;
    let ident = &function.sig.ident;
    let generics = &function.sig.generics;
    let clause = &function.sig.generics.where_clause;
    let output = &function.sig.output;
    let written = Function {
        attrs: within,
        vis: syn::Visibility::Inherited,
        sig: function.sig.clone(),
        inner: function.inner,
        body: function.body,
    };
    quote! {
        #(#outside)*
        #vis async fn #ident #generics (#(#arguments),*) #output #clause {
            #written
            #call
        }
    }
}

/// The arguments by names of their own: what stands in the function may be a pattern.
fn forwarded(function: &Function) -> Vec<(Ident, &Type)> {
    let typed = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed
        .enumerate()
        .map(|(index, typed)| {
            let name = match &*typed.pat {
                Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                    pat.ident.clone()
                }
                pat => format_ident!("argument_{index}", span = pat.span()),
            };
            (name, &*typed.ty)
        })
        .collect()
}

fn concerns_callers(attribute: &Attribute) -> bool {
    let path = attribute.path();
    ["doc", "cfg", "deprecated", "must_use"]
        .iter()
        .any(|name| path.is_ident(name))
}
