//! Inputs: texts of real servers, spoiled a little.

/// A small generator with one seed (xorshift64*). Not for secrets.
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below the bound; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { usize::try_from(self.next() >> 1).unwrap_or(0) % bound }
    }
}

/// Words that parsers trip over.
const TRAPS: [&[u8]; 20] = [
    b"-1",
    b"99999999999999999999",
    b"18446744073709551615",
    b"\r\n",
    b"\n",
    b"\0",
    b" ",
    b",",
    b"@",
    b":",
    b"[",
    b"]",
    b"->-",
    b"-<-",
    b"$",
    b"*",
    b"\xff\xfe",
    b"\x1b[31m",
    b"16384",
    b"e9",
];

/// Fills `input` with the next one.
pub fn make(random: &mut Random, seeds: &[&[u8]], input: &mut Vec<u8>) {
    input.clear();
    if random.below(16) == 0 || seeds.is_empty() {
        let length = random.below(300);
        input.extend((0..length).map(|_| u8::try_from(random.below(256)).unwrap_or(0)));
        return;
    }
    input.extend_from_slice(seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(6) {
        spoil(random, seeds, input);
    }
}

fn spoil(random: &mut Random, seeds: &[&[u8]], input: &mut Vec<u8>) {
    let at = random.below(input.len());
    let rest = input.len() - at;
    match random.below(7) {
        0 if rest > 0 => input[at] = u8::try_from(random.below(256)).unwrap_or(0),
        1 if rest > 0 => input[at] ^= 1 << random.below(8),
        2 => input.truncate(at),
        3 => {
            let length = random.below(rest.min(40));
            input.drain(at..at + length);
        }
        4 => {
            let trap = TRAPS[random.below(TRAPS.len())];
            input.splice(at..at, trap.iter().copied());
        }
        5 => {
            let length = random.below(rest.min(60));
            let again: Vec<u8> = input[at..at + length].to_vec();
            input.splice(at..at, again);
        }
        _ => {
            let other = seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let part = &other[from..other.len().min(from + 80)];
            input.splice(at..at, part.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_one_sequence() {
        let make_some = || {
            let (mut random, mut input) = (Random::new(7), Vec::new());
            (0..200)
                .map(|_| {
                    make(&mut random, &[b"+PONG\r\n", b"$3\r\nabc\r\n"], &mut input);
                    input.clone()
                })
                .collect::<Vec<_>>()
        };
        let first = make_some();
        assert_eq!(first, make_some());
        assert!(first.iter().any(|input| input != &first[0]));
    }
}
