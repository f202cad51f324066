//! From tokens to a tree of arguments, without knowing any key.
//!
//! Entries are separated before they are parsed, so that a mistake in one hides no mistake in another.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, LitStr};

use crate::errors::Errors;

/// One attribute of the stack.
pub struct Attribute {
    /// `containerize`, `replicated`, `sharded` or `job`, at the span of the whole attribute.
    pub name: Ident,
    /// What it was given.
    pub args: Vec<Arg>,
}

/// One entry of a list of arguments.
pub enum Arg {
    /// `4`
    Positional(Expr),
    /// `public`, `name = "web"`, `env(…)`
    Keyed(Key, Value),
    /// Something that cannot be read, and has been reported.
    Broken,
}

/// What stands before `=` or `(`.
pub struct Key {
    /// Its text.
    pub text: String,
    /// Its place.
    pub span: Span,
    /// Whether it was written as a string literal.
    pub is_quoted: bool,
}

/// What stands after a key.
pub enum Value {
    /// Nothing.
    Flag,
    /// `= value`
    Is(Expr),
    /// `(entries)`; the span is that of the parentheses.
    List(Vec<Arg>, Span),
    /// Something that cannot be read, and has been reported.
    Broken,
}

/// Splits at the commas of the top level; a trailing comma adds no entry.
pub fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut entries = Vec::new();
    let mut entry: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' && !entry.is_empty() => {
                entries.push(entry.drain(..).collect());
            }
            token => entry.push(token),
        }
    }
    if !entry.is_empty() {
        entries.push(entry.into_iter().collect());
    }
    entries
}

/// Parses the content of the trailing attribute, which only [`crate::stack`] writes.
pub fn stack(tokens: TokenStream, errors: &mut Errors) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    for entry in split(tokens) {
        let mut entry = entry.into_iter();
        if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) =
            (entry.next(), entry.next())
        {
            let args = args(group.stream(), errors);
            attributes.push(Attribute { name, args });
        } else {
            errors.at(
                Span::call_site(),
                "this attribute is written by #[containerize], #[replicated], #[sharded] and #[job]; use those",
            );
        }
    }
    attributes
}

/// Parses the content of one attribute.
pub fn args(tokens: TokenStream, errors: &mut Errors) -> Vec<Arg> {
    split(tokens)
        .into_iter()
        .map(|entry| arg(entry, errors))
        .collect()
}

fn arg(entry: TokenStream, errors: &mut Errors) -> Arg {
    let mut tokens = entry.clone().into_iter();
    let key = match tokens.next() {
        Some(TokenTree::Ident(key)) => Key {
            text: unraw(&key),
            span: key.span(),
            is_quoted: false,
        },
        Some(TokenTree::Literal(literal)) => match syn::parse2::<LitStr>(literal.to_token_stream())
        {
            Ok(text) => Key {
                text: text.value(),
                span: text.span(),
                is_quoted: true,
            },
            Err(_) => return positional(entry, errors),
        },
        _ => return positional(entry, errors),
    };
    let value = match tokens.next() {
        None => Value::Flag,
        Some(TokenTree::Punct(eq)) if eq.as_char() == '=' => {
            let value: TokenStream = tokens.collect();
            if value.is_empty() {
                errors.at(
                    eq.span(),
                    format!("a value is missing: write `{} = …`", key.text),
                );
                Value::Broken
            } else {
                expression(value, errors).map_or(Value::Broken, Value::Is)
            }
        }
        Some(TokenTree::Group(list)) if list.delimiter() == Delimiter::Parenthesis => {
            if let Some(more) = tokens.next() {
                errors.at(more.span(), "a comma is missing before this");
            }
            Value::List(args(list.stream(), errors), list.span())
        }
        Some(other) => {
            errors.at(
                other.span(),
                format!("expected `=`, `(` or `,` after `{}`", key.text),
            );
            Value::Broken
        }
    };
    Arg::Keyed(key, value)
}

fn positional(entry: TokenStream, errors: &mut Errors) -> Arg {
    expression(entry, errors).map_or(Arg::Broken, Arg::Positional)
}

/// Parses a value. Where the rest of it cannot be read, a missing comma is the usual cause.
fn expression(tokens: TokenStream, errors: &mut Errors) -> Option<Expr> {
    match syn::parse2(tokens.clone()) {
        Ok(value) => Some(value),
        Err(error) => {
            let first: TokenStream = tokens.clone().into_iter().take(1).collect();
            let is_literal = syn::parse2::<syn::Lit>(first).is_ok();
            match tokens.into_iter().nth(1) {
                Some(second) if is_literal => {
                    errors.at(second.span(), "a comma is missing before this");
                }
                _ => errors.push(error),
            }
            None
        }
    }
}

/// `r#type` is the key `type`.
fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
