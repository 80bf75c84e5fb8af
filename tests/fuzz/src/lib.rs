//! What the fuzz targets do with an input. `ws-core` has this as a module of its tests too, which replays
//! the seeds; so it names itself `super`.

pub mod against_tungstenite;
pub mod connection;
pub mod decoder;
pub mod handshake;
pub mod inflate;
mod reference;
pub mod roundtrip;
pub mod support;
