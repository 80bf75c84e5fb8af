//! A simulation of hubs, a broker and faults, with random schedules.
//!
//! The hubs are real up to the client of the broker: channels, recoveries, senders, windows and progress. The
//! broker, its faults and the time are simulated.

mod broker;
mod follower;
mod hub;
mod larger_stream;
mod node;
mod promise;
mod schedule;
mod step;
mod world;
