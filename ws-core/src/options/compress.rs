/// The settings of compression (permessage-deflate, RFC 7692), declared with `compress` or
/// `compress(level = 6, …)`. Cowboy's `deflate_opts`.
///
/// Each direction keeps a window of earlier messages and refers to it, unless one side opts out. This context
/// takeover compresses best. The window costs memory from the first compressed message of a direction until the
/// connection closes:
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
///         // In a local network, compression costs more time than it saves.
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
    /// The compression level, from 0 (store only) over 1 (fastest) to 9 (smallest). Default 6.
    pub level: u8,
    /// The memory of the encoder for pending output, 1 to 9. More memory compresses faster and better.
    /// Default 8.
    pub mem_level: u8,
    /// The window of the server, as a power of two, 9 to 15: 15 is 32 KiB. A client may request a smaller
    /// window (RFC 7692 §7.1.2.1). Default 15.
    pub server_max_window_bits: u8,
    /// The window of the client, as a power of two, 9 to 15. Only clients that announce support use a
    /// smaller window (RFC 7692 §7.1.2.2); the others use 15. Default 15.
    pub client_max_window_bits: u8,
    /// Whether the server compresses each message by itself, so that it keeps no window between messages. A
    /// client may request this too. Default false.
    pub server_no_context_takeover: bool,
    /// Whether the client has to compress each message by itself, so that the server keeps no window between
    /// messages. Default false.
    pub client_no_context_takeover: bool,
    /// The smallest message that is compressed, in bytes. Compressing a smaller one is not worth the time.
    /// Default 64.
    pub min_size: usize,
}

impl Compress {
    /// The default settings, as a constant for declarations.
    pub const DEFAULT: Self = Self {
        level: 6,
        mem_level: 8,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        min_size: 64,
    };

    /// Checks that all parameters are in range and that the feature `deflate` is enabled. The macro has
    /// already checked literals.
    #[allow(clippy::assertions_on_constants)] // The constant depends on the feature.
    #[track_caller]
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

    /// Clamps each parameter, which may have been set at run time, to its range.
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
