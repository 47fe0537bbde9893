//! The last step of every log line: secrets become stars, control characters become text.
//!
//! Owns what is looked for: the secrets of this process in every form that they could take, and
//! whatever stands behind the name of a secret. Invariants: a line leaves as one line; nothing
//! that is written to the log goes round this. The types come first (a `Secret` cannot be
//! formatted); this is for what a library, a venue or a bug puts into words. Threads: any.

use protocol::secret_mask::SecretMask;
use std::io::{self, Write};
use std::sync::Arc;
use tracing_subscriber::fmt::MakeWriter;

/// Behind these names stands a secret: header names of venues, members of a login frame. Compared
/// without case; the longer of two that begin alike comes first.
const SECRET_NAMES: &[&str] = &[
    "ok-access-passphrase",
    "ok-access-sign",
    "ok-access-key",
    "authorization",
    "passphrase",
    "api_secret",
    "apisecret",
    "secretkey",
    "api_key",
    "apikey",
    "listenkey",
    "password",
    "\"sign\"",
    "\"sign\\",
];

/// Where log lines go, masked.
#[derive(Clone)]
pub struct LogSink {
    mask: Arc<SecretMask>,
}

impl LogSink {
    /// A sink that knows these secrets. Each is also known as base64, hexadecimal and URL-encoded.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            let bytes = secret.as_bytes();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let padded = base64(bytes, true);
            forms.extend([
                bytes.to_vec(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
                padded.trim_end_matches('=').as_bytes().to_vec(),
                base64(bytes, false)
                    .trim_end_matches('=')
                    .as_bytes()
                    .to_vec(),
                url_encoded(bytes).into_bytes(),
            ]);
        }
        Self {
            mask: Arc::new(SecretMask::new(forms.iter().map(Vec::as_slice))),
        }
    }

    /// A line as it may be shown, with its end.
    pub fn clean(&self, line: &[u8]) -> Vec<u8> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut masked = line.to_vec();
        self.mask.apply(&mut masked, b"");
        mask_named(&mut masked);
        let mut clean = encode_controls(&String::from_utf8_lossy(&masked)).into_bytes();
        clean.push(b'\n');
        clean
    }
}

impl<'a> MakeWriter<'a> for LogSink {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { sink: self.clone() }
    }
}

/// Writes lines to standard error; each call brings a whole one.
pub struct LineWriter {
    sink: LogSink,
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&self.sink.clean(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Stars over the value behind each name of a secret: up to a quote, a comma, a space or an end.
fn mask_named(line: &mut [u8]) {
    let lower = line.to_ascii_lowercase();
    for name in SECRET_NAMES {
        let mut from = 0;
        while let Some(found) = find(&lower[from..], name.as_bytes()) {
            let after = from + found + name.len();
            from = after;
            // `name: value`, `name=value`, `"name":"value"`, `\"name\":\"value\"`.
            let is_join = |byte: &u8| b"\\\"':= ".contains(byte);
            let joined = lower[after..]
                .iter()
                .take_while(|byte| is_join(byte))
                .count();
            let between = &lower[after..after + joined];
            if !between.iter().any(|byte| b":=".contains(byte)) {
                continue;
            }
            let value = after + joined;
            let mut end = value;
            while end < line.len() && !b"\\\"',;& }".contains(&line[end]) {
                end += 1;
            }
            // `Bearer …` and the like: the word behind the scheme is the secret.
            if *name == "authorization" && line.get(end) == Some(&b' ') {
                end += 1;
                while end < line.len() && !b"\\\"',; ".contains(&line[end]) {
                    end += 1;
                }
            }
            line[value..end].fill(b'*');
            from = end.max(after);
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

fn encode_controls(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            // Also what turns a line's direction or ends it, outside of ASCII.
            control
                if control.is_control()
                    || ('\u{2028}'..='\u{202e}').contains(&control)
                    || ('\u{2066}'..='\u{2069}').contains(&control) =>
            {
                clean.push_str(&control.escape_unicode().to_string());
            }
            letter => clean.push(letter),
        }
    }
    clean
}

/// Base64 with the standard or the URL alphabet (RFC 4648).
fn base64(bytes: &[u8], is_standard: bool) -> String {
    let last: &[u8; 2] = if is_standard { b"+/" } else { b"-_" };
    let letter = |six: u32| match six {
        0..26 => b'A' + six as u8,
        26..52 => b'a' + (six - 26) as u8,
        52..62 => b'0' + (six - 52) as u8,
        _ => last[(six - 62) as usize & 1],
    };
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(letter((word >> (18 - 6 * place)) & 63)));
            } else {
                text.push('=');
            }
        }
    }
    text
}

fn url_encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "canary/Secret+77 x";

    fn clean(line: &str) -> String {
        String::from_utf8(LogSink::new([SECRET]).clean(line.as_bytes())).unwrap()
    }

    // covers: S05
    #[test]
    fn known_secret_is_masked_in_every_form_that_it_could_take() {
        let bytes = SECRET.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = [
            SECRET.to_owned(),
            SECRET.replace('/', "\\/"),
            hex.clone(),
            hex.to_uppercase(),
            base64(bytes, true),
            base64(bytes, false),
            url_encoded(bytes),
        ];
        assert_eq!(
            base64(b"any carnal pleas", true),
            "YW55IGNhcm5hbCBwbGVhcw=="
        );
        for form in forms {
            let line = clean(&format!("venue said {form} and more"));
            assert!(!line.contains(form.trim_end_matches('=')), "{line}");
            assert!(
                line.contains("**") && line.ends_with(" and more\n"),
                "{line}"
            );
        }
    }

    // covers: S05
    #[test]
    fn value_behind_the_name_of_a_secret_is_masked_though_nobody_knows_it() {
        for line in [
            "OK-ACCESS-SIGN: pY3kq9/Zz+1=",
            "ok-access-passphrase=unknown1",
            "{\"op\":\"login\",\"args\":[{\"apiKey\":\"unknown1\",\"passphrase\":\"unknown2\",\
             \"sign\":\"pY3kq9/Zz+1=\"}]}",
            "{\"message\":\"sent {\\\"sign\\\":\\\"pY3kq9/Zz+1=\\\"}\"}",
            "Authorization: Bearer unknown1",
            "?api_key=unknown1&x=1",
        ] {
            let line = clean(line);
            assert!(!line.contains("unknown") && !line.contains("pY3"), "{line}");
        }
        // Words about secrets are no secrets.
        let told = "check the key, its passphrase, its permissions";
        assert_eq!(clean(told), format!("{told}\n"));
    }

    // covers: S05
    #[test]
    fn line_stays_one_line_whatever_is_in_it() {
        for hostile in [
            "a\r\nINFO forged",
            "\u{1b}[2J",
            "\u{85}x",
            "\u{2028}x",
            "\u{202e}x",
            "\0",
        ] {
            let line = clean(hostile);
            assert_eq!(line.lines().count(), 1, "{line:?}");
            let body = line.trim_end_matches('\n');
            assert!(!body.chars().any(char::is_control), "{line:?}");
            assert!(
                !body.contains('\u{202e}') && !body.contains('\u{2028}'),
                "{line:?}"
            );
        }
    }
}
