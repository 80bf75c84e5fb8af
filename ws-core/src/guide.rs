// The guide: the chapters of the folder `docs` as rustdoc pages.
//
// A chapter links to other chapters and to items by label. The end of each chapter defines the labels for
// readers of the repository. For rustdoc, `guide.links` is included first, and in Markdown the first
// definition of a label counts. Line numbers of doc tests count from the start of `guide.links`.
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
    connection: "../docs/connection.md"
    messages: "../docs/messages.md"
    addresses: "../docs/addresses.md"
    topics: "../docs/topics.md"
    timers: "../docs/timers.md"
    errors: "../docs/errors.md"
    flow_control: "../docs/flow_control.md"
    testing: "../docs/testing.md"
    mounting: "../docs/mounting.md"
    reference: "../docs/reference.md"
    cowboy: "../docs/cowboy.md"
}
