//! `millrun latency`: options in, table, files and exit code out. Threads: one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::LatencyArgs;
use crate::collect::collect;
use crate::failure::LatencyError;
use crate::percentile_text::percentile_text;
use crate::plot::svg;
use crate::png::png;
use crate::report::Report;
use crate::table::table;

/// Entries between two looks at the progress bar.
const ENTRIES_PER_TICK: u64 = 4_096;

/// Makes the report of the journal in `directory` and prints it. Exit codes are in the help text.
pub fn run_cli(arguments: &LatencyArgs, directory: &Path) -> ExitCode {
    match run(arguments, directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A standard error that is closed leaves the exit code to tell it.
            let _ = writeln!(io::stderr(), "millrun: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: &LatencyArgs, directory: &Path) -> Result<(), LatencyError> {
    let selection = arguments.selection()?;
    let bar = progress_bar(directory);
    let collected = collect(directory, &selection, |segment, entries| {
        if entries.is_multiple_of(ENTRIES_PER_TICK) {
            bar.set_position(u64::from(segment));
            bar.set_message(format!("{entries} entries"));
        }
    });
    bar.finish_and_clear();
    let report = Report::new(collected?);
    let mut written = Vec::new();
    if let Some(directory) = &arguments.hgrm {
        written.extend(write_percentiles(&report, directory)?);
    }
    if let Some(path) = &arguments.hlog {
        written.push(write(path, &report.collected.interval_log)?);
    }
    if arguments.svg.is_some() || arguments.png.is_some() {
        let title = arguments.title.as_deref().unwrap_or("Latency by stage");
        let picture = svg(&report, title);
        if let Some(path) = &arguments.svg {
            written.push(write(path, picture.as_bytes())?);
        }
        if let Some(path) = &arguments.png {
            written.push(write(path, &png(&picture)?)?);
        }
    }
    let text = if arguments.json {
        format!("{:#}\n", report.json())
    } else {
        let files = written
            .iter()
            .map(|path| format!("wrote {}\n", path.display()));
        table(&report) + &files.collect::<String>()
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| LatencyError::Output {
            path: "standard output".into(),
            source,
        }),
    }
}

/// Segments so far, on a terminal; shown only when it takes longer than a blink.
fn progress_bar(directory: &Path) -> ProgressBar {
    let segments = fs::read_dir(directory).map_or(0, |entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".mrj")).count()
    });
    let bar = ProgressBar::new(u64::try_from(segments).unwrap_or(0));
    let style = ProgressStyle::with_template("reading {bar:30} {pos}/{len} segments, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn write_percentiles(report: &Report, directory: &Path) -> Result<Vec<PathBuf>, LatencyError> {
    let failed = |source| LatencyError::Output {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let mut written = Vec::new();
    for (venue, stage, histogram) in report.collected.histograms.iter() {
        let venues = report.collected.venues.iter();
        let named = venues.filter(|(id, _)| *id == venue).map(|(_, name)| name);
        for name in named {
            let path = directory.join(format!("{name}.{}.hgrm", stage.name()));
            written.push(write(&path, percentile_text(histogram).as_bytes())?);
        }
    }
    Ok(written)
}

fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, LatencyError> {
    fs::write(path, bytes).map_err(|source| LatencyError::Output {
        path: path.to_owned(),
        source,
    })?;
    Ok(path.to_owned())
}
