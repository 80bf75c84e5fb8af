//! Unmasking (RFC 6455 §5.3).

#[cfg(target_arch = "x86_64")]
mod avx2;

/// The length from which the check for AVX2 costs less than it saves.
const DISPATCH_THRESHOLD: usize = 512;

/// Masks or unmasks `data` in place.
// PERF: short data is processed inline, without a check of the processor. budget: text64, binary16k
// The test `unmasks_like_the_algorithm_of_the_rfc` covers both paths.
#[inline]
pub(crate) fn apply(data: &mut [u8], key: [u8; 4]) {
    if data.len() < DISPATCH_THRESHOLD { apply_portable(data, key) } else { apply_dispatched(data, key) }
}

/// Uses the widest instructions of the processor.
#[inline(never)]
fn apply_dispatched(data: &mut [u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    let data = avx2::apply(data, key);
    apply_portable(data, key);
}

/// Uses the instructions that every processor of the target has.
// PERF: inlined into `apply`, where `data` is short. budget: text64
#[inline(always)]
fn apply_portable(data: &mut [u8], key: [u8; 4]) {
    let key = u32::from_ne_bytes(key);
    let wide = u128::from(key) * 0x0000_0001_0000_0001_0000_0001_0000_0001;
    let (words, remaining) = data.as_chunks_mut::<16>();
    for word in words {
        *word = (u128::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let (words, remaining) = remaining.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in remaining.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Returns the key for the bytes that follow the first `len` bytes.
pub(crate) fn advance(mut key: [u8; 4], len: usize) -> [u8; 4] {
    key.rotate_left(len % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmasks_like_the_algorithm_of_the_rfc() {
        // "octet i of the transformed data is the XOR of octet i of the original data with octet
        // at index i modulo 4 of the masking key", however the data is cut.
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in (0..70).chain(DISPATCH_THRESHOLD - 3..DISPATCH_THRESHOLD + 140) {
            let data: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let expect: Vec<u8> = data.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            for cut in (0..=len).filter(|cut| len < DISPATCH_THRESHOLD || cut % 7 == 0) {
                let mut got = data.clone();
                let (first, second) = got.split_at_mut(cut);
                apply(first, key);
                apply(second, advance(key, cut));
                assert_eq!(got, expect, "{len} bytes cut at {cut}");
            }
        }
    }
}
