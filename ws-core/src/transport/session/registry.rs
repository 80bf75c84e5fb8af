//! The sessions of one mounted handler, by token.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use super::link::SessionLink;
use super::token::Token;
use crate::sync::lock;

/// The live sessions of one mounted handler.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<Token, Arc<SessionLink>>>,
    /// Hashes scopes, with keys that no client knows.
    hasher: RandomState,
}

impl Sessions {
    /// Begins a session. `scope` is from [`scope`].
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub(crate) fn begin(
        &self,
        scope: &str,
        subprotocol: Option<Box<str>>,
    ) -> Result<Arc<SessionLink>, getrandom::Error> {
        let token = Token::random()?;
        let link = Arc::new(SessionLink::new(token, self.hasher.hash_one(scope), subprotocol));
        lock(&self.live).insert(token, Arc::clone(&link));
        Ok(link)
    }

    /// Returns the session with a token, if a request of the same scope began it and it is not over.
    pub(crate) fn find(&self, token: &str, scope: &str) -> Option<Arc<SessionLink>> {
        let token = Token::parse(token)?;
        let link = lock(&self.live).get(&token).cloned()?;
        (link.scope() == self.hasher.hash_one(scope) && !link.is_over()).then_some(link)
    }

    /// Ends a session: it can be resumed no more.
    pub(super) fn end(&self, link: &SessionLink) {
        link.end();
        let mut sessions = lock(&self.live);
        let removed = sessions.remove(&link.token());
        // Memory of a peak of sessions is returned.
        if sessions.len() < sessions.capacity() / 4 {
            let len = sessions.len();
            sessions.shrink_to(2 * len);
        }
        drop(sessions);
        drop(removed);
    }

    /// Returns the number of sessions.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.live).len()
    }
}

/// Returns what a session is bound to: the origin of the request that began it, if it had one, and the path.
pub(crate) fn scope(origin: Option<&str>, path: &str) -> Box<str> {
    match origin {
        Some(origin) => format!("{origin} {path}").into(),
        // An origin is never empty.
        None => format!(" {path}").into(),
    }
}
