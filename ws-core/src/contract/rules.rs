//! The rules of changes: what each change of a contract does to clients that are out there.

/// Effect of a change on clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEffect {
    /// Clients go on working.
    Compatible,
    /// Some clients stop working.
    Breaking,
}

use ClientEffect::{Breaking, Compatible};

macro_rules! rules {
    ($($rule:ident $effect:ident $text:literal)*) => {
        /// A kind of change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Rule {
            $($rule),*
        }

        impl Rule {
            /// All kinds of changes.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$rule),*];

            /// Returns what the change does to clients.
            pub(super) const fn effect(self) -> ClientEffect {
                match self {
                    $(Self::$rule => $effect),*
                }
            }

            /// Returns the end of a sentence whose subject is the changed part.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$rule => $text),*
                }
            }
        }
    };
}

rules! {
    HandlerAdded Compatible "is new: no client connects to it yet"
    HandlerRemoved Breaking "is gone: clients that connect to it get 404"
    DescriptionAdded Compatible "is described now"
    DescriptionRemoved Breaking "is no longer described: nothing shows whether its clients still work"
    VersionRaised Compatible "has a higher version"
    VersionLowered Breaking "has a lower version: clients cannot tell which contract is the newer one"
    DocumentationChanged Compatible "has another documentation or order: clients see no difference"
    PathParameterNarrowed Breaking "takes fewer values: clients that write others get 400"
    PathParameterWidened Compatible "takes other values in addition: clients go on with theirs"
    QueryAdded Compatible "is new and optional: clients may leave it out"
    QueryNeeded Breaking "is needed now: clients that leave it out get 400"
    QueryRemoved Breaking "is gone: what clients write there has no effect"
    QueryOptional Compatible "may be left out now"
    QueryNarrowed Breaking "takes fewer values: clients that write others get 400"
    QueryWidened Compatible "takes other values in addition: clients go on with theirs"
    SubprotocolAdded Compatible "is new: clients do not offer it yet"
    SubprotocolRemoved Breaking "is gone: clients that offer only it get no subprotocol"
    EnvelopeChanged Breaking "is another one: clients can neither write nor read a message"
    LimitLowered Breaking "is stricter: clients that kept to the old one are closed or refused"
    LimitRaised Compatible "is less strict"
    SessionAdded Compatible "is offered now: clients that do not ask for it get none"
    SessionRemoved Breaking "is gone: clients that resume one get a new handler"
    CloseCodeAdded Breaking "is new: clients do not know what to do after it"
    CloseCodeRemoved Compatible "is gone: clients get it no longer"
    CallAdded Compatible "is new: no client sends it yet"
    CallRemoved Breaking "is gone: clients that send it get an error in place of a result"
    MessageAdded Compatible "is new: no client sends it yet"
    MessageRemoved Breaking "is gone: what clients send with it has no effect"
    StateClosed Breaking "is no longer taken: clients that send it there are refused"
    StateOpened Compatible "is taken now, in addition"
    ParameterAdded Compatible "is new and optional: clients may leave it out"
    ParameterNeeded Breaking "is needed now: clients that leave it out are refused"
    ParameterRemoved Breaking "is gone: what clients send there has no effect, and by position is refused"
    ParameterOptional Compatible "may be left out now"
    ParameterMoved Breaking "is at another position: clients that send parameters by position send the wrong one"
    ContentNarrowed Breaking "takes fewer values: clients that send others are refused"
    ContentWidened Compatible "takes other values in addition: clients go on with theirs"
    ContentKind Breaking "has content of another kind: what clients send is refused"
    ResultWidened Breaking "may have values that clients cannot read"
    ResultNarrowed Compatible "has fewer values or more members, which clients can read"
    ErrorAdded Compatible "is new: clients treat it like any other error"
    ErrorRemoved Compatible "is gone: clients get it no longer"
    ErrorDataNarrowed Compatible "has data with fewer values or more members, which clients can read"
    ErrorDataWidened Breaking "may have data that clients cannot read"
    SentAdded Compatible "is new: clients ignore it"
    SentUnnamed Breaking "is new and has no name: clients read it as one of those that they know"
    SentRemoved Breaking "is gone: clients that wait for it get none"
    SentFrame Breaking "is sent in another kind of message: clients do not read it"
    SentWidened Breaking "may have content that clients cannot read"
    SentNarrowed Compatible "has fewer values or more members, which clients can read"
    ClientCallAdded Breaking "is new: clients answer it with an error"
    ClientCallRemoved Compatible "is gone: clients get it no longer"
    ClientCallWidened Breaking "may have parameters that clients cannot read"
    ClientCallNarrowed Compatible "has fewer values or more members, which clients can read"
    ClientResultNarrowed Breaking "takes fewer answers: the answers of clients are refused"
    ClientResultWidened Compatible "takes other answers in addition: clients go on with theirs"
    FirstStateChanged Breaking "is another one: clients begin where their calls may be refused"
    TransitionAdded Breaking "is new for what clients send already: they get into a state that they do not expect"
    TransitionNew Compatible "is new, together with what causes it"
    TransitionRemoved Breaking "is gone: clients stay in a state that they expect to leave"
    StateListChanged Compatible "is in the list of states or not any more; what each state takes decides"
}

/// A change of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContractChange {
    pub(super) rule: Rule,
    /// The changed part, as the subject of a sentence.
    pub(super) subject: String,
    /// The reason, if a schema has one.
    pub(super) why: Option<String>,
}

impl std::fmt::Display for ContractChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.subject, self.rule.text())?;
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}
