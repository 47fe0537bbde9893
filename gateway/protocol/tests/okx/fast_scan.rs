//! The fast scan against the parser's tape: what the scan takes, the tape reads the same.

use millrun_protocol::venue::okx::decode::{DecodedFrame, MAX_REPORTS, OkxDecoder};
use model::VenueReport;
use rand_like::Random;

use crate::instruments::table;

/// Cases made of all fixtures together.
const CASES: usize = 120_000;

/// A stream of numbers that its seed alone decides (SplitMix64).
mod rand_like {
    pub(super) struct Random(pub(super) u64);

    impl Random {
        pub(super) fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
        }
    }
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/venue/okx/fixtures");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read(&path).unwrap();
            // A frame has no line end; a fixture's file has.
            all.push((name, text.trim_ascii_end().to_vec()));
        }
    }
    all.sort();
    all
}

/// Both decoders on one text.
struct Pair {
    decoder: OkxDecoder,
    by_scan: Vec<VenueReport>,
    by_tape: Vec<VenueReport>,
}

impl Pair {
    fn new() -> Self {
        Self {
            decoder: OkxDecoder::new(),
            by_scan: Vec::with_capacity(MAX_REPORTS),
            by_tape: Vec::with_capacity(MAX_REPORTS),
        }
    }

    /// Whether the scan took the text; if it did, both said the same.
    fn agree(&mut self, text: &[u8]) -> bool {
        let table = table();
        let Some(scanned) = self.decoder.decode_by_scan(text, &table, &mut self.by_scan) else {
            assert!(
                self.by_scan.is_empty(),
                "nothing is left of a text that was given up"
            );
            return false;
        };
        let read = self
            .decoder
            .decode_by_tape(&mut text.to_vec(), &table, &mut self.by_tape);
        let shown = String::from_utf8_lossy(text);
        assert_eq!(scanned, read, "{shown}");
        assert_eq!(self.by_scan, self.by_tape, "{shown}");
        true
    }
}

// covers: V18
#[test]
fn ordinary_pushes_of_orders_are_read_by_the_scan_as_the_tape_reads_them() {
    let mut pair = Pair::new();
    let mut left_to_the_tape = Vec::new();
    for (name, text) in fixtures() {
        if !pair.agree(&text) && name.starts_with("orders_") {
            left_to_the_tape.push(name);
        }
    }
    assert_eq!(
        left_to_the_tape,
        [
            "orders_duplicate_member",
            "orders_nested_price",
            "orders_none",
            "orders_numbers_as_numbers",
        ]
    );
}

/// The places of all members `"key":value` of the innermost objects, by their commas.
fn members(text: &[u8]) -> Vec<(usize, usize)> {
    let mut starts: Vec<usize> = text
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair == b",\"" || pair == b"{\"")
        .map(|(at, _)| at + 1)
        .collect();
    starts.push(text.len());
    starts
        .windows(2)
        .map(|pair| (pair[0], pair[1] - 1))
        .collect()
}

fn mutated(text: &[u8], random: &mut Random) -> Vec<u8> {
    const BYTES: &[u8] = b"\"\\{}[]:,.-+0159eEx \t\n\0\x1f\x7f\xc3\xa9";
    const VALUES: [&str; 12] = [
        "null",
        "true",
        "1",
        "-0.5",
        "1e3",
        "[]",
        "{}",
        "[1]",
        "{\"a\":\"b\"}",
        "\"\\u0041\"",
        "\"\u{e9}\"",
        "\"\"",
    ];
    let mut out = text.to_vec();
    for _ in 0..=random.below(3) {
        let all = members(&out);
        let one = all.get(random.below(all.len())).copied().unwrap_or((0, 0));
        let other = all.get(random.below(all.len())).copied().unwrap_or((0, 0));
        let at = random.below(out.len());
        let byte = BYTES[random.below(BYTES.len())];
        match random.below(9) {
            0 if !out.is_empty() => out[at] = byte,
            1 => out.insert(at, byte),
            2 if !out.is_empty() => drop(out.remove(at)),
            3 => out.truncate(at),
            // A member twice.
            4 => {
                let mut copy = out[one.0..one.1].to_vec();
                copy.push(b',');
                out.splice(other.0..other.0, copy);
            }
            // Two members change places.
            5 if one.1 <= other.0 => {
                let (first, second) = (out[one.0..one.1].to_vec(), out[other.0..other.1].to_vec());
                out.splice(other.0..other.1, first);
                out.splice(one.0..one.1, second);
            }
            // A member is missing.
            6 => drop(out.drain(one.0..one.1.min(out.len()))),
            // Another value.
            7 | 8 => {
                let colon = out[one.0..one.1].iter().position(|byte| *byte == b':');
                if let Some(colon) = colon {
                    let value = VALUES[random.below(VALUES.len())].bytes();
                    out.splice(one.0 + colon + 1..one.1, value);
                }
            }
            _ => {}
        }
    }
    out
}

// covers: V18
#[test]
fn whatever_becomes_of_a_message_the_scan_says_what_the_tape_says_or_nothing() {
    let mut random = Random(0x5ca7);
    let mut pair = Pair::new();
    let fixtures = fixtures();
    let pushes = fixtures
        .iter()
        .filter(|(name, _)| name.starts_with("orders_"));
    let pushes: Vec<&Vec<u8>> = pushes.map(|(_, text)| text).collect();
    let mut taken = 0;
    for case in 0..CASES {
        // Three in four are pushes of orders; the scan has little to do with the others.
        let text = if case % 4 == 0 {
            &fixtures[random.below(fixtures.len())].1
        } else {
            pushes[random.below(pushes.len())]
        };
        taken += usize::from(pair.agree(&mutated(text, &mut random)));
    }
    // Neither is the scan trivial nor do the mutations spoil everything.
    assert!(
        (CASES / 10..CASES * 9 / 10).contains(&taken),
        "{taken} of {CASES} taken"
    );
}

#[test]
fn a_push_beyond_the_scans_bounds_is_left_to_the_tape() {
    let order = r#"{"instId":"X","other":"y"}"#;
    let many = vec![order; 1_000].join(",");
    let text = format!(r#"{{"arg":{{"channel":"orders"}},"data":[{many}]}}"#);
    let mut pair = Pair::new();
    assert!(!pair.agree(text.as_bytes()));
    let mut reports = Vec::with_capacity(MAX_REPORTS);
    let frame = pair
        .decoder
        .decode(&mut text.into_bytes(), &table(), &mut reports);
    assert_eq!((frame, reports.len()), (DecodedFrame::Engine, MAX_REPORTS));
}
