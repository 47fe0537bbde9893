//! Replaces known secrets in received bytes by `*`, in place and of the same length.
//!
//! A venue may quote what we sent. Masking comes before journaling and decoding, so neither the
//! journal nor a report can hold a secret, and a replay sees the same bytes (the length is kept).
//! A secret is found as it is and as JSON escapes it, once or several times over (`\/`, `\\/`,
//! `\u002f`). Invariants: never changes a length; nothing shows the secrets. Must not know: venues.
//! Threads: none.

use zeroize::Zeroizing;

/// Shortest secret that is masked: shorter ones would spoil ordinary words.
pub const SECRET_BYTES_MIN: usize = 4;
/// Longest secret that is masked.
pub const SECRET_BYTES_MAX: usize = 128;

/// The secrets to look for. Has no `Debug` on purpose.
pub struct SecretMask {
    secrets: Vec<Zeroizing<Vec<u8>>>,
    /// True for the first byte of any secret.
    first_bytes: [bool; 256],
}

impl SecretMask {
    /// Looks for `secrets`; those shorter than [`SECRET_BYTES_MIN`] are passed over.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut this = Self {
            secrets: Vec::new(),
            first_bytes: [false; 256],
        };
        for secret in secrets {
            if secret.len() >= SECRET_BYTES_MIN {
                this.secrets.push(Zeroizing::new(secret.to_vec()));
            }
        }
        // The longest first: one secret may begin with another.
        this.secrets
            .sort_by_key(|secret| core::cmp::Reverse(secret.len()));
        for secret in &this.secrets {
            this.first_bytes[usize::from(secret[0])] = true;
        }
        this.first_bytes[usize::from(b'\\')] = true;
        this
    }

    /// Masks every secret in `bytes`; `also` is one more, of the moment (a signature).
    ///
    /// Nearly all bytes hold neither a `\` nor the first four bytes of a secret: one quick look
    /// says so, and nothing is to be done. Where it says otherwise every byte is looked at.
    pub fn apply(&self, bytes: &mut [u8], also: &[u8]) {
        let escaped = bytes.iter().fold(false, |any, byte| any | (*byte == b'\\'));
        let known = self.secrets.iter().map(|secret| secret.as_slice());
        let mut all = known.chain(Some(also));
        if escaped || all.any(|secret| has_beginning_of(bytes, secret)) {
            self.apply_everywhere(bytes, also);
        }
    }

    #[cold]
    fn apply_everywhere(&self, bytes: &mut [u8], also: &[u8]) {
        let mut first_bytes = self.first_bytes;
        if let Some(first) = also.first() {
            first_bytes[usize::from(*first)] = true;
        }
        let mut at = 0;
        while let Some(skipped) = bytes[at..]
            .iter()
            .position(|byte| first_bytes[usize::from(*byte)])
        {
            at += skipped;
            let found = self.longest_match(&bytes[at..], also);
            if found > 0 {
                bytes[at..at + found].fill(b'*');
            }
            at += found.max(1);
        }
    }

    fn longest_match(&self, bytes: &[u8], also: &[u8]) -> usize {
        let known = self.secrets.iter().map(|secret| secret.as_slice());
        let also = Some(also).filter(|also| also.len() >= SECRET_BYTES_MIN);
        known
            .chain(also)
            .map(|secret| match_length(bytes, secret))
            .max()
            .unwrap_or(0)
    }
}

/// True when the secret's first [`SECRET_BYTES_MIN`] bytes stand anywhere. Without a branch a byte,
/// so that the compiler takes many at once.
fn has_beginning_of(bytes: &[u8], secret: &[u8]) -> bool {
    let (Some(&[a, b, c, d]), [_, second @ ..]) = (secret.first_chunk::<SECRET_BYTES_MIN>(), bytes)
    else {
        return false;
    };
    let third = second.get(1..).unwrap_or_default();
    let fourth = third.get(1..).unwrap_or_default();
    let places = bytes.iter().zip(second).zip(third).zip(fourth);
    places.fold(false, |any, (((one, two), three), four)| {
        any | ((*one == a) & (*two == b) & (*three == c) & (*four == d))
    })
}

