//! A few unused codecs for each thread.
//!
//! Codecs are boxed, so that a connection without one stays small.
#![expect(clippy::unnecessary_box_returns, clippy::vec_box, reason = "connections hold the same box")]

use std::cell::RefCell;

use zlib_rs::{Deflate, DeflateConfig, Inflate, Method, Strategy};

use super::DeflateParams;

/// The largest number of encoders, and of decoders, in the pool.
///
/// A complete message needs one. The others serve incomplete messages and handlers with other parameters.
const MAX_POOLED: usize = 4;

thread_local! {
    static POOL: RefCell<CodecPool> = const { RefCell::new(CodecPool { inflates: Vec::new(), deflates: Vec::new() }) };
}

struct CodecPool {
    inflates: Vec<Box<Inflate>>,
    deflates: Vec<(EncoderConfig, Box<Deflate>)>,
}

/// The parameters in which encoders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EncoderConfig {
    pub(super) level: u8,
    pub(super) mem_level: u8,
    pub(super) window_bits: u8,
}

impl From<&DeflateParams> for EncoderConfig {
    fn from(&DeflateParams { level, mem_level, window_bits, .. }: &DeflateParams) -> Self {
        Self { level, mem_level, window_bits }
    }
}

/// Returns a decoder at the start of a stream.
///
/// The window is always the largest one, because a smaller window would not save memory.
pub(super) fn take_inflate() -> Box<Inflate> {
    let pooled = POOL.with_borrow_mut(|pool| pool.inflates.pop());
    pooled.unwrap_or_else(|| Box::new(Inflate::new(false, 15)))
}

pub(super) fn put_inflate(mut inflate: Box<Inflate>) {
    POOL.with_borrow_mut(|pool| {
        if pool.inflates.len() < MAX_POOLED {
            inflate.reset(false);
            pool.inflates.push(inflate);
        }
    });
}

/// Returns an encoder at the start of a stream.
pub(super) fn take_deflate(config: EncoderConfig) -> Box<Deflate> {
    let pooled = POOL.with_borrow_mut(|pool| {
        let index = pool.deflates.iter().position(|(other, _)| *other == config)?;
        Some(pool.deflates.swap_remove(index).1)
    });
    pooled.unwrap_or_else(|| {
        Box::new(Deflate::new_with_config(DeflateConfig {
            level: i32::from(config.level),
            method: Method::Deflated,
            // A negative value stands for a stream without zlib's header.
            window_bits: -i32::from(config.window_bits),
            mem_level: i32::from(config.mem_level),
            strategy: Strategy::Default,
        }))
    })
}

pub(super) fn put_deflate(config: EncoderConfig, mut deflate: Box<Deflate>) {
    deflate.reset();
    POOL.with_borrow_mut(|pool| {
        // The oldest encoder is dropped, so that the pool adapts to the parameters in use.
        if pool.deflates.len() >= MAX_POOLED {
            pool.deflates.remove(0);
        }
        pool.deflates.push((config, deflate));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_few_codecs() {
        for level in 0..=9 {
            let config = EncoderConfig { level, mem_level: 1, window_bits: 9 };
            put_deflate(config, take_deflate(config));
        }
        let taken: Vec<_> = (0..10).map(|_| take_inflate()).collect();
        taken.into_iter().for_each(put_inflate);
        POOL.with_borrow(|pool| {
            let levels: Vec<u8> = pool.deflates.iter().map(|(config, _)| config.level).collect();
            assert_eq!(levels, [6, 7, 8, 9]);
            assert_eq!(pool.inflates.len(), MAX_POOLED);
        });
        let config = EncoderConfig { level: 8, mem_level: 1, window_bits: 9 };
        let _codec = take_deflate(config);
        assert_eq!(POOL.with_borrow(|pool| pool.deflates.len()), MAX_POOLED - 1);
    }
}
