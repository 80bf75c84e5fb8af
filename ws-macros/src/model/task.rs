//! Detection of a context that a task or a thread captures. The compiler reports only that borrowed data
//! escapes, without what to write instead.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::quote;
use syn::{FnArg, Pat};

use super::types::names_context;
use crate::parse::ImplMethod;

/// Modules whose functions called `spawn…` require `'static`. A function of another path, and a method, may
/// be one that accepts borrowed data.
const MODULES: [&str; 3] = ["tokio", "task", "thread"];
const FUNCTIONS: [&str; 3] = ["spawn", "spawn_blocking", "spawn_local"];

/// Returns the place where a task or a thread uses the method's context, and the context's name.
pub(super) fn find_captured_context(method: &ImplMethod) -> Option<(Span, Ident)> {
    let mut search = Search { cx: context_name(method)?, replacement: None, found: None };
    search.rewrite(TokenStream::from(method.body.clone()));
    Some((search.found?, search.cx))
}

/// Gives tasks and threads that capture the context one that they may have, so that the compiler does not
/// report the capture too.
pub(crate) fn share_captured_context(method: &mut ImplMethod, crate_name: &Ident) {
    let Some(cx) = context_name(method) else { return };
    let TokenTree::Group(body) = &method.body else { return };
    let replacement = quote!(let #cx = ::#crate_name::private::captured_context::<Self>(););
    let mut search = Search { cx, replacement: Some(replacement), found: None };
    let statements = search.rewrite(body.stream());
    if search.found.is_some() {
        let cx = search.cx;
        // The parameter may have no other use.
        method.body = with_stream(body, quote!(let _ = &#cx; #statements)).into();
    }
}

/// Returns the name of the argument `cx: &mut Context<Self>`.
pub(crate) fn context_name(method: &ImplMethod) -> Option<Ident> {
    method.sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(input) if names_context(&input.ty) => match &*input.pat {
            Pat::Ident(pat) => Some(pat.ident.clone()),
            _ => None,
        },
        _ => None,
    })
}

struct Search {
    cx: Ident,
    /// The statement to put into what captures the context.
    replacement: Option<TokenStream>,
    /// The first use of the context.
    found: Option<Span>,
}

impl Search {
    /// Rewrites the arguments of all calls of a `spawn` function.
    fn rewrite(&mut self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rewritten = TokenStream::new();
        for (at, token) in tokens.iter().enumerate() {
            rewritten.extend([match token {
                TokenTree::Group(group) if is_spawn(&tokens[..at]) => {
                    with_stream(group, self.rewrite_arguments(group.stream(), true)).into()
                }
                TokenTree::Group(group) => with_stream(group, self.rewrite(group.stream())).into(),
                other => other.clone(),
            }]);
        }
        rewritten
    }

    /// Rewrites the `async` blocks among the arguments, and the closure that is the argument itself.
    fn rewrite_arguments(&mut self, tokens: TokenStream, is_outermost: bool) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let skip_move = usize::from(tokens.first().is_some_and(|token| is_ident(token, "move")));
        if is_outermost && tokens.get(skip_move).is_some_and(|token| is_punct(token, '|')) {
            return self.rewrite_closure(&tokens, skip_move);
        }
        let mut rewritten = TokenStream::new();
        for (at, token) in tokens.iter().enumerate() {
            let is_async = match &tokens[..at] {
                [.., word, last] if is_ident(last, "move") => is_ident(word, "async"),
                [.., last] => is_ident(last, "async"),
                [] => false,
            };
            rewritten.extend([match token {
                TokenTree::Group(group) if is_async => {
                    with_stream(group, self.replace(group.stream())).into()
                }
                TokenTree::Group(group) => {
                    with_stream(group, self.rewrite_arguments(group.stream(), false)).into()
                }
                other => other.clone(),
            }]);
        }
        rewritten
    }

    /// Rewrites the body of a closure whose parameters start at `start`.
    fn rewrite_closure(&mut self, tokens: &[TokenTree], start: usize) -> TokenStream {
        let params = tokens[start + 1..].iter().position(|token| is_punct(token, '|'));
        let (head, body) = tokens.split_at(params.map_or(tokens.len(), |params| start + params + 2));
        let body: TokenStream = match body {
            // A closure with a return type has a block.
            [arrow, .., TokenTree::Group(block)] if is_punct(arrow, '-') => {
                let block = with_stream(block, self.replace(block.stream()));
                let output = &body[..body.len() - 1];
                quote!(#(#output)* #block)
            }
            _ => {
                let statements = self.replace(body.iter().cloned().collect());
                quote!({ #statements })
            }
        };
        quote!(#(#head)* #body)
    }

    /// Puts the replacement before statements that use the context.
    fn replace(&mut self, statements: TokenStream) -> TokenStream {
        match first_mention(statements.clone(), &self.cx, false) {
            Some(Mention::Use(span)) => {
                self.found.get_or_insert(span);
                let replacement = &self.replacement;
                quote!(#replacement #statements)
            }
            _ => statements,
        }
    }
}

enum Mention {
    Use(Span),
    /// Probably another variable of this name.
    Binding,
}

/// Returns the first mention of a variable: a use if it is the receiver of a method, or the argument of a
/// function.
fn first_mention(tokens: TokenStream, name: &Ident, is_call: bool) -> Option<Mention> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let after = tokens.get(at + 1);
        match token {
            TokenTree::Group(group) => {
                // A function has a name in lower case; `Some(cx)` may be a pattern.
                let is_call = group.delimiter() == Delimiter::Parenthesis
                    && matches!(before, Some(TokenTree::Ident(name))
                        if name.to_string().starts_with(|c: char| c.is_lowercase()));
                if let Some(mention) = first_mention(group.stream(), name, is_call) {
                    return Some(mention);
                }
            }
            TokenTree::Ident(ident) if ident == name && !before.is_some_and(|token| is_punct(token, '.')) => {
                let is_receiver = after.is_some_and(|token| is_punct(token, '.'));
                let is_argument = is_call && after.is_none_or(|token| is_punct(token, ','));
                return Some(if is_receiver || is_argument {
                    Mention::Use(ident.span())
                } else {
                    Mention::Binding
                });
            }
            _ => {}
        }
    }
    None
}

/// Returns whether a call of a `spawn` function ends here, before its arguments.
fn is_spawn(before: &[TokenTree]) -> bool {
    let [.., TokenTree::Ident(module), first, second, TokenTree::Ident(function)] = before else {
        return false;
    };
    let is_path = matches!(first, TokenTree::Punct(first) if first.spacing() == Spacing::Joint)
        && is_punct(first, ':')
        && is_punct(second, ':');
    is_path && MODULES.iter().any(|name| module == name) && FUNCTIONS.iter().any(|name| function == name)
}

pub(crate) fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut replaced = Group::new(group.delimiter(), stream);
    replaced.set_span(group.span());
    replaced
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

pub(crate) fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expect: bool) {
        let mut search = Search { cx: quote::format_ident!("cx"), replacement: None, found: None };
        search.rewrite(body.parse().unwrap());
        assert_eq!(search.found.is_some(), expect, "{body}");
    }

    #[test]
    fn captured() {
        check("{ tokio::spawn(async move { cx.send(1) }); }", true);
        check("{ tokio::spawn(async { notify(1, cx).await }) }", true);
        check("{ if late { tokio::task::spawn(timeout(SECOND, async move { cx.addr() })) } }", true);
        check("std::thread::spawn(move || cx.send(text))", true);
        check("task::spawn_blocking(|| -> u8 { cx.send(text); 1 })", true);
    }

    #[test]
    fn not_captured() {
        check("let addr = cx.addr(); tokio::spawn(async move { addr.send(1) });", false);
        check("tokio::spawn(work(cx.addr()))", false);
        check("tokio::spawn({ let addr = cx.addr(); async move { addr.send(1) } })", false);
        check("tokio::spawn(join_all(rooms.map(|room| cx.join(room))))", false);
        check("tokio::spawn(async move { let cx = connect().await; cx.send(1) })", false);
        check("tokio::spawn(async move { work(|cx| cx.send(1), Job { cx: 1 }, self.cx.id) })", false);
        check("tokio::spawn(async move { if let Some(cx) = next() { cx.send(1) } })", false);
        check("scope.spawn(|| cx.send(1)); my::spawn(async { cx.send(1) })", false);
    }
}
