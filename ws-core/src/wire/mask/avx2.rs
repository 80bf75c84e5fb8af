//! The same with registers of 32 bytes, where there are some. This is the one place with `unsafe`: the
//! call of a function that was compiled for more than the program was.

/// How many bytes at a time: as many as there are registers for.
const BLOCK: usize = 512;

/// Masks or unmasks as many whole blocks as there are; returns the rest, for which the key is the same.
/// Without AVX2 that is everything.
pub(super) fn apply(data: &mut [u8], key: [u8; 4]) -> &mut [u8] {
    if !is_x86_feature_detected!("avx2") {
        return data;
    }
    let (blocks, rest) = data.as_chunks_mut();
    #[expect(unsafe_code, reason = "the compiler cannot see what was looked up while running")]
    // SAFETY: the processor has AVX2, which is all that the function asks for.
    unsafe {
        apply_avx2(blocks, key);
    }
    rest
}

/// Safe code, but for what it is compiled to.
#[target_feature(enable = "avx2")]
fn apply_avx2(blocks: &mut [[u8; BLOCK]], key: [u8; 4]) {
    let key = u32::from_ne_bytes(key);
    for block in blocks {
        for word in block.as_chunks_mut::<4>().0 {
            *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
        }
    }
}
