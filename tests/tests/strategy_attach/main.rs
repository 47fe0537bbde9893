//! Strategies attach to an engine over a real socket and real memory files, die, come back, and
//! misbehave.
#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod config;
mod engine_stand_in;
mod hostile_clients;
mod killed_strategy;

use std::path::Path;
use std::time::{Duration, Instant};

use cold::attach::AttachNotice;
use config::SYMBOL;
use engine_stand_in::{EngineStandIn, PATIENCE};
use millrun_client::{
    AttachError, AttachOptions, Attached, Client, EventError, NewOrderSpec, OrderEvent,
    OrderEventKind, OrderReference, RefusalCode, Remedy, RequestError, RequestId, Resume,
    ResumeFile, Side,
};
use model::input::LossReason;

/// Most time between a death and its notice.
const HANG_UP_SEEN_WITHIN: Duration = Duration::from_millis(100);

fn data() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn attach(engine: &EngineStandIn, resume: Resume) -> Attached {
    Client::attach(&engine.socket_path, "grid", resume).unwrap()
}

fn refusal(engine: &EngineStandIn, strategy: &str) -> (RefusalCode, Remedy) {
    let error = Client::attach(&engine.socket_path, strategy, Resume::FROM_NOW).unwrap_err();
    let remedy = error.remedy();
    match error {
        AttachError::Refused { code, .. } => (code, remedy),
        other => panic!("{other}"),
    }
}

fn place(client: &mut Client) -> RequestId {
    let order = NewOrderSpec::limit(SYMBOL, Side::Buy, "0.01", "64000.1").post_only();
    client.place(&order).unwrap()
}

/// The next event, which must come.
fn event(client: &mut Client) -> OrderEvent {
    client.next_event(PATIENCE).unwrap().expect("an event")
}

/// Reads on until an event of this kind for this request.
fn event_of(client: &mut Client, kind: OrderEventKind, request: RequestId) -> Vec<OrderEvent> {
    let mut seen = Vec::new();
    loop {
        let event = event(client);
        seen.push(event);
        if event.kind == kind && event.request_id == request {
            return seen;
        }
    }
}

/// Everything until the engine is gone.
fn until_gone(client: &mut Client) -> Vec<OrderEvent> {
    let mut seen = Vec::new();
    loop {
        match client.next_event(PATIENCE) {
            Ok(event) => seen.push(event.expect("an event or the end")),
            Err(EventError::Disconnected) => return seen,
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_consecutive(events: &[OrderEvent], from: u64) {
    let numbers: Vec<u64> = events.iter().map(|event| event.event_seq).collect();
    let expected: Vec<u64> = (from..from + numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
}

// covers: HP1
#[test]
fn strategy_places_replaces_queries_and_cancels_and_gets_numbered_events() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let Attached { mut client, resync } = attach(&engine, Resume::FROM_START);
    assert_eq!((resync.generation, resync.backlog_events), (1, 0));
    assert_eq!(client.instruments().iter().count(), 1);

    let placed = place(&mut client);
    let mut events = event_of(&mut client, OrderEventKind::OrderAcknowledged, placed);
    let order = events.last().unwrap().client_order_id.unwrap();
    let asked = client.query(OrderReference::ClientOrderId(order)).unwrap();
    events.extend(event_of(&mut client, OrderEventKind::OrderState, asked));
    let replaced = client
        .replace(OrderReference::RequestId(placed), SYMBOL, "0.02", "64000.2")
        .unwrap();
    events.extend(event_of(
        &mut client,
        OrderEventKind::ReplaceSubmitted,
        replaced,
    ));
    client.cancel(order).unwrap();
    events.extend(event_of(
        &mut client,
        OrderEventKind::OrderCancelled,
        placed,
    ));
    let all = client.cancel_all(None).unwrap();
    events.extend(event_of(
        &mut client,
        OrderEventKind::CancelAllAccepted,
        all,
    ));
    let ids = [placed, asked, replaced].map(|id| id.0);
    assert_eq!(ids, [1, 2, 3]);
    assert_consecutive(&events, 1);
}

#[test]
fn both_sides_sleep_and_are_woken_without_loss() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let mut client = attach(&engine, Resume::FROM_NOW).client;
    let mut waits = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let placed = place(&mut client);
        event_of(&mut client, OrderEventKind::OrderAcknowledged, placed);
        waits.push(began.elapsed());
        assert!(matches!(
            client.next_event(Duration::from_millis(2)),
            Ok(None)
        ));
    }
    waits.sort();
    // A wake-up that is lost would cost the longest sleep, 100 ms or more.
    assert!(waits[25] < Duration::from_millis(50), "{waits:?}");
}

// covers: R08
#[test]
fn a_thousand_attachments_in_turn_miss_no_event_and_reuse_no_request_id() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| settings.event_capacity = 256);
    let mut client = attach(&engine, Resume::FROM_START).client;
    let mut seen = Vec::new();
    let mut last_request = RequestId(0);
    for generation in 2..=1_000 {
        let placed = place(&mut client);
        assert!(placed > last_request);
        last_request = placed;
        if generation % 3 == 0 {
            // Some leave with events unread, some with the request maybe not even taken.
            seen.push(event(&mut client));
        }
        let resync = client.reattach().unwrap();
        assert_eq!(resync.generation, generation);
        assert!(resync.not_taken.count() <= 1);
        assert!(resync.gaps.is_empty());
        if resync.not_taken.is_empty() {
            let events = event_of(&mut client, OrderEventKind::OrderAcknowledged, placed);
            seen.extend(events);
        }
    }
    assert_consecutive(&seen, 1);
    assert_eq!(engine.attached(), 1_000);
    // Whoever comes with an empty memory gets the same events again, from the journal.
    drop(client);
    let mut fresh = attach(&engine, Resume::FROM_START).client;
    for expected in &seen {
        assert_eq!(event(&mut fresh), *expected);
    }
}

