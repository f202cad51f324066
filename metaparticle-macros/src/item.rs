//! [`Main`]: the function under the attributes, and what it must look like.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Safety, Signature, Visibility,
    parse::{Parse, ParseStream},
};

use crate::errors::Errors;

/// A free function with its body unparsed: what is in it is none of our business.
pub struct Main {
    /// Outer attributes: documentation, lints.
    pub attrs: Vec<Attribute>,
    /// Visibility.
    pub vis: Visibility,
    /// From `fn` to the return type.
    pub sig: Signature,
    /// Inner attributes of the body, each `#![…]`.
    pub inner: TokenStream,
    /// The body without its inner attributes, in braces.
    pub body: Group,
}

impl Main {
    /// Takes the item if it is a function, and reports what is wrong with it.
    pub fn read(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let free = |main: &Self| main.sig.receiver().is_none();
        let main = syn::parse2::<Self>(item).ok().filter(free);
        match &main {
            Some(main) => main.check(errors),
            None => errors.at(
                Span::call_site(),
                "this attribute belongs on `fn main`, the entry of the program",
            ),
        }
        main
    }

    /// Whether rustc takes it as the entry of a program as it is.
    pub fn is_ordinary(&self) -> bool {
        let sig = &self.sig;
        sig.constness.is_none()
            && sig.asyncness.is_none()
            && matches!(sig.safety, Safety::Default)
            && sig.abi.is_none()
            && sig.generics.params.is_empty()
            && sig.generics.where_clause.is_none()
            && sig.inputs.is_empty()
            && sig.variadic.is_none()
    }

    fn check(&self, errors: &mut Errors) {
        let sig = &self.sig;
        if sig.ident != "main" {
            let message = "this attribute belongs on `main`, the entry of the program, not on";
            errors.over(&sig.ident, format!("{message} `{}`", sig.ident));
            return;
        }
        if let Some(token) = &sig.asyncness {
            errors.over(
                token,
                "an async `main` needs a runtime: add #[tokio::main], before or after the attributes of metaparticle",
            );
        }
        if let Some(token) = &sig.constness {
            errors.over(token, "`main` must not be `const`: remove it");
        }
        if !matches!(sig.safety, Safety::Default) {
            errors.over(
                &sig.safety,
                "`main` must not be `unsafe` or `safe`: remove it",
            );
        }
        if let Some(abi) = &sig.abi {
            errors.over(abi, "`main` has the ABI of Rust: remove `extern`");
        }
        if !sig.generics.params.is_empty() {
            errors.over(
                &sig.generics,
                "`main` takes no generic parameters: remove them",
            );
        }
        if let Some(clause) = &sig.generics.where_clause {
            errors.over(clause, "`main` takes no `where` clause: remove it");
        }
        if !sig.inputs.is_empty() || sig.variadic.is_some() {
            let inputs = &sig.inputs;
            let variadic = &sig.variadic;
            errors.over(
                quote!(#inputs #variadic),
                "`main` takes no arguments: read std::env::args() and std::env::vars() instead",
            );
        }
    }
}

impl Parse for Main {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body: Group = input.parse()?;
        if body.delimiter() != Delimiter::Brace || !input.is_empty() {
            return Err(input.error("expected the body of a function"));
        }
        let (inner, body) = split_inner(&body);
        Ok(Self {
            attrs,
            vis,
            sig,
            inner,
            body,
        })
    }
}

impl ToTokens for Main {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            vis,
            sig,
            inner,
            body,
        } = self;
        let content = body.stream();
        let mut whole = Group::new(Delimiter::Brace, quote!(#inner #content));
        whole.set_span(body.span());
        tokens.extend(quote!(#(#attrs)* #vis #sig #whole));
    }
}

/// Parts `#![…]` from what follows.
fn split_inner(body: &Group) -> (TokenStream, Group) {
    let mut inner = TokenStream::new();
    let mut rest = body.stream().into_iter();
    loop {
        let mut ahead = rest.clone();
        let triple = [ahead.next(), ahead.next(), ahead.next()];
        let is_inner = matches!(
            &triple,
            [Some(TokenTree::Punct(pound)), Some(TokenTree::Punct(bang)), Some(TokenTree::Group(attr))]
                if pound.as_char() == '#' && bang.as_char() == '!' && attr.delimiter() == Delimiter::Bracket
        );
        if !is_inner {
            break;
        }
        inner.extend(triple.into_iter().flatten());
        rest = ahead;
    }
    let mut body_without = Group::new(Delimiter::Brace, rest.collect());
    body_without.set_span(body.span());
    (inner, body_without)
}
