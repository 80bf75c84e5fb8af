// The guide: the chapters of the folder `docs`, for rustdoc.
//
// A chapter links to others and to items by name. What a name stands for in the repository is said
// at the end of the chapter; here `guide.links` comes first, and the first definition counts. The line
// of a doc test counts from there.
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
    connection: "../docs/connection.md"
    messages: "../docs/messages.md"
    addresses: "../docs/addresses.md"
    topics: "../docs/topics.md"
    timers: "../docs/timers.md"
    errors: "../docs/errors.md"
    flow_control: "../docs/flow_control.md"
    testing: "../docs/testing.md"
    mounting: "../docs/mounting.md"
    cowboy: "../docs/cowboy.md"
}