// covers: R08
#[test]
fn after_an_engines_death_missed_events_come_first_and_untaken_requests_are_named() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let mut client = attach(&engine, Resume::FROM_START).client;
    let taken: Vec<RequestId> = (0..10).map(|_| place(&mut client)).collect();
    let last = *taken.last().unwrap();
    let mut seen = event_of(&mut client, OrderEventKind::OrderAcknowledged, last);
    engine.set(|switches| &switches.holds_requests, true);
    let asked = client.query(OrderReference::RequestId(last)).unwrap();
    let lost: Vec<RequestId> = (0..5).map(|_| place(&mut client)).collect();
    drop(engine);
    seen.extend(until_gone(&mut client));
    assert!(matches!(
        client.cancel_all(None),
        Err(RequestError::Disconnected)
    ));
    assert_eq!(client.reattach().unwrap_err().remedy(), Remedy::TryAgain);

    let engine = EngineStandIn::start(data.path());
    let resync = client.reattach().unwrap();
    let not_taken: Vec<RequestId> = resync.not_taken.ids().collect();
    let expected: Vec<RequestId> = std::iter::once(asked).chain(lost.clone()).collect();
    assert_eq!(not_taken, expected);
    let placed = place(&mut client);
    assert!(placed > *lost.last().unwrap());
    seen.extend(event_of(
        &mut client,
        OrderEventKind::OrderAcknowledged,
        placed,
    ));
    assert_consecutive(&seen, 1);
    let of_lost = seen.iter().filter(|event| lost.contains(&event.request_id));
    assert_eq!(of_lost.count(), 0);
    assert_eq!(engine.attached(), 1);
}

// covers: R09
#[test]
fn second_process_of_a_strategy_is_refused_while_the_first_lives_and_let_in_after_its_death() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let mut first = attach(&engine, Resume::FROM_NOW).client;
    assert_eq!(
        refusal(&engine, "grid"),
        (RefusalCode::RingBusy, Remedy::TryAgain)
    );
    let second = Client::attach(&engine.socket_path, "second", Resume::FROM_NOW);
    assert!(second.is_ok());
    let placed = place(&mut first);
    event_of(&mut first, OrderEventKind::OrderAcknowledged, placed);
    drop(first);
    let resync = attach(&engine, Resume::FROM_NOW).resync;
    assert_eq!(resync.generation, 2);
}

#[test]
fn a_death_on_either_side_is_seen_within_100_ms() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let client = attach(&engine, Resume::FROM_NOW).client;
    let died = Instant::now();
    drop(client);
    let (seen, reason) = engine.wait_for_losses(1);
    assert!(seen - died < HANG_UP_SEEN_WITHIN, "{:?}", seen - died);
    assert_eq!(reason, LossReason::HungUp);

    let mut sleeping = attach(&engine, Resume::FROM_NOW).client;
    let waiter = std::thread::spawn(move || {
        let error = sleeping.next_event(PATIENCE).unwrap_err();
        (Instant::now(), error)
    });
    engine.wait_for_notice(|notice| matches!(notice, AttachNotice::Attached { generation: 2, .. }));
    drop(engine);
    let died = Instant::now();
    let (seen, error) = waiter.join().unwrap();
    assert!(matches!(error, EventError::Disconnected));
    let late = seen.saturating_duration_since(died);
    assert!(late < HANG_UP_SEEN_WITHIN, "{late:?}");
}

