//! The verdict on a file: each vector read, built, checked; nothing passed over.

use crate::args::Args;
use crate::compare;
use crate::okx;
use crate::schema::{Unknown, Vector, VectorFile, known_members, text_member};

/// How a file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every vector passed.
    Passed,
    /// Some failed, all were known.
    Failed,
    /// Something was not known.
    Unknown,
}

/// What is printed.
#[derive(Default)]
pub(crate) struct Report {
    /// One line per vector.
    pub(crate) lines: Vec<String>,
    /// Vectors of the file.
    pub(crate) total: usize,
    /// Those that passed.
    pub(crate) passed: usize,
    /// Those that did not, unknown ones included.
    pub(crate) failed: usize,
    unknown: bool,
}

/// Why a vector did not pass.
#[derive(Debug)]
enum Fault {
    Unknown(Unknown),
    Failed(String),
}

impl From<Unknown> for Fault {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

impl Report {
    /// The report on a file that could not be read.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self {
            lines: vec![format!("UNKNOWN file: {reason}")],
            unknown: true,
            ..Self::default()
        }
    }

    /// The file's verdict.
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.unknown, self.failed) {
            (true, _) => Outcome::Unknown,
            (false, 0) => Outcome::Passed,
            (false, _) => Outcome::Failed,
        }
    }
}

/// Runs every vector of a file's text.
pub(crate) fn run(text: &str) -> Report {
    let file = match VectorFile::read(text) {
        Ok(file) => file,
        Err(Unknown(what)) => return Report::unreadable(&what),
    };
    let mut report = Report {
        total: file.vectors.len(),
        ..Report::default()
    };
    for (place, json) in file.vectors.iter().enumerate() {
        let named = json.get("name").and_then(serde_json::Value::as_str);
        let name = named.map_or_else(|| format!("[{place}]"), str::to_owned);
        let verdict = Vector::read(json)
            .map_err(Fault::from)
            .and_then(|vector| run_vector(&file.venue, &vector));
        match verdict {
            Ok(()) => {
                report.passed += 1;
                report.lines.push(format!("PASS {name}"));
            }
            Err(Fault::Failed(reason)) => {
                report.failed += 1;
                report.lines.push(format!("FAIL {name}: {reason}"));
            }
            Err(Fault::Unknown(Unknown(what))) => {
                report.failed += 1;
                report.unknown = true;
                report.lines.push(format!("UNKNOWN {name}: {what}"));
            }
        }
    }
    report
}

fn run_vector(venue: &str, vector: &Vector) -> Result<(), Fault> {
    if venue != "okx" {
        let operation = &vector.operation;
        return Err(Unknown(format!("operation {operation} of venue {venue}")).into());
    }
    known_members(&vector.expected, okx::EXPECTED_MEMBERS, "expected")?;
    let not_known = |check: &&String| !okx::CHECKS.contains(&check.as_str());
    if let Some(check) = vector.checks.iter().find(not_known) {
        return Err(Unknown(format!("check {check}")).into());
    }
    let args = Args::new(vector.args.clone(), &vector.operation);
    let built = okx::build(&vector.operation, args)?;
    for check in &vector.checks {
        let verdict = match check.as_str() {
            "signature" => check_signature(&built, vector)?,
            _ => match &built.encoded {
                Ok(message) => compare::check(message, vector),
                Err(refusal) => Err(refusal.clone()),
            },
        };
        verdict.map_err(|reason| Fault::Failed(format!("{check}: {reason}")))?;
    }
    Ok(())
}

fn check_signature(built: &okx::Built, vector: &Vector) -> Result<Result<(), String>, Unknown> {
    for member in ["string_to_sign", "signature"] {
        if !vector.expected.contains_key(member) {
            return Ok(Err(format!("{member} is not given")));
        }
    }
    let text = text_member(&vector.expected, "string_to_sign")?;
    let expected = text_member(&vector.expected, "signature")?;
    let ours = match built.sign(&text) {
        Ok(signature) => String::from_utf8_lossy(&signature).into_owned(),
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(if ours == expected {
        Ok(())
    } else {
        Err(format!("ours is {ours}, expected {expected}"))
    })
}
