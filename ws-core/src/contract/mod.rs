//! What handlers take, answer, send and call, as data (feature `contract`).

pub use crate::contract_model::{
    CallContract, CloseContract, ContentContract, Contract, EnvelopeContract, EnvelopeKind, ErrorContract,
    FrameContract, HandlerContract, JsonSchema, LimitsContract, MessageContract, ParameterContract,
    SessionContract, SideContract, StateContract, TransitionContract,
};
