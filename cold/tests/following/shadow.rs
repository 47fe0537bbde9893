//! The shadow: it decides the same as the engine, writes snapshots, and finds what was not decided
//! so.

use crate::journal_with_engine::Written;
use millrun_cold::shadow::{Shadow, ShadowNotice, ShadowSettings};
use millrun_cold::snapshots::Snapshots;
use model::Decision;
use model::input::Input;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far beyond what anything here takes.
const WITHIN: Duration = Duration::from_secs(60);

fn start(written: &Written, snapshot_every: u64) -> (Shadow, Receiver<ShadowNotice>) {
    let (told, notices) = channel();
    let settings = ShadowSettings {
        journal_directory: written.journal_directory(),
        snapshots: Snapshots::of_journal(&written.journal_directory()),
        aside_directory: written.data().join("aside"),
        run_epoch: written.epoch(),
        snapshot_every,
        snapshots_kept: 2,
    };
    let notify = move |notice| drop(told.send(notice));
    (Shadow::start(settings, Arc::new(notify)).unwrap(), notices)
}

#[test]
fn a_shadow_decides_the_same_while_the_engine_works_and_leaves_snapshots_that_are_used() {
    let mut written = Written::new();
    let (shadow, notices) = start(&written, 100);
    written.orders(200);
    let snapshot = loop {
        match notices.recv_timeout(WITHIN).unwrap() {
            ShadowNotice::SnapshotWritten { sequence, .. } => break sequence,
            ShadowNotice::Following { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(snapshot >= 100);
    let figures = shadow.figures();
    shadow.stop();
    assert_eq!(figures.sequence(), written.last_sequence());
    assert_eq!(figures.diverged(), 0);
    assert_eq!(
        figures.reexecuted() + figures.folded(),
        written.last_sequence(),
        "every entry was taken once"
    );
    assert!(figures.reexecuted() > 0);

    let (again, notices) = start(&written, u64::MAX);
    match notices.recv_timeout(WITHIN).unwrap() {
        ShadowNotice::Following { snapshot, .. } => {
            assert!(snapshot.is_some(), "it begins with the snapshot");
        }
        other => panic!("{other:?}"),
    }
    again.stop();
}

#[test]
fn a_recorded_decision_that_the_engine_does_not_take_is_found_and_both_states_are_put_aside() {
    let mut written = Written::new();
    written.orders(20);
    let (shadow, notices) = start(&written, u64::MAX);
    let request = written.request();
    let planted = written.append(&Input::Request(request), |decisions| {
        let mut changed = decisions.to_vec();
        for decision in &mut changed {
            if let Decision::Order(change) = decision {
                change.limit_price = model::Price::from_units(1);
            }
        }
        changed
    });
    let diverged = loop {
        match notices.recv_timeout(WITHIN).unwrap() {
            ShadowNotice::Diverged {
                sequence,
                at,
                decisions,
                aside,
            } => break (sequence, at, decisions, aside),
            ShadowNotice::Following { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    let (sequence, at, decisions, aside) = diverged;
    assert_eq!((sequence, at), (planted, 0));
    assert!(decisions.contains("recorded"), "{decisions}");
    assert_eq!(aside.len(), 4, "two states, each as bytes and as text");
    assert!(aside.iter().all(|path| path.exists()));
    let [recorded, decided] = ["recorded", "decided"].map(|name| {
        let path = aside
            .iter()
            .find(|path| path.to_string_lossy().ends_with(&format!("{name}.json")));
        std::fs::read_to_string(path.unwrap()).unwrap()
    });
    assert_ne!(recorded, decided);
    let figures = shadow.figures();
    shadow.stop();
    assert_eq!(figures.diverged(), planted);
    assert_eq!(figures.sequence(), written.last_sequence(), "it goes on");
}
