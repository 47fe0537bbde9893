//! Seeded histories of the strict gate: a disk that is late, stalls or fails, connections that go,
//! strategies that change their mind.

use crate::paper_ports::Paper;
use model::input::{LinkState, NotSentReason};
use model::{CommandKind, RequestId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

const SEEDS: u64 = 150;
const STEPS: u32 = 300;

struct Totals {
    sent: usize,
    given_back: usize,
    failed_disks: u32,
}

/// One history; panics at the first broken promise.
fn history(seed: u64, totals: &mut Totals) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut paper = Paper::live(rng.random_range(1..12));
    let mut orders: Vec<RequestId> = Vec::new();
    let mut checked = 0;
    let stall = rng.random_range(1..100);
    for _ in 0..STEPS {
        for _ in 0..rng.random_range(0..3) {
            let mine = orders.last().copied();
            match (rng.random_range(0..10), mine) {
                (0..5, _) | (_, None) => orders.push(paper.buy(rng.random_range(0..3))),
                (5..7, Some(order)) => {
                    paper.replace(order, rng.random_range(20..24) * 5);
                }
                (_, Some(_)) => {
                    let order = orders.swap_remove(rng.random_range(0..orders.len()));
                    paper.cancel(order);
                }
            }
        }
        if rng.random_range(0..100) == 0 {
            let venue = rng.random_range(0..2);
            let is_down = paper.turn.venues.down[usize::from(venue)];
            let state = if is_down {
                LinkState::Up
            } else {
                LinkState::Down
            };
            paper.link(venue, state);
            paper.run();
            if state == LinkState::Up {
                paper.sweep(venue);
            }
        }
        if rng.random_range(0..400) == 0 && !paper.turn.journal.has_failed {
            paper.turn.journal.has_failed = true;
            totals.failed_disks += 1;
        }
        if rng.random_range(0..100) < stall && !paper.turn.journal.has_failed {
            let to = paper.turn.journal.entries.len() as u64;
            let from = paper.turn.journal.synced;
            paper.turn.journal.synced = rng.random_range(from..=to);
        }
        paper.run();
        // What was sent in this turn was on the disk before it, but for cancels.
        for (entry, intent) in &paper.turn.venues.sent[checked..] {
            let is_cancel = intent.command == CommandKind::Cancel;
            assert!(
                is_cancel || *entry <= paper.turn.journal.synced,
                "{intent:?}"
            );
        }
        checked = paper.turn.venues.sent.len();
        paper.pass_ms(rng.random_range(0..60));
    }
    conclude(&paper, totals);
}

fn conclude(paper: &Paper, totals: &mut Totals) {
    let sent: Vec<u64> = paper
        .turn
        .venues
        .sent
        .iter()
        .map(|(_, i)| i.intent_seq)
        .collect();
    let once: BTreeSet<u64> = sent.iter().copied().collect();
    assert_eq!(once.len(), sent.len(), "no intent is sent twice");
    let back = paper.given_back();
    let came_back: BTreeSet<u64> = back.iter().map(|(intent, _)| *intent).collect();
    assert_eq!(came_back.len(), back.len(), "no intent comes back twice");
    assert!(
        once.is_disjoint(&came_back),
        "what was sent does not come back"
    );
    for venue in [0, 1] {
        let of_venue = |instrument: u32| (instrument == 2) == (venue == 1);
        let orders = paper.turn.venues.sent.iter().filter(|(_, intent)| {
            of_venue(intent.instrument.0) && intent.command != CommandKind::Cancel
        });
        assert!(orders.map(|(_, intent)| intent.intent_seq).is_sorted());
    }
    paper.decides_again();
    totals.sent += sent.len();
    totals.given_back += back.len();
}

// covers: P1 P11
#[test]
fn every_seed_sends_nothing_but_cancels_before_its_sync_and_nothing_twice() {
    let mut totals = Totals {
        sent: 0,
        given_back: 0,
        failed_disks: 0,
    };
    for seed in 1..=SEEDS {
        history(seed, &mut totals);
    }
    println!(
        "seeds={SEEDS} sent={} given_back={} failed_disks={}",
        totals.sent, totals.given_back, totals.failed_disks
    );
    assert!(totals.sent > 1_000 && totals.given_back > 100 && totals.failed_disks > 10);
}

#[test]
fn every_reason_to_give_back_is_met_by_the_seeds() {
    let mut reasons = BTreeSet::new();
    for seed in 1..=40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut paper = Paper::live(6);
        let order = paper.buy(rng.random_range(0..3));
        paper.run();
        match seed % 4 {
            0 => {
                paper.cancel(order);
            }
            1 => paper.link(0, LinkState::Down),
            2 => paper.pass_ms(500),
            _ => paper.turn.journal.has_failed = true,
        }
        paper.run();
        reasons.extend(
            paper
                .given_back()
                .into_iter()
                .map(|(_, reason)| reason.name()),
        );
        paper.decides_again();
    }
    let all = [
        NotSentReason::LinkGone,
        NotSentReason::TooOld,
        NotSentReason::JournalFailed,
        NotSentReason::Withdrawn,
    ];
    assert_eq!(reasons, all.map(NotSentReason::name).into());
}
