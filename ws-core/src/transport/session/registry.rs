//! The sessions of one mounted handler, by token.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use super::link::SessionLink;
use super::scope::{Scope, ScopeHash};
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
    /// Begins a session.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub(crate) fn begin(
        &self,
        scope: &Scope,
        subprotocol: Option<Box<str>>,
    ) -> Result<Arc<SessionLink>, getrandom::Error> {
        let token = Token::random()?;
        let link = Arc::new(SessionLink::new(token, self.hash(scope), subprotocol));
        lock(&self.live).insert(token, Arc::clone(&link));
        Ok(link)
    }

    /// Returns the session with a token, if it is not over, and if its requests have had no other path and no other
    /// origin. A request without an origin may be for any session.
    pub(crate) fn find(&self, token: &str, scope: &Scope) -> Option<Arc<SessionLink>> {
        let token = Token::parse(token)?;
        let link = lock(&self.live).get(&token).cloned()?;
        (link.accepts(self.hash(scope)) && !link.is_over()).then_some(link)
    }

    fn hash(&self, Scope { origin, path }: &Scope) -> ScopeHash {
        let half = |text: &str| u32::try_from(self.hasher.hash_one(text) >> 32).unwrap_or(u32::MAX);
        ScopeHash { path: half(path), origin: origin.as_deref().map(|origin| half(origin).max(1)) }
    }

    /// Ends a session: it can be resumed no more.
    pub(crate) fn end(&self, link: &Arc<SessionLink>) {
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
