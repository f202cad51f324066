//! From parsed values to Rust values, with one message a shape that is wrong.

use std::fmt::Display;

use proc_macro2::Span;
use syn::{Expr, ExprLit, Lit, spanned::Spanned};

use crate::{
    errors::Errors,
    parse::{Arg, Key, Value},
};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

/// A key with its value, about to be read; `example` shows how to write it.
pub struct Field<'a> {
    /// The key, and where it was written.
    pub span: Span,
    /// The value.
    pub value: &'a Value,
    /// The key with a value that is allowed.
    pub example: &'a str,
}

impl<'a> Field<'a> {
    /// A key as written, with its value.
    pub fn of(key: &Key, value: &'a Value, example: &'a str) -> Self {
        Self {
            span: key.span,
            value,
            example,
        }
    }

    /// A string, turned into `T`.
    pub fn text<T, E: Display>(
        &self,
        errors: &mut Errors,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<At<T>> {
        let Value::Is(expr) = self.value else {
            self.wrong(errors, "a string");
            return None;
        };
        let Some(Lit::Str(text)) = literal(expr) else {
            self.wrong(errors, "a string");
            return None;
        };
        let span = text.span();
        let value = errors.take(parse(text.value()).map_err(|e| syn::Error::new(span, e)))?;
        Some(At { value, span })
    }

    /// A whole number, turned into `T`.
    pub fn number<T, E: Display>(
        &self,
        errors: &mut Errors,
        parse: impl FnOnce(i128) -> Result<T, E>,
    ) -> Option<At<T>> {
        let written = match self.value {
            Value::Is(expr) => integer(expr).map(|number| (expr, number)),
            Value::Flag | Value::List(..) | Value::Broken => None,
        };
        let Some((expr, number)) = written else {
            self.wrong(errors, "a whole number");
            return None;
        };
        let value = parse(number).map_err(|e| syn::Error::new_spanned(expr, e));
        Some(At {
            value: errors.take(value)?,
            span: expr.span(),
        })
    }

    /// A flag: `public`, `public = true` or `public = false`.
    pub fn flag(&self, errors: &mut Errors) -> Option<At<bool>> {
        let flag = match self.value {
            Value::Flag => Some((true, self.span)),
            Value::Is(expr) => match literal(expr) {
                Some(Lit::Bool(flag)) => Some((flag.value, flag.span)),
                _ => None,
            },
            Value::List(..) | Value::Broken => None,
        };
        if flag.is_none() {
            self.wrong(errors, "a flag, `true` or `false`");
        }
        flag.map(|(value, span)| At { value, span })
    }

    /// The elements of `[…]`.
    pub fn array(&self, errors: &mut Errors) -> Option<At<Vec<&'a Expr>>> {
        if let Value::Is(expr) = self.value
            && let Expr::Array(array) = bare(expr)
        {
            return Some(At {
                value: array.elems.iter().collect(),
                span: array.span(),
            });
        }
        self.wrong(errors, "a list");
        None
    }

    /// The entries of `(…)`.
    pub fn list(&self, errors: &mut Errors) -> Option<At<&'a [Arg]>> {
        if let Value::List(args, span) = self.value {
            return Some(At {
                value: args,
                span: *span,
            });
        }
        self.wrong(errors, "entries in parentheses");
        None
    }

    /// Reports that the value is not of the right kind, unless nothing is known of it.
    pub fn wrong(&self, errors: &mut Errors, kind: &str) {
        // A constant, a call: its value is not there yet when attributes are read.
        let how = match self.value {
            Value::Is(Expr::Path(_) | Expr::Call(_) | Expr::Macro(_)) => ", as a literal",
            _ => "",
        };
        let message = format!("expected {kind}{how}: write `{}`", self.example);
        match self.value {
            Value::Flag => errors.at(self.span, message),
            Value::Is(expr) => errors.over(expr, message),
            Value::List(_, span) => errors.at(*span, message),
            Value::Broken => {}
        }
    }
}

/// The whole number with its sign that an expression is.
pub fn integer(expr: &Expr) -> Option<i128> {
    let (digits, sign) = match bare(expr) {
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => (&*unary.expr, -1),
        expr => (expr, 1),
    };
    let Some(Lit::Int(digits)) = literal(digits) else {
        return None;
    };
    // What does not even fit here is far outside of every range.
    let number = digits.base10_parse::<i128>().unwrap_or(i128::MAX);
    Some(number.saturating_mul(sign))
}

/// The literal that an expression is.
pub fn literal(expr: &Expr) -> Option<&Lit> {
    match bare(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// Without parentheses, and without the invisible group that a fragment of `macro_rules` comes in.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => bare(&group.expr),
        Expr::Paren(paren) => bare(&paren.expr),
        expr => expr,
    }
}
