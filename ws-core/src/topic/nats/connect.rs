//! Where the servers are, and who we are to them.

use async_nats::{Client, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::error::HubError;

/// The servers that are asked for.
pub(super) struct Servers(Vec<ServerAddr>);

impl Servers {
    pub(super) fn parse(url: &str) -> Result<Self, HubError> {
        let parse = |addr: &str| {
            addr.trim().parse::<ServerAddr>().map_err(|error| {
                // What stands before the host may be a password.
                let (_, host) = addr.rsplit_once('@').unwrap_or(("", addr));
                HubError::Address { addr: host.trim().to_owned(), source: error.into() }
            })
        };
        url.split(',').map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(super) async fn connect(self, options: ConnectOptions) -> Result<Client, HubError> {
        let options = self.identify(options);
        // A server that is found out about later, or stands beside it, has no `tls://`: whoever is on the
        // way would not even have to decrypt.
        let is_tls = self.0.iter().any(ServerAddr::tls_required);
        let options = if is_tls { options.require_tls(true) } else { options };
        options.connect(&*self.0).await.map_err(|error| {
            let addrs = self.0.iter().map(|addr| format!("{}:{}", addr.host(), addr.port()));
            HubError::Connect { addr: addrs.collect::<Vec<_>>().join(", "), source: error.into() }
        })
    }

    /// The client does not look for user and password in an address.
    fn identify(&self, options: ConnectOptions) -> ConnectOptions {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let known = self.0.iter().find_map(|addr| Some((addr.username()?, addr.password())));
        match known {
            Some((user, Some(password))) => options.user_and_password(decode(user), decode(password)),
            // As other clients have it.
            Some((token, None)) => options.token(decode(token)),
            None => options,
        }
    }
}
