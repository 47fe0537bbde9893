//! `millrun replay` as the tests run it: options as on the command line, output as text.

use std::path::Path;

use millrun_replay::{Pace, ReplayArgs, ReplayError, Streams, Totals, run};

/// Ends a replay that does not follow where the journal ends.
pub(crate) struct NoWait;

impl Pace for NoWait {
    fn is_over(&mut self) -> bool {
        false
    }

    fn wait(&mut self) {
        panic!("a replay that does not follow must not wait");
    }
}

/// What a replay gave.
pub(crate) struct Replayed {
    pub(crate) result: Result<Totals, ReplayError>,
    pub(crate) out: String,
    pub(crate) notes: String,
}

impl Replayed {
    /// The sequences that were shown, in text or JSON.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        let first_word = |line: &str| match line.strip_prefix("{\"sequence\":") {
            Some(rest) => rest
                .split(',')
                .next()
                .and_then(|number| number.parse().ok()),
            None => line
                .split_whitespace()
                .next()
                .and_then(|number| number.parse().ok()),
        };
        self.out.lines().filter_map(first_word).collect()
    }
}

/// The options as the command line reads them.
pub(crate) fn arguments(directory: &Path, options: &[&str]) -> Result<ReplayArgs, clap::Error> {
    use clap::{Args, FromArgMatches};
    let command = ReplayArgs::augment_args(clap::Command::new("replay"));
    let given = ["replay", "--dir", directory.to_str().unwrap()];
    let matches = command.try_get_matches_from(given.iter().chain(options))?;
    ReplayArgs::from_arg_matches(&matches)
}

/// A replay with these options.
pub(crate) fn replay(directory: &Path, options: &[&str]) -> Replayed {
    let args = arguments(directory, options).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let streams = Streams {
        out: &mut out,
        notes: &mut notes,
    };
    let result = run(&args, streams, &mut NoWait);
    Replayed {
        result,
        out: String::from_utf8(out).unwrap(),
        notes: String::from_utf8(notes).unwrap(),
    }
}