#[test]
fn a_full_request_ring_is_an_error_and_the_id_is_not_used_up() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| settings.request_capacity = 8);
    let mut client = attach(&engine, Resume::FROM_NOW).client;
    engine.set(|switches| &switches.holds_requests, true);
    let placed: Vec<RequestId> = (0..8).map(|_| place(&mut client)).collect();
    let order = NewOrderSpec::limit(SYMBOL, Side::Buy, "0.01", "64000.1");
    let error = client.place(&order).unwrap_err();
    assert!(matches!(error, RequestError::Full));
    assert_eq!(client.last_request_id(), placed[7]);
    engine.set(|switches| &switches.holds_requests, false);
    event_of(&mut client, OrderEventKind::OrderAcknowledged, placed[7]);
    assert_eq!(place(&mut client).0, placed[7].0 + 1);
}

// covers: R11
#[test]
fn a_strategy_that_does_not_read_is_let_go_and_gets_the_rest_by_attaching_again() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| settings.event_capacity = 16);
    let mut client = attach(&engine, Resume::FROM_START).client;
    for _ in 0..20 {
        place(&mut client);
    }
    let (_, reason) = engine.wait_for_losses(1);
    assert_eq!(reason, LossReason::EventOverrun);
    let mut seen = Vec::new();
    let mark = loop {
        match client.next_event(PATIENCE) {
            Ok(event) => seen.push(event.unwrap()),
            Err(EventError::Overrun { mark }) => break mark,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(mark, seen.len() as u64 + 1, "the mark is the next event");
    let resync = client.reattach().unwrap();
    assert!(resync.backlog_events >= 1);
    for _ in 0..resync.backlog_events {
        seen.push(event(&mut client));
    }
    assert_consecutive(&seen, 1);
}

#[test]
fn a_strategy_that_claims_events_the_journal_never_held_must_start_over() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let resume = Resume {
        last_event_seq: Some(1),
        last_request_id: RequestId(0),
    };
    let error = Client::attach(&engine.socket_path, "grid", resume).unwrap_err();
    assert_eq!(error.remedy(), Remedy::StartOver);
    // The attachment that had been made for it is undone.
    engine.wait_for_losses(1);
    assert!(attach(&engine, Resume::FROM_NOW).resync.gaps.is_empty());
}

#[test]
fn an_engine_that_refuses_or_does_not_answer_is_reported_and_can_be_tried_again() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| {
        settings.answer_timeout = Duration::from_millis(50);
    });
    let recovering = (RefusalCode::Recovering, Remedy::TryAgain);
    engine.set(|switches| &switches.refuses, true);
    assert_eq!(refusal(&engine, "grid"), recovering);
    engine.set(|switches| &switches.refuses, false);
    engine.set(|switches| &switches.holds_handovers, true);
    assert_eq!(refusal(&engine, "grid"), recovering);
    engine.set(|switches| &switches.holds_handovers, false);
    // The late attachment has a hung-up socket and is journaled as lost.
    engine.wait_for_losses(1);
    assert_eq!(attach(&engine, Resume::FROM_NOW).resync.generation, 3);
}

#[test]
fn a_resume_file_carries_a_strategy_across_its_own_death() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let path = data.path().join("grid.resume");
    let start = |path: &Path| {
        let mut options = AttachOptions::new(&engine.socket_path, "grid", Resume::FROM_START);
        options.resume_file = Some(ResumeFile::open(path).unwrap());
        Client::attach_with(options).unwrap()
    };
    let mut client = start(&path).client;
    let placed = place(&mut client);
    let seen = event_of(&mut client, OrderEventKind::OrderAcknowledged, placed);
    engine.set(|switches| &switches.holds_requests, true);
    let lost = place(&mut client);
    drop(client); // without a word, and with the last event not known to be dealt with
    engine.wait_for_losses(1);
    engine.set(|switches| &switches.holds_requests, false);
    let Attached { mut client, resync } = start(&path);
    assert_eq!(resync.not_taken.ids().collect::<Vec<_>>(), [lost]);
    assert_eq!(event(&mut client), *seen.last().unwrap());
    assert_eq!(place(&mut client).0, lost.0 + 1);
}

#[test]
fn a_name_that_is_none_and_a_socket_that_is_not_there_are_named() {
    let error = Client::attach("/nowhere/attach.sock", "grid", Resume::FROM_NOW).unwrap_err();
    assert!(error.to_string().contains("/nowhere/attach.sock"));
    assert_eq!(error.remedy(), Remedy::TryAgain);
    let error = Client::attach("/nowhere/attach.sock", "", Resume::FROM_NOW).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Fix);
}

#[test]
fn the_service_goes_without_a_trace_and_leaves_what_is_live() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let mut client = attach(&engine, Resume::FROM_NOW).client;
    assert!(client.is_connected());
    let path = engine.socket_path.clone();
    assert!(path.exists());
    drop(engine);
    assert!(!path.exists());
    until_gone(&mut client);
    assert!(!client.is_connected());
}
