//! Server addresses and the credentials that they contain.

use async_nats::{Client, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::error::HubError;

/// The servers that the caller named.
pub(super) struct Servers(Vec<ServerAddr>);

impl Servers {
    pub(super) fn parse(url: &str) -> Result<Self, HubError> {
        let parse = |addr: &str| {
            addr.trim().parse::<ServerAddr>().map_err(|error| {
                // The error omits everything before the host, which may contain a password.
                let (_, host) = addr.rsplit_once('@').unwrap_or(("", addr));
                HubError::Address { addr: host.trim().to_owned(), source: error.into() }
            })
        };
        url.split(',').map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(super) async fn connect(self, options: ConnectOptions) -> Result<Client, HubError> {
        let options = self.with_credentials(options);
        // One `tls://` address requires TLS from all servers. Discovered servers and other entries of the
        // list have no scheme of their own, and without TLS an attacker on the path could read everything.
        let is_tls = self.0.iter().any(ServerAddr::tls_required);
        let options = if is_tls { options.require_tls(true) } else { options };
        options.connect(&*self.0).await.map_err(|error| {
            let addrs = self.0.iter().map(|addr| format!("{}:{}", addr.host(), addr.port()));
            HubError::Connect { addr: addrs.collect::<Vec<_>>().join(", "), source: error.into() }
        })
    }

    /// Copies user and password from an address into the options, because the client ignores them there.
    fn with_credentials(&self, options: ConnectOptions) -> ConnectOptions {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = self.0.iter().find_map(|addr| Some((addr.username()?, addr.password())));
        match credentials {
            Some((user, Some(password))) => options.user_and_password(decode(user), decode(password)),
            // Other NATS clients also treat a user without a password as a token.
            Some((token, None)) => options.token(decode(token)),
            None => options,
        }
    }
}
