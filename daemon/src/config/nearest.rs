//! Which known key an unknown one may have meant.
//!
//! Owns: the distance between names, and the units that names end in. Threads: none.

/// Units that a key can end in.
const UNITS: &[&str] = &[
    "_ns", "_us", "_ms", "_s", "_sec", "_secs", "_seconds", "_min", "_minutes", "_h", "_bytes",
    "_kib", "_kb", "_mib", "_mb", "_gib", "_gb",
];
/// Longer names are not compared: they are no slip of the hand.
const COMPARED_BYTES_MAX: usize = 48;

/// A name without its unit.
pub(super) fn stem(name: &str) -> &str {
    UNITS
        .iter()
        .find_map(|unit| name.strip_suffix(unit))
        .unwrap_or(name)
}

/// The nearest known name, if one is near: at most a third of its letters differ.
pub(super) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    if name.len() > COMPARED_BYTES_MAX {
        return None;
    }
    known
        .map(|known| (distance(name.as_bytes(), known.as_bytes()), known))
        .filter(|(edits, known)| *edits <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

/// Fewest letters to add, drop or change.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, other_letter) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other_letter);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
