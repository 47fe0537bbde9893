//! What can be wrong with a configuration, where, and what to do about it.
//!
//! Owns every message that an operator reads about configuration. Invariants: one line per problem
//! in the form `place: key: what is wrong; the limit; what to do`; no value of a key that might be
//! a secret is ever in a message. Must not know: how values are read. Threads: none.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file, at a line counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Environment {
        /// The variable.
        variable: String,
    },
    /// Nowhere: the built-in default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment:{variable}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// The key with its section, as `engine.order_capacity`.
    pub key: String,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.key, self.problem)
    }
}

/// Everything that is wrong with one configuration, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors {
    list: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The errors.
    pub fn list(&self) -> &[ConfigError] {
        &self.list
    }

    pub(super) fn add(&mut self, place: &Place, key: impl Into<String>, problem: Problem) {
        self.list.push(ConfigError {
            place: place.clone(),
            key: key.into(),
            problem,
        });
    }

    /// `Ok(value)` when nothing is wrong.
    pub(super) fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        self.list.sort_by(|one, other| one.place.cmp(&other.place));
        self.list.dedup();
        self.drop_echoes_of_syntax();
        if self.list.is_empty() {
            return Ok(value);
        }
        Err(self)
    }

    /// Of a line that cannot be read only the first error counts, and a key that is missing may be
    /// what that line was meant to be.
    fn drop_echoes_of_syntax(&mut self) {
        let is_syntax = |error: &ConfigError| matches!(error.problem, Problem::Syntax(_));
        let unread: Vec<ConfigError> = self.list.iter().filter(|e| is_syntax(e)).cloned().collect();
        if unread.is_empty() {
            return;
        }
        self.list.retain(|error| {
            let first = unread.iter().find(|unread| unread.place == error.place);
            !matches!(
                error.problem,
                Problem::Missing { .. } | Problem::MissingLimit
            ) && first.is_none_or(|first| first == error)
        });
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What is wrong with a key. Each prints what was found, the limit, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read; holds why.
    #[error("the file cannot be read: {0}; give an existing, readable file with --config")]
    Unreadable(String),
    /// The file is longer than a configuration may be.
    #[error("the file has more than {max_bytes} bytes; at most those; is it the right file?")]
    FileTooLong {
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// The text is not TOML here; holds what the reader says.
    #[error("not TOML: {0}; correct the line")]
    Syntax(String),
    /// The key or table is written twice.
    #[error("written twice; at most once; remove one of the two")]
    Duplicate,
    /// No such key in this section.
    #[error("no such key; only known keys are allowed; {}", advice(.nearest))]
    Unknown {
        /// The nearest known key.
        nearest: Option<&'static str>,
    },
    /// No such section.
    #[error("no such section; only {known} are allowed; remove it, or see millrun.example.toml")]
    UnknownSection {
        /// The known ones.
        known: String,
    },
    /// The key exists with another unit.
    #[error("wrong unit; the key is `{expected}`; rename it and convert the value")]
    WrongUnit {
        /// The known key.
        expected: &'static str,
    },
    /// The key names a secret.
    #[error(
        "secrets are not read from here; only from a file of mode 0600; remove it, put it into the \
         venue's credentials_file, and change the key at the venue if others could read it here"
    )]
    SecretKey,
    /// A required key or section is not there.
    #[error("missing; it has no default; write `{example}`")]
    Missing {
        /// What to write.
        example: String,
    },
    /// A limit is neither here nor in `[risk]`.
    #[error(
        "missing; without it nothing starts (0 means none allowed, nothing means unlimited); \
         write it here or in [risk]"
    )]
    MissingLimit,
    /// A value of another type.
    #[error("is {found}; must be {expected}; write it so")]
    WrongKind {
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A number outside its range.
    #[error("{found} is out of range; {min} to {max}; choose a value in it")]
    OutOfRange {
        /// What was written.
        found: String,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A capacity that is no power of two.
    #[error("{found} is no power of two; it must be one; write {next}")]
    NotPowerOfTwo {
        /// What was written.
        found: u64,
        /// The next larger one.
        next: u64,
    },
    /// A word that is not one of the words.
    #[error("`{}` is not allowed; one of {}; choose one", printable(.found), .choices.join(", "))]
    NotAChoice {
        /// What was written.
        found: String,
        /// The words.
        choices: &'static [&'static str],
    },
    /// A text that is no decimal number of zero or more.
    #[error("`{}` {why}; a decimal number of 0 or more; write it as \"12.5\"", printable(.found))]
    NotDecimal {
        /// What was written.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name with other characters, or too long.
    #[error("`{}` is no usable name; 1 to {max_bytes} of {alphabet}; rename it", printable(.found))]
    BadName {
        /// What was written.
        found: String,
        /// Longest allowed.
        max_bytes: usize,
        /// The characters allowed.
        alphabet: &'static str,
    },
    /// A path that cannot be used; holds what is wrong, the limit, and what to do.
    #[error("{0}")]
    BadPath(String),
    /// A URL that cannot be used.
    #[error("{why}; only TLS to a host and a port; write it as {expected}")]
    BadUrl {
        /// What is wrong.
        why: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// The parts of a venue belong to different environments; holds which, and what to do.
    #[error("ENV_MISMATCH: {0}")]
    EnvMismatch(String),
    /// Two values contradict each other; holds which, the limit, and what to do.
    #[error("{0}")]
    Conflict(String),
    /// A name that is already taken.
    #[error("`{name}` is already used at {first}; each may be there once; rename or remove one")]
    NotUnique {
        /// The name.
        name: String,
        /// Where it was first used.
        first: Place,
    },
    /// An instrument names a venue that has no section.
    #[error("no [venue.{}]; there is {known}; correct the name or add it", printable(.found))]
    UnknownVenue {
        /// The venue.
        found: String,
        /// The venues there are.
        known: String,
    },
    /// More entries than there may be.
    #[error("there are {found}; at most {max}; remove some")]
    TooMany {
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A variable of the environment that sets nothing.
    #[error(
        "the environment cannot set this; only MILLRUN_<SECTION>__<KEY> and \
         MILLRUN_VENUE__<NAME>__<KEY> of known keys; unset it and write the value into the file"
    )]
    NoOverride,
    /// The venue does not list the instrument.
    #[error(
        "venue {venue} does not list {symbol}; only listed instruments trade; correct the symbol \
         or remove the instrument"
    )]
    NotAtVenue {
        /// The venue.
        venue: String,
        /// The instrument.
        symbol: String,
    },
    /// A rule of the venue is not usable.
    #[error(
        "the venue's {rule} `{}` is not usable: {why}; remove the instrument",
        printable(.found)
    )]
    BadVenueRule {
        /// Which rule.
        rule: &'static str,
        /// What the venue said.
        found: String,
        /// What is wrong with it.
        why: String,
    },
    /// The venue's step became finer than what the journal can hold.
    #[error(
        "SCALE_TOO_COARSE: {symbol} now has {rule} {found}, finer than the {scale} decimal places \
         that the journal fixed; remove the instrument, or start a new journal while flat"
    )]
    ScaleTooCoarse {
        /// The instrument.
        symbol: String,
        /// `tick`, `lot` or `multiplier`.
        rule: &'static str,
        /// The venue's value now.
        found: String,
        /// Decimal places that the journal has.
        scale: u8,
    },
    /// A limit with more decimal places than the instrument's units have.
    #[error("{found} has more than {scale} decimal places; limits are never rounded; shorten it")]
    LimitTooFine {
        /// What was written.
        found: String,
        /// Decimal places there are.
        scale: u8,
    },
    /// A limit that the instrument's units cannot hold.
    #[error("{found} does not fit {bits} bits at {scale} decimal places; write a smaller limit")]
    LimitTooLarge {
        /// What was written.
        found: String,
        /// Bits of a count.
        bits: u8,
        /// Decimal places there are.
        scale: u8,
    },
    /// The journal knows something that the file took away or changed; holds what, and what to do.
    #[error("{0}")]
    ChangedInJournal(String),
}

fn advice(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? else remove it"),
        None => "remove it, or see millrun.example.toml".to_owned(),
    }
}

/// At most 64 characters of what an operator wrote, without control characters.
fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(64)
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect();
    if text.chars().count() > 64 {
        shown.push('…');
    }
    shown
}
