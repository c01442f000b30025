//! Makes new inputs from old ones. Knows tokens, numbers, lengths and lines, so
//! that much of what it makes is nearly right: what is wrong everywhere is
//! refused at the first byte. Does not own what is made of it.

use std::ops::Range;

use rand::Rng;
use rand::seq::IndexedRandom;

/// What is wrong with numbers, if anything is.
const NUMBERS: [&str; 27] = [
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "1.0",
    "5e2",
    "1e-3",
    "00",
    "0.1",
];

/// Of formats with variable-length integers and lengths before texts.
const EDGES: [&[u8]; 12] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80, 0x01],
    &[0xff, 0xff, 0x03],
    &[0x80, 0x80, 0x04],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    &[0xff; 16],
    &[0x80],
];

/// Makes an input of one or two of those there are. `words` are what the target
/// has a meaning for.
pub fn mutated(random: &mut impl Rng, inputs: &[Vec<u8>], words: &[&str], most: usize) -> Vec<u8> {
    let mut bytes = inputs.choose(random).cloned().unwrap_or_default();
    // Mostly few changes: most of the input is still right then.
    let changes = 1 + random.random_range(0..4) * random.random_range(0..=2);
    for _ in 0..changes {
        let other = inputs.choose(random).map_or(&[][..], Vec::as_slice);
        change(random, &mut bytes, other, words);
        bytes.truncate(most);
    }
    bytes
}

fn change(random: &mut impl Rng, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..18) {
        0 => flip(random, bytes),
        1 if at < bytes.len() => bytes[at] = random.random(),
        2 if at < bytes.len() => {
            // A length that is one off, for instance.
            bytes[at] = bytes[at].wrapping_add(if random.random() { 1 } else { 255 });
        }
        3 | 4 => put(random, bytes, at, words),
        5 => drop(bytes.drain(some(random, bytes.len()))),
        6 => {
            let copy = bytes[some(random, bytes.len())].to_vec();
            insert(bytes, at, &copy);
        }
        7 => bytes.truncate(at),
        8 => drop(bytes.drain(..at)),
        9 => {
            // The start of one, the end of the other.
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
        }
        10 => insert(bytes, at, &other[some(random, other.len())]),
        11 | 12 => number(random, bytes),
        13 => tokens(random, bytes, bytes.clone().as_slice()),
        14 => tokens(random, bytes, other),
        15 => {
            let edge = EDGES.choose(random).expect("there are some");
            let end = (at + random.random_range(0..=edge.len())).min(bytes.len());
            bytes.splice(at..end, edge.iter().copied());
        }
        16 => lines(random, bytes),
        _ => {
            let length = if random.random_ratio(1, 20) { 3000 } else { 70 };
            let byte = bytes.choose(random).copied().unwrap_or(b'[');
            let run = vec![byte; random.random_range(0..length)];
            insert(bytes, at, &run);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

/// A range, mostly a short one.
fn some(random: &mut impl Rng, length: usize) -> Range<usize> {
    let start = random.random_range(0..=length);
    let most = if random.random_ratio(1, 8) { length } else { 16 };
    start..(start + random.random_range(0..=most)).min(length)
}

fn flip(random: &mut impl Rng, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
}

/// Puts a word in, or in the place of a token.
fn put(random: &mut impl Rng, bytes: &mut Vec<u8>, at: usize, words: &[&str]) {
    let Some(word) = words.choose(random) else { return flip(random, bytes) };
    let place = match tokens_of(bytes).choose(random) {
        Some(token) if random.random() => token.clone(),
        _ => at..at,
    };
    bytes.splice(place, word.bytes());
}

/// Changes a number by a little, or altogether.
fn number(random: &mut impl Rng, bytes: &mut Vec<u8>) {
    let tokens = tokens_of(bytes);
    let numbers: Vec<_> =
        tokens.into_iter().filter(|it| bytes[it.start].is_ascii_digit()).collect();
    let Some(place) = numbers.choose(random).cloned() else { return flip(random, bytes) };
    let old = std::str::from_utf8(&bytes[place.clone()]).ok();
    let new = match old.and_then(|old| old.parse::<u64>().ok()) {
        Some(old) if random.random() => {
            let by = 1 << random.random_range(0..12);
            if random.random() { old.wrapping_add(by) } else { old.wrapping_sub(by) }.to_string()
        }
        _ => (*NUMBERS.choose(random).expect("there are some")).to_owned(),
    };
    bytes.splice(place, new.into_bytes());
}

/// Puts a token of `others` before, behind or in the place of one of `bytes`.
fn tokens(random: &mut impl Rng, bytes: &mut Vec<u8>, others: &[u8]) {
    let (mine, theirs) = (tokens_of(bytes), tokens_of(others));
    let (Some(mine), Some(theirs)) = (mine.choose(random), theirs.choose(random)) else { return };
    let place = match random.random_range(0..4) {
        0 => mine.start..mine.start,
        1 => mine.end..mine.end,
        _ => mine.clone(),
    };
    bytes.splice(place, others[theirs.clone()].iter().copied());
}

/// Swaps, doubles or drops what stands between separators.
fn lines(random: &mut impl Rng, bytes: &mut Vec<u8>) {
    let separator = *b"\n,&;".choose(random).expect("there are some");
    let mut parts: Vec<&[u8]> = bytes.split(|&byte| byte == separator).collect();
    let (a, b) = (random.random_range(0..parts.len()), random.random_range(0..parts.len()));
    match random.random_range(0..3) {
        0 => parts.swap(a, b),
        1 => parts.insert(a, parts[b]),
        _ => drop(parts.remove(a)),
    }
    *bytes = parts.join(&separator);
}

/// Texts in quotes, words and numbers, and every other byte by itself.
fn tokens_of(bytes: &[u8]) -> Vec<Range<usize>> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'_';
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at + 1..];
        let length = 1 + match bytes[at] {
            b'"' => rest.iter().position(|&byte| byte == b'"').map_or(0, |end| end + 1),
            byte if word(byte) => rest.iter().take_while(|&&byte| word(byte)).count(),
            _ => 0,
        };
        tokens.push(at..at + length);
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn tokens_cover_all_bytes() {
        let text = br#"{"a b":[12,-3.5e1],"x"#;
        let tokens = tokens_of(text);
        let texts: Vec<_> =
            tokens.iter().map(|at| str::from_utf8(&text[at.clone()]).unwrap()).collect();
        let expected =
            ["{", "\"a b\"", ":", "[", "12", ",", "-", "3", ".", "5e1", "]", ",", "\"", "x"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_seed_makes_the_same_inputs_again_and_many_different_ones() {
        let inputs = [br#"{"a":1,"b":"c"}"#.to_vec(), b"x\ny".to_vec()];
        let made = |seed| -> Vec<_> {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            (0..1000).map(|_| mutated(&mut random, &inputs, &["word"], 100)).collect()
        };
        assert_eq!(made(1), made(1));
        let different: std::collections::HashSet<_> = made(1).into_iter().chain(made(2)).collect();
        assert!(different.len() > 1000, "{}", different.len());
        assert!(different.iter().all(|input| input.len() <= 100));
        assert!(
            different.contains(&b"wordx\ny"[..])
                || different.iter().any(|it| it.windows(4).any(|w| w == b"word"))
        );
    }
}
