//! Unmasking with AVX2, if the processor supports it.
//!
//! This module contains the crate's only `unsafe` code: the call of a function that is compiled for AVX2.

/// The number of bytes per iteration: all registers of 32 bytes.
const BLOCK: usize = 512;

/// Masks or unmasks all complete blocks, and returns the bytes after them, which need the same key.
///
/// Without AVX2 all bytes are returned.
pub(super) fn apply(data: &mut [u8], key: [u8; 4]) -> &mut [u8] {
    if !is_x86_feature_detected!("avx2") {
        return data;
    }
    let (blocks, remaining) = data.as_chunks_mut();
    #[expect(unsafe_code, reason = "the compiler does not know that the processor was checked")]
    // SAFETY: the processor supports AVX2, which is the only requirement of the function.
    unsafe {
        apply_avx2(blocks, key);
    }
    remaining
}

/// Masks or unmasks blocks. The code is safe; only its target feature is not.
#[target_feature(enable = "avx2")]
fn apply_avx2(blocks: &mut [[u8; BLOCK]], key: [u8; 4]) {
    let key = u32::from_ne_bytes(key);
    for block in blocks {
        for word in block.as_chunks_mut::<4>().0 {
            *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
        }
    }
}
