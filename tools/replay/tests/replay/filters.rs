//! Each option that selects, alone and together.

use crate::replaying::replay;
use crate::story::{Stage, order_id};
use millrun_replay::Totals;
use model::Input;
use model::input::NotSentReason;

fn check(options: &[&str], expected: &[u64]) {
    let stage = Stage::told();
    for form in [&[][..], &["--json"]] {
        let given: Vec<&str> = options.iter().chain(form).copied().collect();
        let replayed = replay(&stage.directory, &given);
        assert_eq!(replayed.sequences(), expected, "{given:?}");
        let shown = u64::try_from(expected.len()).unwrap();
        assert_eq!(replayed.result.unwrap().shown, shown, "{given:?}");
    }
}

#[test]
fn without_options_every_entry_is_shown_once_and_in_order() {
    check(&[], &(1..=13).collect::<Vec<u64>>());
}

#[test]
fn from_and_to_are_both_included() {
    check(&["--from", "3", "--to", "5"], &[3, 4, 5]);
    check(&["--from", "13"], &[13]);
    check(&["--to", "1"], &[1]);
    check(&["--from", "14"], &[]);
    check(&["--from", "0", "--to", "2"], &[1, 2]);
}

#[test]
fn kinds_are_named_in_any_case_and_in_a_list() {
    check(&["--kind", "Request"], &[5, 9, 12]);
    check(&["--kind", "venueframe,Timer"], &[7, 8, 11, 13]);
    check(&["--kind", "Sent", "--kind", "Timer"], &[6, 10, 13]);
    check(&["--kind", "Checkpoint"], &[]);
}

#[test]
fn an_order_is_followed_from_request_over_sockets_and_frames_to_its_end() {
    let id = order_id().to_string();
    check(&["--order", &id], &[5, 6, 7, 8, 9, 10, 11]);
    check(&["--order", "1"], &[]);
}

#[test]
fn stamps_of_an_order_are_found_although_its_intent_is_not_shown() {
    let id = order_id().to_string();
    check(&["--order", &id, "--kind", "Sent"], &[6, 10]);
    check(&["--order", &id, "--from", "6", "--to", "6"], &[6]);
}

#[test]
fn an_intent_that_was_not_sent_is_found_by_its_order_and_a_foreign_one_is_not() {
    let mut stage = Stage::told();
    stage.journal = Some(journal::Journal::open(&crate::story::options(&stage.directory)).unwrap());
    for intent_seq in [2, 3] {
        let reason = NotSentReason::LinkGone;
        stage.append(&Input::NotSent { intent_seq, reason }, &[]);
    }
    let id = order_id().to_string();
    let replayed = replay(&stage.directory, &["--order", &id, "--from", "12"]);
    assert_eq!(replayed.sequences(), [14]);
}

#[test]
fn a_strategy_is_named_by_name_or_number() {
    check(&["--strategy", "grid"], &[3, 5, 6, 7, 8, 9, 10, 11]);
    check(&["--strategy", "0"], &[3, 5, 6, 7, 8, 9, 10, 11]);
    check(&["--strategy", "hedge"], &[12]);
}

#[test]
fn an_instrument_is_named_by_its_symbol() {
    check(&["--instrument", "BTC-USDT"], &[5, 6, 7, 8, 9, 10, 11]);
    check(&["--instrument", "ETH-USDT"], &[12]);
}

#[test]
fn grep_looks_into_raw_frames_only() {
    check(&["--grep", "partially_filled"], &[8]);
    check(&["--grep", "\"code\":\"0\""], &[7]);
    check(&["--grep", "grid"], &[]);
    check(&["--grep", ""], &[7, 8, 11]);
}

#[test]
fn filters_combine() {
    check(&["--strategy", "grid", "--instrument", "ETH-USDT"], &[]);
    check(&["--strategy", "hedge", "--instrument", "ETH-USDT"], &[12]);
    check(
        &[
            "--kind",
            "Request,Sent",
            "--strategy",
            "grid",
            "--from",
            "6",
        ],
        &[6, 9, 10],
    );
}

#[test]
fn the_limit_counts_entries_that_are_shown() {
    check(&["--limit", "2"], &[1, 2]);
    check(&["--kind", "VenueFrame", "--limit", "2"], &[7, 8]);
}

#[test]
fn the_totals_count_what_was_read_and_what_was_shown() {
    let stage = Stage::told();
    let replayed = replay(&stage.directory, &["--kind", "Request"]);
    assert_eq!(replayed.out.lines().last(), Some("entries=13 shown=3"));
    let expected = Totals {
        entries: 13,
        shown: 3,
    };
    assert_eq!(replayed.result.unwrap(), expected);
}

#[test]
fn a_journal_over_many_segments_is_read_whole() {
    let mut stage = Stage::empty();
    stage.tell_beginning();
    stage.append_large_frames(300);
    let replayed = replay(&stage.directory, &["--from", "290", "--json"]);
    assert_eq!(replayed.sequences(), (290..=304).collect::<Vec<u64>>());
    assert_eq!(replayed.result.unwrap().entries, 304);
}
