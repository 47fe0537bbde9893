//! Strategies that die, come back, lie and flood, beside one that behaves.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use journal::Reader;
use millrun::recovery::entry_kind;
use millrun_client::{
    OrderEvent, OrderEventKind, OrderReference, OrderStatus, RejectReason, Resume, Side,
};
use model::input::{Input, LossReason};
use model::journal_record::{EntryBuffers, take_entry};
use model::order_request::{NewOrder, OrderType, Request, TimeInForce};
use model::{Instrument, MonotonicNs, Price, RequestId, StrategyId, request_slot};
use rings::shared_memory::layout::{CLOSED_WORD, HEAD_WORD, PARKED_WORD, SlotPayload};
use rustix::time::{ClockId, clock_gettime};

use crate::engine_process::{EngineProcess, PATIENCE};
use crate::hostile_writer::HostileWriter;
use crate::rig::{Rig, SWAP};
use crate::trader::{Trader, limit};

/// The engine's clock.
fn monotonic_now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

/// Every loss in the journal: when, who, why.
fn losses(rig: &Rig) -> Vec<(u64, StrategyId, LossReason)> {
    let mut found = Vec::new();
    let mut reader = Reader::open(&rig.journal(), 1).unwrap();
    let mut buffers = EntryBuffers::default();
    while let Some(entry) = reader.next_entry().unwrap() {
        let kind = entry_kind(entry.kind).unwrap();
        if kind != model::input::EntryKind::StrategyLost {
            continue;
        }
        let (input, _) = take_entry(kind, entry.body, &mut buffers).unwrap();
        if let Input::StrategyLost {
            strategy, reason, ..
        } = input
        {
            found.push((entry.now_ns, strategy, reason));
        }
    }
    found
}

