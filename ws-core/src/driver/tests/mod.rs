//! The promises of the connection, one by one, over a buffer in memory and on a clock that jumps.

mod budget;
mod closing;
mod errors;
mod fairness;
mod faults;
mod flow;
mod order;
mod peer;
mod pressure;
mod timers;
