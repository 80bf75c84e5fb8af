// The guide: the chapters of the folder `docs`, for rustdoc.
//
// Chapters link to chapters and to items by label. A label has two definitions. The one at the end of the
// chapter is for code hosts. rustdoc reads `guide.links` first, and the first definition counts. Line
// numbers of doc tests therefore include the lines of `guide.links`.
#![doc = include_str!("guide.links")]
#![doc = include_str!("../docs/README.md")]

macro_rules! chapters {
    ($($name:ident: $file:literal)*) => {$(
        #[doc = include_str!("guide.links")]
        #[doc = include_str!($file)]
        pub mod $name {}
    )*};
}

chapters! {
    start: "../docs/start.md"
    messages: "../docs/messages.md"
    testing: "../docs/testing.md"
    connection: "../docs/connection.md"
    timers: "../docs/timers.md"
    addresses: "../docs/addresses.md"
    work: "../docs/work.md"
    named_messages: "../docs/named_messages.md"
    calls: "../docs/calls.md"
    states: "../docs/states.md"
    sessions: "../docs/sessions.md"
    session_protocol: "../docs/session_protocol.md"
    contract: "../docs/contract.md"
    client: "../docs/client.md"
    topics: "../docs/topics.md"
    errors: "../docs/errors.md"
    flow_control: "../docs/flow_control.md"
    mounting: "../docs/mounting.md"
    fallbacks: "../docs/fallbacks.md"
    authentication: "../docs/authentication.md"
    rooms: "../docs/rooms.md"
    bridging: "../docs/bridging.md"
    deployment: "../docs/deployment.md"
    observability: "../docs/observability.md"
    inspector: "../docs/inspector.md"
    choosing: "../docs/choosing.md"
    typescript: "../docs/typescript.md"
    cli: "../docs/cli.md"
    reference: "../docs/reference.md"
    cowboy: "../docs/cowboy.md"
}
