//! Unmasking (RFC 6455 §5.3).

#[cfg(target_arch = "x86_64")]
mod avx2;

/// From this many bytes on it pays to ask what the processor has.
const DISPATCH_THRESHOLD: usize = 512;

/// Masks or unmasks in place: eight bytes at a time, which the compiler widens to what the
/// processor has.
#[inline]
pub(crate) fn apply(data: &mut [u8], key: [u8; 4]) {
    if data.len() < DISPATCH_THRESHOLD { apply_portable(data, key) } else { apply_dispatched(data, key) }
}

/// With the widest instructions that the processor has.
#[inline(never)]
fn apply_dispatched(data: &mut [u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    let data = avx2::apply(data, key);
    apply_portable(data, key);
}

/// With what every processor of its kind has.
#[inline(always)]
fn apply_portable(data: &mut [u8], key: [u8; 4]) {
    let key = u32::from_ne_bytes(key);
    let wide = u128::from(key) * 0x0000_0001_0000_0001_0000_0001_0000_0001;
    let (words, rest) = data.as_chunks_mut::<16>();
    for word in words {
        *word = (u128::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// The key for what follows after `len` bytes.
pub(crate) fn advance(mut key: [u8; 4], len: usize) -> [u8; 4] {
    key.rotate_left(len % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmasks_like_the_sentence_in_the_rfc() {
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
