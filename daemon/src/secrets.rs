//! Keys of venue accounts: read from a file that only its owner can read, wiped when dropped.
//!
//! Owns every secret of the process. Invariants: no secret is printed, formatted, compared or
//! serialised; its bytes are zeroed when it is dropped; a file that others could have read is
//! refused. Must not know: how a request is signed. Threads: any.
//!
//! A secret cannot be shown or turned into anything by accident:
//!
//! ```compile_fail
//! fn show(secret: &millrun::secrets::Secret) -> String {
//!     format!("{secret}")
//! }
//! ```
//!
//! ```compile_fail
//! fn store(secret: &millrun::secrets::Secret) -> String {
//!     serde_json::to_string(secret).unwrap()
//! }
//! ```
//!
//! ```compile_fail
//! fn copy(secret: &millrun::secrets::Secret) -> millrun::secrets::Secret {
//!     millrun::secrets::Secret::clone(secret)
//! }
//! ```

use crate::config::{Environment, VenueSettings};
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use zeroize::Zeroizing;

/// Longest credentials file in bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024;
/// Mode that a credentials file should have. Also taken: any that gives others nothing.
pub const FILE_MODE: u32 = 0o600;

/// A text that must not be seen. Zeroed when dropped; has no `Display`, no `Clone`, no `Serialize`.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, to sign or to send with it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// One key of a venue account.
#[derive(Debug)]
pub struct Credentials {
    /// The key's name at the venue (OKX `OK-ACCESS-KEY`).
    pub api_key: Secret,
    /// What requests are signed with.
    pub api_secret: Secret,
    /// What the key's maker chose beside it (OKX `OK-ACCESS-PASSPHRASE`).
    pub passphrase: Secret,
    /// The environment that the file says the key is for, if it says one.
    pub environment: Option<String>,
}

/// Why a key is not to be had. Each names the path, what was found, what is wanted and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There is no such file, or it cannot be opened or read.
    #[error(
        "credentials file {path}: cannot be read: {source}. Wanted: a file of mode 0600 that \
         belongs to uid {wanted_uid} with the lines api_key, api_secret and passphrase. Create it \
         with: install -m 0600 /dev/null {path}"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who should own it.
        wanted_uid: u32,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("credentials file {path}: is no regular file. Wanted: a regular file of mode 0600")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner can read or write it.
    #[error(
        "credentials file {path}: has mode {found:04o}, so others can reach it. Wanted: mode 0600. \
         Run: chmod 600 {path} and change the key at the venue if others may have read it"
    )]
    ModeTooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        found: u32,
    },
    /// It belongs to another user.
    #[error(
        "credentials file {path}: belongs to uid {found_uid} and millrun runs as uid {wanted_uid}. \
         Wanted: the same user. Run: chown {wanted_uid} {path} && chmod 600 {path}"
    )]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        found_uid: u32,
        /// Who should own it.
        wanted_uid: u32,
    },
    /// It is longer than a credentials file can be.
    #[error(
        "credentials file {path}: is longer than {FILE_BYTES_MAX} bytes. Is it the right file?"
    )]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line is no `KEY=VALUE` and no TOML. The line itself is never shown.
    #[error(
        "credentials file {path}: line {line} cannot be read (it is not shown here). Wanted: \
         KEY=VALUE or key = \"value\", in UTF-8, one a line"
    )]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A key that is not known, so perhaps a slip in one that is needed.
    #[error(
        "credentials file {path}: line {line} has a key that is not known. Wanted: api_key, \
         api_secret, passphrase, and environment if you like; remove or correct it"
    )]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A key is there twice.
    #[error("credentials file {path}: {key} is there twice. Wanted: once; remove one of the two")]
    Repeated {
        /// The file.
        path: PathBuf,
        /// The key's name.
        key: &'static str,
    },
    /// A key is not there or empty.
    #[error(
        "credentials file {path}: {keys} missing or empty. Wanted: the lines api_key, api_secret \
         and passphrase, as the venue gave them when the key was made"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// Their names.
        keys: String,
    },
    /// The key is for another environment than the venue's section.
    #[error(
        "ENV_MISMATCH: credentials file {path}: says environment {found} and [venue.{venue}] says \
         {wanted}. Wanted: the same. Point credentials_file to a key of {wanted}, or set the \
         environment to what you mean"
    )]
    EnvironmentMismatch {
        /// The file.
        path: PathBuf,
        /// The venue.
        venue: String,
        /// What the file says.
        found: String,
        /// What the venue's section says.
        wanted: &'static str,
    },
}

impl Credentials {
    /// The key of a venue, and whether it is for the venue's environment.
    ///
    /// # Errors
    /// As [`load`](Self::load), and `EnvironmentMismatch`.
    pub fn of(venue: &VenueSettings) -> Result<Self, CredentialsError> {
        let path = &venue.credentials_file;
        let credentials = Self::load(path)?;
        match &credentials.environment {
            Some(found) if found != venue.environment.name() => {
                Err(CredentialsError::EnvironmentMismatch {
                    path: path.clone(),
                    venue: venue.name.clone(),
                    found: shown_environment(found),
                    wanted: venue.environment.name(),
                })
            }
            _ => Ok(credentials),
        }
    }