/// The example strategy in a process of its own.
fn strategy_process(rig: &Rig, strategy: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_millrun"))
        .args(["strategy", "grid", "--strategy", strategy, "--socket"])
        .arg(rig.path("data/attach.sock"))
        .args(["--orders", "1000000", "--symbol", SWAP])
        .args(["--center", &format!("{SWAP}=64000")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

// covers: R07
#[test]
fn killed_strategys_loss_is_journaled_within_100_ms_and_its_orders_follow_its_policy() {
    let rig = Rig::new();
    let mut engine = rig.start();
    for (losses_before, strategy) in ["grid", "second"].into_iter().enumerate() {
        let accepted = rig.venue.stats().orders_accepted;
        let mut process = strategy_process(&rig, strategy);
        rig.wait_stats(|stats| stats.orders_accepted >= accepted + 3);
        let killed_ns = monotonic_now_ns();
        process.kill().unwrap();
        process.wait().unwrap();
        engine.wait_for_lines("strategy lost", losses_before + 1);
        let (lost_ns, _, reason) = losses(&rig)[losses_before];
        assert_eq!(reason, LossReason::HungUp);
        let late = Duration::from_nanos(lost_ns - killed_ns);
        assert!(late <= Duration::from_millis(100), "{strategy}: {late:?}");
    }
    // "grid" keeps its orders, "second" has them cancelled.
    let mut second = rig.attach("second");
    let deadline = Instant::now() + PATIENCE;
    while !last_statuses(&mut second).all(OrderStatus::is_terminal) {
        assert!(Instant::now() < deadline, "{:#?}", second.told());
    }
    assert!(last_statuses(&mut second).count() > 0);
    let mut grid = rig.attach("grid");
    assert!(last_statuses(&mut grid).any(|status| !status.is_terminal()));
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

/// Where each order of a strategy stands, by what it was told until nothing more came.
fn last_statuses(trader: &mut Trader) -> impl Iterator<Item = OrderStatus> {
    while trader.next_within(Duration::from_millis(50)).is_some() {}
    let mut statuses = std::collections::BTreeMap::new();
    for event in &trader.events {
        if let (Some(id), Some(status)) = (event.client_order_id, event.status) {
            statuses.insert(id, status);
        }
    }
    statuses.into_values()
}

// covers: R08
#[test]
fn strategy_that_restarts_fifty_times_gets_every_event_once_and_an_answer_to_every_request() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let socket = rig.path("data/attach.sock");
    let mut resume = Resume::FROM_START;
    let mut events: Vec<OrderEvent> = Vec::new();
    let mut written: Vec<RequestId> = Vec::new();
    for round in 0..50 {
        let mut trader = Trader::attach(&socket, "grid", resume);
        assert!(trader.resync.gaps.is_empty());
        written.retain(|request| !trader.resync.not_taken.contains(*request));
        // Ends at another moment each time: before, among and behind the answers.
        for _ in 0..1 + round % 3 {
            let nobodys = OrderReference::RequestId(RequestId(u64::MAX));
            written.push(trader.client.query(nobodys).unwrap());
        }
        for _ in 0..round % 4 {
            trader.next_within(Duration::from_millis(20));
        }
        events.append(&mut trader.events);
        resume = trader.client.resume();
    }
    let mut trader = Trader::attach(&socket, "grid", resume);
    written.retain(|request| !trader.resync.not_taken.contains(*request));
    let (last, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    events.append(&mut trader.events);
    let numbers: Vec<u64> = events.iter().map(|event| event.event_seq).collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "no gap, no repeat"
    );
    for request in &written {
        let answers = events.iter().filter(|event| event.request_id == *request);
        assert_eq!(answers.count(), 1, "request {request}");
    }
    assert!(written.len() > 40 && written.iter().all(|request| *request < last));
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: R09
#[test]
fn second_process_of_a_strategy_is_refused_while_the_first_lives() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut first = rig.attach("grid");
    let refused =
        millrun_client::Client::attach(rig.path("data/attach.sock"), "grid", Resume::FROM_NOW);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("RING_BUSY"), "{error}");
    first.rest(&limit(Side::Buy, "1", "63000"));
    assert!(engine.stop().success());
}

/// What a well-behaved strategy gets while others do not behave.
fn trades_on(trader: &mut Trader) {
    let began = Instant::now();
    let (request, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    trader.client.cancel_request(request).unwrap();
    trader.wait(request, OrderEventKind::OrderCancelled);
}

fn query_words(request: u64) -> SlotPayload {
    let order = OrderReference::RequestId(RequestId(u64::MAX));
    let written_at = MonotonicNs(monotonic_now_ns());
    request_slot::to_words(RequestId(request), written_at, &Request::Query { order })
}

/// An order of one lot that rests at 63000.
fn order_words(request: u64, instrument: &Instrument) -> SlotPayload {
    let order = NewOrder {
        instrument: instrument.id,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: instrument.lot,
        limit_price: Price::from_units(63_000 * 10_i64.pow(instrument.price_scale.into())),
        valid_for_ns: 0,
    };
    let written_at = MonotonicNs(monotonic_now_ns());
    request_slot::to_words(RequestId(request), written_at, &Request::New(order))
}

/// Attaches as "second", does `attack`, and expects to be hung up on for corruption.
fn is_detached(rig: &Rig, engine: &EngineProcess, attack: impl FnOnce(&mut HostileWriter)) {
    let before = losses(rig).len();
    let mut writer = HostileWriter::attach(&rig.path("data/attach.sock"), "second");
    attack(&mut writer);
    writer.wake();
    assert!(writer.is_hung_up(PATIENCE), "still attached");
    engine.wait_for_lines("RING_CORRUPT", before + 1);
    let (_, strategy, reason) = losses(rig)[before];
    assert_eq!((strategy, reason), (StrategyId(1), LossReason::RingCorrupt));
}

// covers: R01
#[test]
fn ring_that_holds_what_no_writer_writes_is_detached_alone_and_the_other_trades_on() {
    let rig = Rig::new();
    // Small rings: every slot is used, and the peer's read index looked at, many times.
    rig.write_config(|text| {
        text.replace("event_capacity = 4096", "event_capacity = 64")
            .replace("request_capacity = 256", "request_capacity = 16")
    });
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    for stamp in [5, 2, 17, u64::MAX, 1 << 63, u64::MAX - 13] {
        is_detached(&rig, &engine, |writer| {
            writer.write_word(writer.next_slot(), stamp);
        });
        trades_on(&mut trader);
    }
    // A stamp that moves back, after requests that were good: one is an order, and goes with it.
    let cancels = rig.venue.stats().cancels_received;
    is_detached(&rig, &engine, |writer| {
        for request in 1..=20 {
            writer.push(&query_words(request));
        }
        let accepted = rig.venue.stats().orders_accepted;
        let instrument = trader.client.instruments().by_symbol(SWAP).unwrap();
        writer.push(&order_words(21, instrument));
        rig.wait_stats(|stats| stats.orders_accepted > accepted);
        writer.write_word(writer.next_slot(), 0);
    });
    rig.wait_stats(|stats| stats.cancels_received > cancels);
    trades_on(&mut trader);
    // A read index of the event ring that is ahead of everything that was written to it.
    for index in [1 << 40, u64::MAX] {
        is_detached(&rig, &engine, |writer| {
            writer.write_word(HEAD_WORD, index);
            for request in 100..200 {
                writer.push(&query_words(request));
            }
        });
        trades_on(&mut trader);
    }
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: R02
#[test]
fn header_that_changes_and_flags_that_lie_change_nothing() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let mut writer = HostileWriter::attach(&rig.path("data/attach.sock"), "second");
    let mut request = 0;
    for word in 0..8 {
        for value in [0, u64::MAX] {
            writer.write_word(word, value);
            writer.write_engines_word(word, value);
            writer.write_word(PARKED_WORD, value);
            request += 1;
            writer.push(&query_words(request));
            trades_on(&mut trader);
        }
    }
    assert!(!writer.is_hung_up(Duration::ZERO));
    assert!(losses(&rig).is_empty());
    // Its own word, by which it says that it has ended.
    writer.write_word(CLOSED_WORD, 1);
    writer.wake();
    assert!(writer.is_hung_up(PATIENCE));
    trades_on(&mut trader);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: R04
#[test]
fn request_with_any_bad_part_is_refused_as_bad_and_the_next_good_one_is_taken() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let mut writer = HostileWriter::attach(&rig.path("data/attach.sock"), "second");
    let mut request = 0;
    let mut bad = |spoil: &dyn Fn(&mut SlotPayload)| {
        request += 1;
        let mut words = query_words(request);
        spoil(&mut words);
        writer.push(&words);
    };
    for byte in [0, 1, 6, 7] {
        for value in [0_u64, 9, 0x80, 0xff] {
            bad(&|words| {
                words[1] &= !(0xff << (byte * 8));
                words[1] |= value << (byte * 8);
            });
        }
    }
    for word in 8..15 {
        bad(&|words| words[word] = 1);
    }
    bad(&|words| words[1..].fill(u64::MAX));
    let refused = request;
    request += 1;
    writer.push(&query_words(request));
    trades_on(&mut trader);
    assert!(!writer.is_hung_up(Duration::ZERO));
    drop(writer);
    engine.wait_for_line("strategy lost");
    let mut second = rig.attach("second");
    let good = second.wait_for("the good one", |event| event.request_id.0 == request);
    assert_eq!(good.reason, Some(RejectReason::OrderNotFound));
    let answered: u64 = second
        .events
        .iter()
        .filter(|event| event.reason == Some(RejectReason::BadRequest))
        .map(|event| match event.kind {
            OrderEventKind::RequestsRefused => event.order_quantity.units().cast_unsigned(),
            _ => 1,
        })
        .sum();
    assert!(answered >= refused - 1, "{answered} of {refused}");
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
