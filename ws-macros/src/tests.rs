//! Snapshots of whole expansions, pretty-printed for reading.
//!
//! `UPDATE_EXPECT=1 cargo test -p ws-macros` updates them.

use expect_test::expect_file;
use proc_macro2::TokenStream;

use crate::websocket::websocket;

/// Expands every `#[websocket]` item of a file and compares the result with its snapshot.
#[track_caller]
fn check(input: &str, expect: &expect_test::ExpectFile) {
    let mut file = syn::parse_file(input).expect("an input that parses");
    let mut items = Vec::new();
    for mut item in std::mem::take(&mut file.items) {
        let attrs = match &mut item {
            syn::Item::Enum(item) => &mut item.attrs,
            syn::Item::Struct(item) => &mut item.attrs,
            syn::Item::Impl(item) => &mut item.attrs,
            _ => panic!("only handlers are expanded"),
        };
        let Some(position) = attrs.iter().position(|attr| attr.path().is_ident("websocket")) else {
            items.push(item);
            continue;
        };
        let attr = attrs.remove(position);
        let args = attr.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
        let expansion = websocket(args, &quote::ToTokens::into_token_stream(item));
        items.extend(syn::parse2::<syn::File>(expansion).expect("an expansion that parses").items);
    }
    file.items = items;
    expect.assert_eq(&prettyplease::unparse(&file));
}

macro_rules! snapshots {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            check(
                include_str!(concat!("tests/snapshots/", stringify!($name), ".in.rs")),
                &expect_file![concat!("tests/snapshots/", stringify!($name), ".out.rs")],
            );
        }
    )*};
}

snapshots! {
    /// The handler of Cowboy's guide: sync methods, one message.
    guide
    /// All features at once: extractors, async methods, all kinds of payload, timers, open and close.
    chat
    /// A generic handler with `cfg`s.
    generic
    /// Named messages and calls: sync and async, by name, with borrowed arguments, beside `#[on_text]`.
    named
    /// Named methods of states: one name in two states, a state that ignores a name, and a call that leads on.
    named_states
    /// A described handler: calls, messages, extractors, states, and what only the option declares.
    contract
    /// A handler with a client: calls, a message, and the calls of the server.
    client
    /// A session with its parameters, and its two methods.
    sessions
    /// Two states, with sync and async methods, timers and transitions.
    states
}

/// Editors expand half-typed code, so bodies are emitted unchanged, whatever they contain.
#[test]
fn bodies_are_not_parsed() {
    let body = "{ self . ; let x = cx . send ( ; text . } ".replace("( ;", "() ;");
    let input: TokenStream =
        format!("impl Chat {{ #[on_text] fn said(&mut self, text: &str, cx: &mut Context<Self>) {body} }}")
            .parse()
            .unwrap();
    let output = websocket(TokenStream::new(), &input).to_string();
    let body: TokenStream = body.parse().unwrap();
    assert!(output.contains(&body.to_string()), "{output}");
    assert!(!output.contains("compile_error"), "{output}");
}

/// Editors complete at the token that the user typed. So the body is emitted exactly once, like all of
/// the signature except for its types.
#[test]
fn body_tokens_are_emitted_once() {
    let input: TokenStream =
        "impl Chat { #[on_text] async fn said(&mut self, text: &str) -> String { marker(text) } }"
            .parse()
            .unwrap();
    let output = websocket(TokenStream::new(), &input).to_string();
    assert_eq!(output.matches("marker").count(), 1, "{output}");
}

/// Tokens that do not parse are emitted for the compiler to report; the remaining methods still expand.
#[test]
fn broken_members_leave_other_methods_intact() {
    let input: TokenStream =
        "impl Chat { #[on_open] fn half(&mut self, text) {} #[on_text] fn said(&mut self, text: &str) {} }"
            .parse()
            .unwrap();
    let output = websocket(TokenStream::new(), &input).to_string();
    assert!(output.contains("fn half (& mut self , text) { }"), "{output}");
    assert!(output.contains("Event :: Text") && !output.contains("compile_error"), "{output}");
    assert!(!output.contains("on_open"), "{output}");
}

/// An attribute with a similar name may belong to another crate.
#[test]
fn keeps_attributes_of_other_crates() {
    let input: TokenStream =
        "impl Chat { #[query] #[other::on_event] #[on_open] fn open(&mut self) {} }".parse().unwrap();
    let output = websocket(TokenStream::new(), &input).to_string();
    assert!(output.contains("# [query] # [other :: on_event]"), "{output}");
}