    /// Reads a key from a file of `KEY=VALUE` or TOML lines; names may be in capitals.
    ///
    /// # Errors
    /// A file that others can read, that belongs to another user, or that lacks a key.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        let text = read_private_file(path)?;
        let mut lines = Lines::default();
        for (at, line) in text.lines().enumerate() {
            lines.take(path, at + 1, line)?;
        }
        lines.finish(path)
    }
}

/// An environment's word is no secret, but a passphrase in its place would be.
fn shown_environment(found: &str) -> String {
    [
        Environment::Production,
        Environment::Demo,
        Environment::Simulator,
    ]
    .iter()
    .map(|known| known.name())
    .find(|known| *known == found)
    .unwrap_or("something else")
    .to_owned()
}

/// Opens, checks the opened file (not the path, which could change between), and reads.
fn read_private_file(path: &Path) -> Result<Zeroizing<String>, CredentialsError> {
    let wanted_uid = rustix::process::geteuid().as_raw();
    let unreadable = |source: std::io::Error| CredentialsError::Unreadable {
        path: path.to_owned(),
        wanted_uid,
        source,
    };
    // NONBLOCK: a pipe in the file's place must not make the start hang.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let mut file = std::fs::File::from(file);
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let path = path.to_owned();
        return Err(CredentialsError::NotAFile { path });
    }
    check_owner_and_mode(path, metadata.uid(), wanted_uid, metadata.mode() & 0o7777)?;
    // One allocation of fixed size: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0_u8; FILE_BYTES_MAX + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]).map_err(unreadable)? {
            0 => break,
            read => length += read,
        }
    }
    if length > FILE_BYTES_MAX {
        let path = path.to_owned();
        return Err(CredentialsError::TooLong { path });
    }
    match core::str::from_utf8(&bytes[..length]) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => Err(CredentialsError::BadLine {
            path: path.to_owned(),
            line: 1 + count_lines(&bytes[..error.valid_up_to()]),
        }),
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn check_owner_and_mode(
    path: &Path,
    found_uid: u32,
    wanted_uid: u32,
    mode: u32,
) -> Result<(), CredentialsError> {
    let path = path.to_owned();
    if found_uid != wanted_uid {
        return Err(CredentialsError::WrongOwner {
            path,
            found_uid,
            wanted_uid,
        });
    }
    if mode & !FILE_MODE != 0 {
        return Err(CredentialsError::ModeTooOpen { path, found: mode });
    }
    Ok(())
}

/// The keys found so far.
#[derive(Default)]
struct Lines {
    api_key: Option<Secret>,
    api_secret: Option<Secret>,
    passphrase: Option<Secret>,
    environment: Option<Secret>,
}

impl Lines {
    fn take(&mut self, path: &Path, line: usize, text: &str) -> Result<(), CredentialsError> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        let bad_line = || CredentialsError::BadLine {
            path: path.to_owned(),
            line,
        };
        let (name, value) = text.split_once('=').ok_or_else(bad_line)?;
        let name = name.trim().to_ascii_lowercase();
        let (name, slot) = match name.as_str() {
            "api_key" => ("api_key", &mut self.api_key),
            "api_secret" => ("api_secret", &mut self.api_secret),
            "passphrase" => ("passphrase", &mut self.passphrase),
            "environment" => ("environment", &mut self.environment),
            _ => {
                let path = path.to_owned();
                return Err(CredentialsError::UnknownKey { path, line });
            }
        };
        if slot.is_some() {
            let path = path.to_owned();
            return Err(CredentialsError::Repeated { path, key: name });
        }
        let value = value.trim();
        *slot = Some(match value.starts_with(['"', '\'']) {
            true => quoted(value).ok_or_else(bad_line)?,
            false => Secret::new(value.to_owned()),
        });
        Ok(())
    }

    fn finish(self, path: &Path) -> Result<Credentials, CredentialsError> {
        let given = |secret: &Option<Secret>| {
            secret
                .as_ref()
                .is_some_and(|secret| !secret.expose().is_empty())
        };
        let missing: Vec<&str> = [
            ("api_key", given(&self.api_key)),
            ("api_secret", given(&self.api_secret)),
            ("passphrase", given(&self.passphrase)),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| (!is_given).then_some(name))
        .collect();
        match (self.api_key, self.api_secret, self.passphrase) {
            (Some(api_key), Some(api_secret), Some(passphrase)) if missing.is_empty() => {
                Ok(Credentials {
                    api_key,
                    api_secret,
                    passphrase,
                    environment: self.environment.map(|secret| secret.expose().to_owned()),
                })
            }
            _ => Err(CredentialsError::Missing {
                path: path.to_owned(),
                keys: missing.join(", "),
            }),
        }
    }
}

/// A TOML string with its escapes; a comment may follow it.
fn quoted(value: &str) -> Option<Secret> {
    let line = Zeroizing::new(format!("v={value}"));
    let table = DeTable::parse(&line).ok()?.into_inner();
    let (_, value) = table.into_iter().next()?;
    match value.into_inner() {
        toml::de::DeValue::String(text) => Some(Secret::new(text.into_owned())),
        _ => None,
    }
}
