//! Bytes for uploads and blobs.

/// The same pseudorandom bytes each time; no piece of them repeats, so that misplaced pieces are found.
pub fn generate_noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}
