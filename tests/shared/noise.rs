//! What an agent may write at its worst. Included by path.

/// Bytes that no text tool likes: every byte value, lone ESC, cut UTF-8; the same for one seed.
pub fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len_bytes + 16);
    while bytes.len() < len_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 11 {
            0 => bytes.push(0x1b),
            1 => bytes.extend_from_slice(&"é€🦀".as_bytes()[..(state >> 32) as usize % 9]),
            _ => bytes.extend_from_slice(&state.to_le_bytes()),
        }
    }
    bytes.truncate(len_bytes);
    bytes
}
