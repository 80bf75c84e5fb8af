use std::time::Duration;

use super::*;
use crate::Handler;
use crate::prelude::*;

/// Every option that has a word for its default differs from it.
const BASE: Options = {
    let mut options = Options::DEFAULT;
    options.mailbox = 16;
    options.pong_timeout = Duration::from_secs(7);
    options.max_frame_size = Some(1000);
    options.subprotocols = &["v1"];
    options.origins = Origins::Any;
    options.unsent_limit = UnsentLimit::Bytes(1);
    options.overflow = Overflow::Latest;
    options.one_per = Some("user");
    options.on_second = OnSecond::Refuse;
    options.legacy = true;
    options.bullet = true;
    options
};

const fn with_mailbox(mailbox: usize) -> Options {
    Options { mailbox, ..BASE }
}

#[websocket(path = "/", options = BASE)]
#[derive(Default)]
struct Same;

#[websocket]
impl Same {
    #[on_open]
    fn open(&mut self) {}
}

#[websocket(mailbox = 2, options = with_mailbox(1), pong_timeout = 1s)]
#[derive(Default)]
struct InTheMiddle;

#[websocket]
impl InTheMiddle {
    #[on_open]
    fn open(&mut self) {}
}

#[websocket(
    mailbox = 1024,
    pong_timeout = 20s,
    max_frame_size = none,
    subprotocols = [],
    origins = same_host,
    unsent_limit = by_overflow,
    overflow = close,
    one_per = none,
    on_second = replace,
    legacy = false,
    bullet = false,
    compress = none,
    options = BASE
)]
struct Back<T>(T);

#[websocket]
impl<T: Default + Send + 'static> Back<T> {
    #[on_upgrade]
    fn make() -> Self {
        Self(T::default())
    }

    #[on_open]
    fn open(&mut self) {}
}

fn declared<H: Handler>() -> (&'static str, Options) {
    let declaration = H::CHECKED_DECLARATION;
    (declaration.path, declaration.options)
}

#[test]
fn options_start_with_the_constant() {
    assert_eq!(declared::<Same>(), ("/", BASE));
}

#[test]
fn single_options_override_the_constant_in_any_order() {
    let expect = Options { mailbox: 2, pong_timeout: Duration::from_secs(1), ..BASE };
    assert_eq!(declared::<InTheMiddle>(), ("", expect));
}

#[test]
fn every_default_can_be_written() {
    assert_eq!(declared::<Back<u8>>(), ("", Options::DEFAULT));
}

#[cfg(feature = "deflate")]
mod compression {
    use super::*;

    const COMPRESSED: Options = Options { compress: Some(Compress::DEFAULT), ..BASE };

    #[websocket(options = COMPRESSED, compress(level = 1))]
    #[derive(Default)]
    struct Fast;

    #[websocket]
    impl Fast {
        #[on_open]
        fn open(&mut self) {}
    }

    #[websocket(compress = none, options = COMPRESSED)]
    #[derive(Default)]
    struct Plain;

    #[websocket]
    impl Plain {
        #[on_open]
        fn open(&mut self) {}
    }

    #[test]
    fn compression_is_replaced_as_a_whole() {
        let fast = Compress { level: 1, ..Compress::DEFAULT };
        assert_eq!(declared::<Fast>().1, Options { compress: Some(fast), ..BASE });
        assert_eq!(declared::<Plain>().1, BASE);
    }
}
