//! Output as agents write it, made from a seed: the same seed and length give the same bytes.

#![allow(dead_code)] // each bench builds this module for itself and uses a part of it

/// Coloured lines, redrawn status lines, box drawing, wide characters; and, so that nothing rests
/// on its being text, now and then bytes that are not UTF-8 and an escape that begins nothing.
///
/// It asks the terminal no question: an answer would be typed into the child and, in cooked mode,
/// be echoed into the output.
pub(crate) fn agent_output(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(len_bytes + 256);
    while out.len() < len_bytes {
        line(&mut random, &mut out);
    }
    out.truncate(len_bytes);
    out
}

/// Bytes without any pattern, zeros among them.
pub(crate) fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(len_bytes + 8);
    while out.len() < len_bytes {
        out.extend_from_slice(&random.next().to_le_bytes());
    }
    out.truncate(len_bytes);
    out
}

fn line(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(10) {
        // A diff line in colour.
        0..=4 => {
            let colour = 31 + random.below(6);
            out.extend_from_slice(format!("\x1b[{colour}m{:>6} ", random.below(9999)).as_bytes());
            words(random, out, 9);
            out.extend_from_slice(b"\x1b[0m\n");
        }
        // A status line, drawn over itself.
        5 | 6 => {
            out.extend_from_slice(b"\r\x1b[2K\x1b[38;5;245m");
            out.extend_from_slice(["⠋", "⠙", "⠸", "⠴"][random.below(4)].as_bytes());
            out.extend_from_slice(format!(" {}s \x1b[1m", random.below(600)).as_bytes());
            words(random, out, 4);
            out.extend_from_slice(b"\x1b[22;39m");
        }
        7 => {
            out.extend_from_slice("╭──────────╮ é 漢字 🧵 ".as_bytes());
            words(random, out, 3);
            out.extend_from_slice("│\n".as_bytes());
        }
        8 => {
            words(random, out, 16);
            out.push(b'\n');
        }
        // Not UTF-8, and an escape alone.
        _ => {
            for _ in 0..random.below(8) {
                out.push(0x80 + random.below(0x80) as u8);
            }
            out.extend_from_slice(b"\x1b .\n");
        }
    }
}

fn words(random: &mut Random, out: &mut Vec<u8>, count: usize) {
    for _ in 0..count {
        for _ in 0..2 + random.below(8) {
            out.push(b'a' + random.below(26) as u8);
        }
        out.push(b' ');
    }
}

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // The state itself is a counter: seeds that follow one another would give streams that overlap.
        Self(Self(seed).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
