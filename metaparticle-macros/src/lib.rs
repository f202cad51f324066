//! The attributes `#[containerize]`, `#[replicated]`, `#[sharded]` and `#[job]` of `main`, and `#[leader]` and
//! `#[exclusive]` of other functions; documented where `metaparticle` re-exports them.
//!
//! Each of the first four only moves its arguments into one trailing `#[__spec(…)]` (`stack`), which expands last:
//! `parse` → `model` → `check` → `expand` with `artifacts`, or `fallback` where something is wrong.

#![allow(
    unreachable_pub,
    reason = "nothing of a macro crate can be reached but its macros"
)]

mod artifacts;
mod assign;
mod cargo_config;
mod check;
mod errors;
mod expand;
mod facts;
mod fallback;
mod invocation;
mod item;
mod keys;
mod model;
mod parse;
mod stack;
mod sugar;
mod target_dir;
mod value;

use proc_macro::TokenStream;

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn containerize(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::push("containerize", &args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn replicated(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::push("replicated", &args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn sharded(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::push("sharded", &args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn job(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::push("job", &args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn leader(args: TokenStream, item: TokenStream) -> TokenStream {
    sugar::expand(sugar::Sugar::Leader, args.into(), &item.into()).into()
}

#[allow(missing_docs, reason = "documented at the re-export")]
#[proc_macro_attribute]
pub fn exclusive(args: TokenStream, item: TokenStream) -> TokenStream {
    sugar::expand(sugar::Sugar::Exclusive, args.into(), &item.into()).into()
}

#[doc(hidden)]
#[proc_macro_attribute]
pub fn __spec(stack: TokenStream, item: TokenStream) -> TokenStream {
    expand::spec(stack.into(), item.into()).into()
}
