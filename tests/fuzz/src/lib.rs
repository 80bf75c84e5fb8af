//! The checks of the fuzz targets.
//!
//! The tests of `ws-core` include this file as a module to replay the seeds. Its modules therefore refer to each
//! other by `super`.

pub mod against_tungstenite;
pub mod connection;
pub mod decoder;
pub mod envelope;
pub mod handshake;
pub mod inflate;
mod reference;
pub mod roundtrip;
pub mod support;
