/// How messages are compressed (permessage-deflate, RFC 7692), as declared with `compress` or
/// `compress(level = 6, …)`. Cowboy's `deflate_opts`.
///
/// Both directions keep what was said before, to refer back to it, unless one of the two sides
/// wants it otherwise. That is what compresses best, and what costs memory for as long as the
/// connection lives, from the first compressed message of a direction on:
#[doc = include_str!("compress.md")]
///
/// ```
/// # use ws_core::{Compress, Options, prelude::*, test::TestClient};
/// #[websocket(path = "/prices", compress(level = 1, server_no_context_takeover, min_size = 256))]
/// struct Prices;
///
/// #[websocket]
/// impl Prices {
///     #[on_upgrade]
///     fn join(headers: HeaderMap) -> Upgrade<Self> {
///         // A client in the same house has more bandwidth than time.
///         let is_near = headers.contains_key("x-near");
///         Upgrade::new(Prices).options(|options| {
///             if is_near {
///                 options.compress = None;
///             }
///         })
///     }
///     #[on_text]
///     fn price(&mut self, of: &str) -> String {
///         format!("{of}: 12.50")
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Prices>::upgrade("/prices").open().await.unwrap();
/// client.send("bread").await;
/// assert_eq!(client.text().await, "bread: 12.50");
/// assert_eq!(Options::DEFAULT.compress, None);
/// assert_eq!(Compress::default().server_max_window_bits, 15);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compress {
    /// How hard the encoder tries, from 0 (it only packs) over 1 (fast) to 9 (small). Default 6.
    pub level: u8,
    /// How much memory the encoder has for what it has not written yet, 1 to 9: more is faster and
    /// smaller. Default 8.
    pub mem_level: u8,
    /// How far back the server refers, as a power of two, 9 to 15: 15 is 32 KiB. A client may ask
    /// for less (RFC 7692 §7.1.2.1). Default 15.
    pub server_max_window_bits: u8,
    /// How far back the client may refer, 9 to 15. Only those clients are asked that say they can
    /// do it (RFC 7692 §7.1.2.2); the others use 15. Default 15.
    pub client_max_window_bits: u8,
    /// Whether the server begins each message anew, so that it keeps no memory between messages. A
    /// client may ask for it too. Default false.
    pub server_no_context_takeover: bool,
    /// Whether the client has to begin each message anew, so that the server keeps no memory
    /// between messages. Default false.
    pub client_no_context_takeover: bool,
    /// The smallest message that is compressed, in bytes; a smaller one would save nothing worth
    /// the work. Default 64.
    pub min_size: usize,
}

impl Compress {
    /// The defaults, for declarations to start from.
    pub const DEFAULT: Self = Self {
        level: 6,
        mem_level: 8,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        min_size: 64,
    };

    /// Whether the parameters are in range and there is an encoder; those that are literals have
    /// been looked at by the macro.
    #[allow(clippy::assertions_on_constants)] // Which of the two is what the feature is about.
    pub(super) const fn check(&self) {
        assert!(
            cfg!(feature = "deflate"),
            "`compress` needs the feature `deflate` of ws-core: add it to the features in Cargo.toml",
        );
        assert!(self.level <= 9, "`level` of `compress` is 0 to 9");
        assert!(self.mem_level >= 1 && self.mem_level <= 9, "`mem_level` of `compress` is 1 to 9");
        let windows = [self.server_max_window_bits, self.client_max_window_bits];
        assert!(
            windows[0] >= 9 && windows[0] <= 15 && windows[1] >= 9 && windows[1] <= 15,
            "`server_max_window_bits` and `client_max_window_bits` of `compress` are 9 to 15",
        );
    }

    /// With every parameter in its range, whatever was written into it at run time.
    #[cfg(feature = "deflate")]
    pub(crate) fn in_range(self) -> Self {
        Self {
            level: self.level.min(9),
            mem_level: self.mem_level.clamp(1, 9),
            server_max_window_bits: self.server_max_window_bits.clamp(9, 15),
            client_max_window_bits: self.client_max_window_bits.clamp(9, 15),
            ..self
        }
    }
}

impl Default for Compress {
    fn default() -> Self {
        Self::DEFAULT
    }
}
