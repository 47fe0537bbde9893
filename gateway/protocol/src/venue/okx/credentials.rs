//! OKX keys: what signs, what is masked, and nothing that shows them.
//!
//! Invariants: no `Debug`, `Display` or serialisation; the bytes are wiped on drop, the keyed hash
//! state included. Must not know: where keys come from. Threads: none.
//!
//! ```compile_fail
//! let keys = millrun_protocol::venue::okx::credentials::Credentials::new("k123", "s123", "p123");
//! println!("{keys:?}");
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret_mask::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretMask};

/// Bytes of a signature: base64 of 32 bytes.
pub const SIGNATURE_BYTES: usize = 44;

/// A key that cannot be used. Says which part, never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCredential {
    /// `api_key`, `api_secret` or `passphrase`.
    pub part: &'static str,
}

impl core::fmt::Display for BadCredential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} printable ASCII characters",
            self.part
        )
    }
}

impl std::error::Error for BadCredential {}

/// One key of one OKX sub-account.
#[derive(Clone)]
pub struct Credentials {
    api_key: Zeroizing<String>,
    api_secret: Zeroizing<String>,
    passphrase: Zeroizing<String>,
    /// HMAC-SHA256 with the key already absorbed; cloned for each message.
    keyed: Hmac<Sha256>,
}

impl Credentials {
    /// Takes the three texts that OKX gives with a key.
    ///
    /// # Errors
    /// [`BadCredential`] for a part that is too short to be masked, too long, or not printable
    /// ASCII.
    pub fn new(api_key: &str, api_secret: &str, passphrase: &str) -> Result<Self, BadCredential> {
        for (part, text) in [
            ("api_key", api_key),
            ("api_secret", api_secret),
            ("passphrase", passphrase),
        ] {
            let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len());
            if !fits || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err(BadCredential { part });
            }
        }
        let keyed =
            Hmac::new_from_slice(api_secret.as_bytes()).expect("HMAC takes keys of every length");
        Ok(Self {
            api_key: Zeroizing::new(api_key.to_owned()),
            api_secret: Zeroizing::new(api_secret.to_owned()),
            passphrase: Zeroizing::new(passphrase.to_owned()),
            keyed,
        })
    }

    /// `OK-ACCESS-KEY`, `apiKey`.
    pub(crate) fn api_key(&self) -> &str {
        &self.api_key
    }

    /// `OK-ACCESS-PASSPHRASE`, `passphrase`.
    pub(crate) fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// base64(HMAC-SHA256(secret, the parts one behind the other)). Does not allocate.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        let mut signature = [0; SIGNATURE_BYTES];
        let written = STANDARD
            .encode_slice(mac.finalize().into_bytes(), &mut signature)
            .expect("32 bytes are 44 in base64");
        assert_eq!(written, SIGNATURE_BYTES);
        signature
    }

    /// The mask of all three parts.
    pub fn mask(&self) -> SecretMask {
        SecretMask::new([
            self.api_key.as_bytes(),
            self.api_secret.as_bytes(),
            self.passphrase.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_cannot_be_masked_is_refused_by_name() {
        let part = |keys: Result<Credentials, BadCredential>| keys.err().map(|bad| bad.part);
        assert_eq!(part(Credentials::new("", "s123", "p123")), Some("api_key"));
        assert_eq!(
            part(Credentials::new("k123", "s\n23", "p123")),
            Some("api_secret")
        );
        assert_eq!(
            part(Credentials::new("k123", "s123", "p12")),
            Some("passphrase")
        );
        assert_eq!(part(Credentials::new("k123", "s123", "p123")), None);
    }
}