/// Bytes that `secret` takes at the start of `bytes`, escapes included; 0 = it is not there.
fn match_length(bytes: &[u8], secret: &[u8]) -> usize {
    // Nearly every candidate ends here: its second byte is neither the secret's nor an escape.
    if let ([first, second, ..], [_, wanted, ..]) = (bytes, secret)
        && *first != b'\\'
        && *second != b'\\'
        && second != wanted
    {
        return 0;
    }
    let mut at = 0;
    let mut before = 0;
    for &wanted in secret {
        // A run of `\` was taken whole by its first one.
        if wanted == b'\\' && core::mem::replace(&mut before, wanted) == wanted {
            continue;
        }
        before = wanted;
        match escaped_byte(&bytes[at..], wanted) {
            Some(length) => at += length,
            None => return 0,
        }
    }
    at
}

/// Bytes that `wanted` takes at the start: itself, or any number of `\` and then itself or its
/// code, `u` and four hexadecimal digits.
fn escaped_byte(bytes: &[u8], wanted: u8) -> Option<usize> {
    if wanted != b'\\' && bytes.first() == Some(&wanted) {
        return Some(1);
    }
    let slashes = bytes.iter().take_while(|byte| **byte == b'\\').count();
    if slashes == 0 {
        return None;
    }
    let rest = &bytes[slashes..];
    if wanted == b'\\' {
        let by_code = rest
            .get(..5)
            .is_some_and(|it| it.eq_ignore_ascii_case(b"u005c"));
        return Some(slashes + if by_code { 5 } else { 0 });
    }
    if rest.first() == Some(&wanted) {
        return Some(slashes + 1);
    }
    let hex = rest.strip_prefix(b"u")?.get(..4)?;
    let code = u16::from_str_radix(core::str::from_utf8(hex).ok()?, 16).ok()?;
    (code == u16::from(wanted)).then_some(slashes + 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(secrets: &[&str], also: &str, text: &str) -> String {
        let mask = SecretMask::new(secrets.iter().map(|secret| secret.as_bytes()));
        let mut bytes = text.as_bytes().to_vec();
        mask.apply(&mut bytes, also.as_bytes());
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).unwrap()
    }

    // covers: P15
    #[test]
    fn a_secret_is_masked_as_it_is_and_as_json_escapes_it() {
        let secrets = ["Pa/ss\"1\\x", "key-0001"];
        let table = [
            ("a Pa/ss\"1\\x b", "a ********* b"),
            (r#""msg":"Pa\/ss\"1\\x""#, "\"msg\":\"************\""),
            (r#"Pa\\/ss\\\"1\\\\x"#, "*****************"),
            (r"Pa\u002fss\u00221\u005cx", "************************"),
            (r"Pa\u002Fss\u00221\\x!", "********************!"),
            ("key-000", "key-000"),
            (r"key-00\01", "*********"),
            ("key-0001key-0001", "****************"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(masked(&secrets, "", text), expected, "{text}");
        }
    }

    // covers: P15
    #[test]
    fn the_signature_of_the_moment_is_masked_and_the_longer_secret_wins() {
        assert_eq!(
            masked(&["abcd", "abcdef"], "zz+9=", "abcdef abcd zz+9= zz"),
            "****** **** ***** zz"
        );
    }

    proptest! {
        #[test]
        fn no_masked_text_contains_the_secret(
            secret in "[a-c/]{4,8}", before in "[a-d/]{0,12}", after in "[a-d/]{0,12}",
        ) {
            let text = masked(&[&secret], "", &format!("{before}{secret}{after}"));
            prop_assert!(!text.contains(&secret), "{}", text);
        }

        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, secret: Vec<u8>) {
            SecretMask::new([secret.as_slice()]).apply(&mut bytes, b"\\u12");
        }
    }
}
