//! Real processes, killed for real: what a writer reported as committed is there afterwards.
//!
//! The binary starts itself again as the writer, by the name of one of its own tests.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fixture::{append_next, expected, options_for, read_from, seen_of};
use millrun_journal::recovery::RecoveryCase;
use millrun_journal::{AppendError, Follower, Journal, Mode};

const ROLE: &str = "MILLRUN_JOURNAL_TEST_ROLE";
const DIRECTORY: &str = "MILLRUN_JOURNAL_TEST_DIRECTORY";

/// The arguments by which this binary runs only its child's part.
const CHILD_ARGUMENTS: [&str; 3] = ["the_part_of_a_child_process", "--exact", "--nocapture"];

/// What a child does; in a run of the tests themselves no role is set, and that is all it sees to.
#[test]
fn the_part_of_a_child_process() {
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    match (std::env::var(ROLE).as_deref(), directory) {
        (Ok("write"), Some(directory)) => write_for_ever(&directory),
        (Ok("file_size_limit"), Some(directory)) => write_until_full(&directory),
        (role, directory) => assert!(role.is_err() && directory.is_none(), "no other role"),
    }
}

/// Child: appends, and reports each sequence after its commit.
fn write_for_ever(directory: &Path) {
    let mut options = options_for(directory);
    if directory.ends_with("group") {
        options.mode = Mode::Group;
    }
    let mut journal = Journal::open(&options).unwrap();
    // Standard output belongs to the test harness.
    let mut out = std::io::stderr();
    loop {
        let committed = append_next(&mut journal.writer);
        if committed.sequence().is_multiple_of(64) {
            while journal.writer.pad_to_page(1).is_err() {
                std::thread::yield_now(); // the spare is on its way
            }
        }
        if out.write_all(&committed.sequence().to_le_bytes()).is_err() {
            return; // the parent is gone
        }
    }
}

/// Child under `ulimit -f`: the journal cannot grow, which must be an error and not a signal.
fn write_until_full(directory: &Path) {
    let error = Journal::open(&options_for(directory)).unwrap_err();
    eprint!("{error}");
}

struct Writer {
    child: Child,
}

impl Writer {
    fn start(directory: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(CHILD_ARGUMENTS)
            .env(ROLE, "write")
            .env(DIRECTORY, directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn next_reported(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        let out = self.child.stderr.as_mut().unwrap();
        out.read_exact(&mut bytes)
            .ok()
            .map(|()| u64::from_le_bytes(bytes))
    }

    /// Kills with SIGKILL; gives the last sequence that got out before.
    fn kill(mut self, mut last: u64) -> u64 {
        self.child.kill().unwrap();
        while let Some(reported) = self.next_reported() {
            last = reported;
        }
        self.child.wait().unwrap();
        last
    }
}

// covers: C08
#[test]
fn no_reported_entry_is_lost_by_kill_9() {
    for mode in ["process", "group"] {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join(mode);
        let (mut before, mut torn) = (0, 0);
        let mut generator = 20_260_101_u64;
        let kills = 20;
        for _ in 0..kills {
            let mut writer = Writer::start(&directory);
            generator = generator
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let wanted = 1 + (generator >> 33) % 900;
            let mut last = before;
            for _ in 0..wanted {
                last = writer
                    .next_reported()
                    .expect("the writer runs until it is killed");
            }
            let last = writer.kill(last);
            let journal = Journal::open(&options_for(&directory)).unwrap();
            let recovered = &journal.recovered;
            assert!(
                recovered.last_sequence >= last,
                "{last} was reported and is gone"
            );
            assert!(last >= before + wanted, "numbers go on from run to run");
            torn += u64::from(recovered.case == RecoveryCase::TornTail);
            before = recovered.last_sequence;
            assert_eq!(recovered.entries, before);
        }
        assert_eq!(read_from(&directory, 1).unwrap(), expected(before));
        println!("mode={mode} kills={kills} entries={before} torn_tails={torn} lost=0");
    }
}

#[test]
fn a_follower_in_another_process_sees_all() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("process");
    let mut writer = Writer::start(&directory);
    assert_eq!(writer.next_reported(), Some(1));
    let mut follower = Follower::open(&directory, 1).unwrap();
    let count = 5_000;
    for sequence in 2..=count {
        assert_eq!(writer.next_reported(), Some(sequence));
        // It was reported after its commit, so it must be there at once.
        let entry = follower
            .poll()
            .unwrap()
            .expect("a reported entry is visible");
        let seen = seen_of(sequence - 1);
        assert_eq!(
            (entry.sequence, entry.body),
            (seen.sequence, &seen.body[..])
        );
    }
    writer.kill(count);
}

// covers: C12
#[test]
fn the_lock_of_a_killed_owner_is_taken_over() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("process");
    let mut writer = Writer::start(&directory);
    assert_eq!(writer.next_reported(), Some(1));
    let error = Journal::open(&options_for(&directory)).unwrap_err();
    assert_eq!(error.code(), "ALREADY_RUNNING");
    let pid = writer.child.id().to_string();
    assert!(
        error.to_string().contains(&pid),
        "{error} does not name {pid}"
    );
    writer.kill(1);
    assert!(Journal::open(&options_for(&directory)).is_ok());
}

// covers: D06
#[test]
fn a_file_size_limit_is_an_error_with_a_name() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("journal");
    // 16 blocks of 512 bytes or 1 KiB, by shell; either way less than a segment. The signal is
    // ignored, as the daemon does, and that is inherited.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(CHILD_ARGUMENTS)
        .env(ROLE, "file_size_limit")
        .env(DIRECTORY, &directory)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text} {:?}", output.status);
    assert!(
        text.contains("JOURNAL_FULL") && text.contains("File too large"),
        "{text}"
    );
}

#[test]
fn a_directory_in_the_way_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("journal");
    let mut journal = Journal::open(&options_for(&directory)).unwrap();
    // Something sits where segment 3 would be made: the keeper says so, the writer stops in time.
    let in_the_way = directory.join("segment-0000000003.mrj.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    let error = loop {
        let seen = seen_of(journal.writer.next_sequence());
        match journal
            .writer
            .begin(seen.kind, seen.now_ns, seen.body.len())
        {
            Ok(mut builder) => {
                builder.put(&seen.body);
                let _committed = builder.commit();
            }
            Err(AppendError::NoSpareSegment) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert_eq!(error, AppendError::Full);
    assert!(journal.writer.progress().prepare_failure().is_some());
    let last = journal.writer.last_sequence();
    std::fs::remove_dir(&in_the_way).unwrap();
    let committed = append_next_when_possible(&mut journal);
    assert_eq!(committed, last + 1, "it goes on once the cause is gone");
}

fn append_next_when_possible(journal: &mut Journal) -> u64 {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        assert!(
            std::time::Instant::now() < deadline,
            "the keeper did not try again"
        );
        let seen = seen_of(journal.writer.next_sequence());
        if let Ok(mut builder) = journal
            .writer
            .begin(seen.kind, seen.now_ns, seen.body.len())
        {
            builder.put(&seen.body);
            return builder.commit().sequence();
        }
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}
