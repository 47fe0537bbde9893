//! Following a journal while it grows, and real processes that are interrupted or lose their pipe.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::replaying::arguments;
use crate::story::Stage;
use millrun_replay::{Pace, Streams, run};
use model::Input;
use rustix::process::{Pid, Signal, kill_process};

/// Far beyond what a follow needs; only a hang waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for word from the writer instead of for time. Never ends a replay by itself: entries that
/// a follower does not find are a failure, not an end.
struct WithWriter {
    words: Receiver<()>,
    writer_is_done: bool,
}

impl Pace for WithWriter {
    fn is_over(&mut self) -> bool {
        false
    }

    fn wait(&mut self) {
        match self.words.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => panic!("the writer said nothing"),
            Err(RecvTimeoutError::Disconnected) => {
                // What was written between the last look and the writer's end is found by one more.
                assert!(
                    !self.writer_is_done,
                    "entries are written that the follower never saw"
                );
                self.writer_is_done = true;
            }
        }
    }
}

#[test]
fn following_shows_each_entry_once_while_another_thread_writes_over_many_segments() {
    const ENTRIES: u64 = 5_000;
    let mut stage = Stage::empty();
    let last = ENTRIES.to_string();
    let args = arguments(&stage.directory, &["--follow", "--json", "--to", &last]).unwrap();
    let (tell, words) = channel();
    let mut out = Vec::new();
    let totals = thread::scope(|scope| {
        // Borrowed, not moved: the directory must outlive the follower.
        let stage = &mut stage;
        scope.spawn(move || {
            stage.tell_beginning();
            while stage.append(&Input::Timer, &[]) < ENTRIES {
                let _ = tell.send(());
            }
        });
        let mut pace = WithWriter {
            words,
            writer_is_done: false,
        };
        let streams = Streams {
            out: &mut out,
            notes: &mut std::io::sink(),
        };
        run(&args, streams, &mut pace).unwrap()
    });
    assert_eq!(totals.shown, ENTRIES);
    let told = String::from_utf8(out).unwrap();
    assert_eq!(told.lines().count(), usize::try_from(ENTRIES).unwrap());
    for (line, sequence) in told.lines().zip(1..) {
        assert!(
            line.starts_with(&format!("{{\"sequence\":{sequence},")),
            "{line}"
        );
    }
    assert!(
        told.lines().last().unwrap().contains("\"segment\":4"),
        "over many segments"
    );
}

#[test]
fn following_ends_at_to_and_at_the_limit_without_waiting_for_more() {
    let stage = Stage::told();
    for options in [["--follow", "--to", "13"], ["--follow", "--limit", "3"]] {
        let args = arguments(&stage.directory, &options).unwrap();
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let streams = Streams {
            out: &mut out,
            notes: &mut notes,
        };
        let totals = run(&args, streams, &mut crate::replaying::NoWait).unwrap();
        assert!(totals.shown == 13 || totals.shown == 3);
    }
}

fn follow_process(stage: &Stage) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_millrun-replay"))
        .args(["--follow", "--dir"])
        .arg(&stage.directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Reads lines up to the header of an entry.
fn read_to(out: &mut impl BufRead, sequence: u64) {
    let wanted = sequence.to_string();
    for line in out.lines() {
        if line.unwrap().split_whitespace().next() == Some(&wanted) {
            return;
        }
    }
    panic!("the output ended before entry {sequence}");
}

/// The exit code, and what was written to standard error.
fn ending(child: Child) -> (Option<i32>, String) {
    let id = process_of(&child);
    let (tell, ended) = channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(PATIENCE) else {
        kill_process(id, Signal::KILL).unwrap();
        panic!("the process did not end");
    };
    let output = output.unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn process_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

#[test]
fn a_followed_journal_shows_new_entries_and_ends_cleanly_on_a_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut stage = Stage::empty();
        stage.tell_beginning();
        let (child, mut out) = follow_process(&stage);
        read_to(&mut out, 4);
        let added = stage.append(&Input::Timer, &[]);
        read_to(&mut out, added);
        kill_process(process_of(&child), signal).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "entries=5 shown=5\n");
        assert_eq!(ending(child), (Some(0), String::new()));
    }
}

#[test]
fn a_quiet_follow_ends_when_its_reader_closes_the_pipe() {
    let mut stage = Stage::empty();
    stage.tell_beginning();
    let (child, mut out) = follow_process(&stage);
    read_to(&mut out, 4);
    drop(out);
    assert_eq!(ending(child), (Some(0), String::new()));
}

#[test]
fn the_process_reports_errors_on_standard_error_with_the_exit_code_of_the_help_text() {
    let replay = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_millrun-replay"))
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, words) = replay(&["--dir", "/nonexistent/journal"]);
    assert_eq!(code, Some(1));
    assert!(
        words.starts_with("error: JOURNAL_IO: /nonexistent/journal"),
        "{words}"
    );
    assert_eq!(replay(&["--kind", "nothing"]).0, Some(2));
    let output = Command::new(env!("CARGO_BIN_EXE_millrun-replay"))
        .arg("--help")
        .output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(
        help.contains("Exit codes:") && help.contains("Examples:"),
        "{help}"
    );
}
