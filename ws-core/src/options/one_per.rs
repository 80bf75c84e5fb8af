//! One connection for each user: a bound on the connections with a tag.

use super::Options;

/// The policy for a second connection with a tag of [`Options::one_per`].
///
/// ```
/// # use ws_core::{TagError, prelude::*, test::TestClient};
/// #[websocket(path = "/game", one_per = "user", on_second = refuse)]
/// #[derive(Default)]
/// struct Game;
///
/// #[websocket]
/// impl Game {
///     #[on_text]
///     fn sign_in(&mut self, user: &str, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
///         cx.tag(&format!("user:{user}"))?;
///         Ok("welcome")
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let router: Router = Router::new().mount::<Game>();
/// # let open = || TestClient::<Game>::upgrade("/game").open_through(router.clone());
/// let (mut first, mut second) = (open().await.unwrap(), open().await.unwrap());
/// first.send("42").await;
/// assert_eq!(first.text().await, "welcome");
/// second.send("42").await;
/// assert_eq!(second.closed().await, Close::new(4911, "already connected"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSecond {
    /// The connection that has the tag closes with 4910, "replaced by another connection", also if its client does not
    /// read. It loses the tag at once (`on_second = replace`).
    #[default]
    Replace,
    /// The new connection closes with 4911, "already connected", and [`Context::tag`](crate::Context::tag) returns
    /// [`TagError::Taken`](crate::TagError::Taken). A handshake cannot be refused, because a
    /// handler gives tags to connections that are open (`on_second = refuse`).
    Refuse,
}

impl Options {
    /// Returns the policy for a tag, if only one connection may have it.
    pub(crate) fn on_second(&self, tag: &str) -> Option<OnSecond> {
        let rest = tag.strip_prefix(self.one_per?)?;
        rest.starts_with(':').then_some(self.on_second)
    }

    /// Checks the prefix of tags. The macro has already checked literals.
    #[track_caller]
    pub(super) const fn check_one_per(&self) {
        if let Some(prefix) = self.one_per {
            assert!(
                !prefix.is_empty() && prefix.len() <= 64,
                "`one_per` is the part of a tag before its colon, of 1 to 64 bytes: for example `\"user\"`, for `user:42`",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_is_for_tags_with_the_prefix() {
        let options = Options { one_per: Some("user"), on_second: OnSecond::Refuse, ..Options::DEFAULT };
        for (tag, expected) in [
            ("user:42", true),
            ("user:", true),
            ("user", false),
            ("users:42", false),
            ("device:user:1", false),
        ] {
            assert_eq!(options.on_second(tag), expected.then_some(OnSecond::Refuse), "{tag}");
        }
        assert_eq!(Options::DEFAULT.on_second("user:42"), None);
    }
}
