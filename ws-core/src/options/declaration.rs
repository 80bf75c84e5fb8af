//! The contents of `#[websocket(…)]`, and their checks at compile time.

use super::{Options, UnsentLimit};

/// The contents of `#[websocket(…)]`.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The path pattern of the handler, or an empty string without one.
    pub path: &'static str,
    /// The settings of the handler's connections.
    pub options: Options,
    /// Whether `max_message_size` is written in the declaration, even if the value is the default.
    pub limits_messages: bool,
}

impl Declaration {
    /// The declaration of a plain `#[websocket]`.
    pub const DEFAULT: Self = Self { path: "", options: Options::DEFAULT, limits_messages: false };

    /// Removes the default limit of messages, if the handler has an `#[on_part]`: `takes_parts`.
    ///
    /// A limit that is declared remains. A limit from `options = …` remains if it differs from the default.
    ///
    /// # Panics
    ///
    /// Panics if the handler has sessions too. The function is evaluated at compile time, so that the panic is a
    /// compile error.
    #[track_caller]
    pub const fn for_parts(mut self, takes_parts: bool) -> Self {
        let is_default = self.options.max_message_size == Options::DEFAULT.max_message_size;
        if takes_parts && is_default && !self.limits_messages {
            self.options.max_message_size = usize::MAX;
        }
        assert!(
            !(takes_parts && self.options.session.is_some()),
            "`session` beside `#[on_part]`: a session delivers whole messages; \
             take them with `#[on_text]` or `#[on_binary]`",
        );
        self
    }

    /// Checks each option and their combination. The macro has already checked literals.
    ///
    /// # Panics
    ///
    /// Panics if a value is invalid. The function is evaluated at compile time, so that the panic is a compile
    /// error.
    #[track_caller]
    pub const fn checked(self) -> Self {
        let Options { idle_timeout, ping_interval, max_lifetime, .. } = &self.options;
        let Options { max_message_size, max_frame_size, max_message_rate, max_control_rate, .. } =
            &self.options;
        let Options { compress, mailbox, outbox_high_water, outbox_limit, .. } = &self.options;
        let Options { send_buffer, unsent_limit, .. } = &self.options;
        assert!(
            *outbox_high_water <= *outbox_limit,
            "`outbox_high_water` is above `outbox_limit`: the connection would close before reading stops",
        );
        assert!(*mailbox > 0, "`mailbox` is zero: it would take no message");
        assert!(
            self.options.max_deferred > 0,
            "`max_deferred` is zero: it would refuse every `Deferred` reply"
        );
        assert!(
            self.options.max_pending_calls > 0,
            "`max_pending_calls` is zero: it would refuse every call to the client"
        );
        assert!(*max_message_size > 0, "`max_message_size` is zero: it would accept no message");
        assert!(
            !matches!(max_frame_size, Some(0)),
            "`max_frame_size` is zero: write a number of bytes, for example `16KiB`, or `none`",
        );
        assert!(
            !matches!(max_message_rate, Some(0)),
            "`max_message_rate` is zero: write a number per second, for example `100`, or `none`",
        );
        assert!(
            !matches!(max_control_rate, Some(0)),
            "`max_control_rate` is zero: write a number per second, for example `100`, or `none`",
        );
        assert!(
            !matches!(idle_timeout, Some(timeout) if timeout.is_zero()),
            "`idle_timeout` is zero: write a duration, for example `60s`, or `none`",
        );
        assert!(
            !matches!(ping_interval, Some(interval) if interval.is_zero()),
            "`ping_interval` is zero: write a duration, for example `25s`, or `none`",
        );
        assert!(
            !matches!(max_lifetime, Some(lifetime) if lifetime.is_zero()),
            "`max_lifetime` is zero: write a duration, for example `1h`, or `none`",
        );
        self.options.close_codes.check();
        self.options.check_one_per();
        assert!(
            !matches!(send_buffer, Some(0)),
            "`send_buffer` is zero: write a number of bytes, for example `64KiB`, or `none`",
        );
        assert!(
            !matches!(unsent_limit, UnsentLimit::Bytes(0)),
            "`unsent_limit` is zero: write a number of bytes, for example `16KiB`, or `none`",
        );
        if let Some(compress) = compress {
            compress.check();
        }
        if let Some(session) = &self.options.session {
            session.check();
        }
        self
    }
}
