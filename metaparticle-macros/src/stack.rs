//! What the four attributes do themselves: move their arguments into one trailing `#[…::__spec(…)]`.
//!
//! Attributes expand from the first to the last. The trailing one therefore sees every attribute of the stack and the
//! finished `main`, whatever stands in between (`#[tokio::main]`), and however the attributes were named or gated.
//! Nothing is judged here: tokens keep their spans, and the trailing attribute reports.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::parse;

/// Name of the trailing attribute.
const TRAILING: &str = "__spec";

/// Moves one attribute into the trailing one of `item`, which is made if it is not there yet.
pub fn push(attribute: &str, args: &TokenStream, item: TokenStream) -> TokenStream {
    let Item { mut outer, rest } = Item::split(item);
    let root = crate_path(args);
    // The span of the whole attribute: where its absent keys are reported.
    let name = Ident::new(attribute, Span::call_site());
    let (path, earlier) = match outer.pop_if(Trailing::is) {
        Some(attr) => {
            let Trailing { path, entries } = Trailing::of(attr);
            (
                root.map_or(path, |root| trailing_path(&root)),
                quote!(#entries,),
            )
        }
        None => (
            trailing_path(&root.unwrap_or_else(|| quote!(::metaparticle))),
            TokenStream::new(),
        ),
    };
    quote!(#(#outer)* #[#path(#earlier #name(#args))] #rest)
}

fn trailing_path(root: &TokenStream) -> TokenStream {
    let name = Ident::new(TRAILING, Span::call_site());
    quote!(#root::#name)
}

/// The value of the key `crate`, which says where the macros of this stack are.
fn crate_path(args: &TokenStream) -> Option<TokenStream> {
    parse::split(args.clone()).into_iter().find_map(|entry| {
        let mut tokens = entry.into_iter();
        let is_key = matches!(tokens.next(), Some(TokenTree::Ident(key)) if key == "crate");
        let is_assigned =
            matches!(tokens.next(), Some(TokenTree::Punct(eq)) if eq.as_char() == '=');
        let path: TokenStream = tokens.collect();
        (is_key && is_assigned && syn::parse2::<syn::Path>(path.clone()).is_ok()).then_some(path)
    })
}

/// An item, taken apart without judging it.
struct Item {
    /// Its outer attributes, each `#[…]`.
    outer: Vec<Outer>,
    rest: TokenStream,
}

/// `#` and `[…]`.
struct Outer(TokenTree, Group);

impl Item {
    fn split(item: TokenStream) -> Self {
        let mut outer = Vec::new();
        let mut tokens = item.into_iter();
        loop {
            let mut ahead = tokens.clone();
            match (ahead.next(), ahead.next()) {
                (Some(TokenTree::Punct(pound)), Some(TokenTree::Group(group)))
                    if pound.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
                {
                    outer.push(Outer(pound.into(), group));
                    tokens = ahead;
                }
                _ => {
                    let rest = tokens.collect();
                    return Self { outer, rest };
                }
            }
        }
    }
}

impl ToTokens for Outer {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
        self.1.to_tokens(tokens);
    }
}

/// The trailing attribute as an earlier attribute of the stack has left it.
struct Trailing {
    path: TokenStream,
    entries: TokenStream,
}

impl Trailing {
    /// Whether the attribute is `path::__spec(…)`.
    fn is(Outer(_, attr): &mut Outer) -> bool {
        let tokens: Vec<TokenTree> = attr.stream().into_iter().collect();
        matches!(&tokens[..], [.., TokenTree::Ident(name), TokenTree::Group(_)] if name == TRAILING)
    }

    fn of(Outer(_, attr): Outer) -> Self {
        let mut path: Vec<TokenTree> = attr.stream().into_iter().collect();
        let entries = match path.pop() {
            Some(TokenTree::Group(group)) => group.stream(),
            _ => TokenStream::new(),
        };
        Self {
            path: path.into_iter().collect(),
            entries,
        }
    }
}
