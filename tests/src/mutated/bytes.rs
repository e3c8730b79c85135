//! Messages that are no messages, or others than they were.

use prost::encoding::encode_varint;
use rand::Rng;
use rand::rngs::StdRng;

/// Turns `bytes` over in one way or another. `other` is another message.
pub fn mutate(dice: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = dice.random_range(0..=bytes.len());
    let (mut part, end) = (bytes[at..].to_vec(), bytes.len());
    let to = dice.random_range(at..=end.min(at + 40));
    match dice.random_range(0..16) {
        0 | 1 if at < end => bytes[at] ^= 1 << dice.random_range(0..8),
        2 if at < end => bytes[at] = dice.random(),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..to)),
        5 => {
            part.truncate(to - at);
            bytes.splice(at..at, part);
        }
        6 => drop(bytes.splice(at..at, dice.random::<[u8; 6]>())),
        7 => {
            bytes.truncate(at);
            let from = dice.random_range(0..=other.len());
            bytes.extend(&other[from..]);
        }
        8 => bytes.extend(other),
        9 => unknown_field(dice, bytes),
        10 => {
            let length = dice.random_range(8..13);
            bytes.splice(at..at, vec![0xff; length]);
        }
        // The kind of what a tag announces.
        11 if at < end => bytes[at] = (bytes[at] & 0xf8) | dice.random_range(0..8),
        12 => field(bytes, dice.random_range(1..8), &[0xff, 0xfe, b'k', 0xc3, 0x28]),
        13 => {
            let number = dice.random_range(1..6);
            let mut inner = Vec::new();
            for _ in 0..dice.random_range(90..300) {
                let mut outer = Vec::new();
                field(&mut outer, number, &inner);
                inner = outer;
            }
            bytes.extend(inner);
        }
        14 => {
            let texts = ["คานารี่", "\u{0}\u{7}\u{1b}[2J", "\u{202e}\u{feff}", "kanari ", "a\r\nb"];
            let text = texts[dice.random_range(0..texts.len())];
            let text = text.repeat(dice.random_range(1..3_000));
            field(bytes, dice.random_range(1..8), text.as_bytes());
        }
        15 => {
            let number = dice.random_range(1..8);
            for _ in 0..dice.random_range(1..1_500) {
                field(bytes, number, &[]);
            }
        }
        _ => {}
    }
}

fn field(bytes: &mut Vec<u8>, number: u64, value: &[u8]) {
    encode_varint(number << 3 | 2, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend(value);
}

fn unknown_field(dice: &mut StdRng, bytes: &mut Vec<u8>) {
    let number: u64 = [99, 1_000, 536_870_911, 536_870_912, 0][dice.random_range(0..5)];
    encode_varint(number << 3 | dice.random_range(0..6), bytes);
    bytes.extend(dice.random::<[u8; 9]>());
}
