//! The journal's disk at its limits, with real limits: full, too small a file allowed, failing,
//! stalling. Each fault has its message and its exit code.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use journal::Reader;
use millrun_client::{
    ClientOrderId, OrderEvent, OrderEventKind, OrderReference, RejectReason, Side,
};
use model::journal_record::FLAG_RAW_IS_DIGEST;
use serde_json::Value;

use crate::engine_process::PATIENCE;
use crate::mounts::{LoopDisk, Mount};
use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// Places and cancels until `is_over` says so; every answer is read.
fn churn_until(trader: &mut Trader, mut is_over: impl FnMut(&Trader) -> bool) {
    let began = Instant::now();
    while !is_over(trader) {
        assert!(began.elapsed() < 3 * PATIENCE, "{:#?}", trader.told());
        let request = trader
            .client
            .place(&limit(Side::Buy, "1", "63000"))
            .unwrap();
        let from = trader.events.len();
        let answer = trader.wait_after(from, "an answer", |event| match event.kind {
            OrderEventKind::OrderAcknowledged
            | OrderEventKind::RequestRefused
            | OrderEventKind::OrderRejected
            | OrderEventKind::OrderFailed => event.request_id == request,
            // Told of a run of requests, of which this is one.
            OrderEventKind::RequestsRefused => true,
            _ => false,
        });
        if answer.kind == OrderEventKind::OrderAcknowledged {
            let id = answer.client_order_id.unwrap();
            trader.client.cancel(id).unwrap();
            trader.wait_for("its end", |event| {
                event.client_order_id == Some(id)
                    && event.status.is_some_and(|status| status.is_terminal())
            });
        }
    }
}

fn is_refused(trader: &Trader, reason: RejectReason) -> bool {
    let refused = |event: &OrderEvent| event.reason == Some(reason);
    trader.events.iter().any(refused)
}

/// A site whose data directory is on the disk.
fn rig_on(disk: &LoopDisk, mode: &str) -> (Rig, Mount) {
    let rig = Rig::new();
    let bound = disk.bind(rig.path("data"));
    rig.write_config(|text| {
        text.replace("mode = \"process\"", &format!("mode = \"{mode}\""))
            .replace(
                "segment_mib = 4",
                "segment_mib = 1\nmax_loss_window_ms = 200",
            )
    });
    (rig, bound)
}

/// Places until the venue takes one: rates may be used up.
fn rest_again(trader: &mut Trader, price: &str) -> ClientOrderId {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let from = trader.events.len();
        let request = trader.client.place(&limit(Side::Buy, "1", price)).unwrap();
        let answer = trader.wait_after(from, "an answer", |event| match event.kind {
            OrderEventKind::OrderAcknowledged | OrderEventKind::RequestRefused => {
                event.request_id == request
            }
            kind => kind == OrderEventKind::RequestsRefused,
        });
        if answer.kind == OrderEventKind::OrderAcknowledged {
            return answer.client_order_id.unwrap();
        }
        // The venue's rate comes back with time alone.
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no order was taken: {:#?}", trader.told());
}

fn health(rig: &Rig) -> Value {
    let output = rig.run(&["status", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let status: Value = serde_json::from_str(&text).unwrap();
    status["journal_health"].clone()
}

/// Cancels an order and waits for its end.
fn cancel(trader: &mut Trader, id: ClientOrderId) {
    trader.client.cancel(id).unwrap();
    trader.wait_for("its end", |event| {
        event.client_order_id == Some(id) && event.kind == OrderEventKind::OrderCancelled
    });
}

fn wait_filled(trader: &mut Trader, id: ClientOrderId) {
    trader.wait_for("the fill", |event| {
        event.client_order_id == Some(id) && event.kind == OrderEventKind::OrderFilled
    });
}

// covers: D07 P11
#[test]
fn failed_sync_halts_the_engine_ends_it_with_its_code_and_the_next_start_writes_the_segment_again()
{
    let disk = LoopDisk::new(16);
    let (rig, _bound) = rig_on(&disk, "group");
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (_, resting) = trader.rest(&limit(Side::Buy, "1", "61000"));
    disk.fail();
    churn_until(&mut trader, |trader| {
        is_refused(trader, RejectReason::JournalFailed)
    });
    engine.wait_for_line("JOURNAL_FAILED: a sync of the journal failed (ENOSPC");
    assert!(engine.is_running(), "what is open is watched until it ends");
    let shown = health(&rig);
    assert!(shown["sync_failure"].is_string(), "{shown}");
    // A fill is still booked, and the halted run ends once nothing is open.
    rig.counterparty("sell", "1", "61000");
    wait_filled(&mut trader, resting);
    assert_eq!(engine.wait_exit().code(), Some(8));
    disk.mend();
    let mut engine = rig.start();
    engine.wait_for_line("a sync of it failed in an earlier run");
    assert!(engine.stop().success());
    rig.ledgers_agree();
    let mut engine = rig.start();
    assert!(!engine.all_printed().contains("earlier run"), "said once");
    assert!(engine.stop().success());
}

// covers: D07
#[test]
fn failed_sync_cancels_every_open_order_where_that_is_configured() {
    let disk = LoopDisk::new(16);
    let (rig, _bound) = rig_on(&disk, "strict");
    let config = std::fs::read_to_string(rig.config()).unwrap();
    let with = "max_loss_window_ms = 200\ncancel_on_journal_failure = true";
    let config = config.replace("max_loss_window_ms = 200", with);
    std::fs::write(rig.config(), config).unwrap();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let resting = ["61000", "61100", "61200"].map(|price| {
        let (_, id) = trader.rest(&limit(Side::Buy, "1", price));
        id
    });
    disk.fail();
    let waiting = trader
        .client
        .place(&limit(Side::Buy, "1", "61300"))
        .unwrap();
    let failed = trader.wait(waiting, OrderEventKind::OrderFailed);
    assert_eq!(failed.text.to_string(), "journal_failed");
    assert_eq!(engine.wait_exit().code(), Some(8));
    for id in resting {
        assert_eq!(rig.venue_order(id).unwrap()["state"], "canceled");
    }
    assert!(rig.venue_order(failed.client_order_id.unwrap()).is_none());
}

// covers: D09 P11
#[test]
fn stalled_sync_holds_up_no_order_shows_its_growing_window_and_halts_new_orders_over_the_limit() {
    let disk = LoopDisk::that_can_stall(40);
    let (rig, _bound) = rig_on(&disk, "group");
    // Segments are not made while the disk stalls either: there must be room for that time.
    let config = std::fs::read_to_string(rig.config()).unwrap();
    std::fs::write(
        rig.config(),
        config.replace("segment_mib = 1", "segment_mib = 4"),
    )
    .unwrap();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (_, resting) = trader.rest(&limit(Side::Buy, "1", "61000"));
    let (_, filled) = trader.rest(&limit(Side::Buy, "1", "61500"));
    let stall = disk.stall();
    let began = Instant::now();
    let (_, quick) = trader.rest(&limit(Side::Buy, "1", "61100"));
    assert!(began.elapsed() < Duration::from_millis(200), "held up");
    churn_until(&mut trader, |trader| {
        is_refused(trader, RejectReason::LossWindow)
    });
    cancel(&mut trader, resting);
    rig.counterparty("sell", "1", "61500");
    wait_filled(&mut trader, filled);
    engine.wait_for_line("LOSS_WINDOW");
    drop(stall);
    engine.wait_for_line("the disk caught up");
    let after = rest_again(&mut trader, "61200");
    for id in [quick, after] {
        cancel(&mut trader, id);
    }
    assert!(engine.stop().success());
    assert!(engine.all_printed().contains("loss window of this run"));
    let health = health(&rig);
    let figure = |key: &str| health[key].as_u64().unwrap();
    assert!(figure("loss_window_max_us") >= 200_000, "{health}");
    assert!(
        figure("loss_window_p50_us") < figure("loss_window_max_us"),
        "{health}"
    );
    rig.ledgers_agree();
}

/// True if the journal holds a frame by its hash.
fn has_digested_frame(rig: &Rig) -> bool {
    let mut reader = Reader::open(&rig.journal(), 1).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        if entry.flags & FLAG_RAW_IS_DIGEST != 0 {
            return true;
        }
    }
    false
}

// covers: D05
#[test]
fn full_disk_is_low_first_then_cancels_everything_and_ends_with_its_code_and_no_fill_is_lost() {
    let disk = LoopDisk::new(24);
    let (rig, _bound) = rig_on(&disk, "group");
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let [filled, cancelled, left] = ["61200", "61100", "61000"].map(|price| {
        let (_, id) = trader.rest(&limit(Side::Buy, "1", price));
        id
    });
    disk.fill();
    let is_low = |trader: &Trader| is_refused(trader, RejectReason::JournalLow);
    churn_until(&mut trader, is_low);
    engine.wait_for_line("JOURNAL_LOW");
    engine.wait_for_line("ENOSPC");
    rig.counterparty("sell", "1", "61200");
    wait_filled(&mut trader, filled);
    cancel(&mut trader, cancelled);
    assert!(has_digested_frame(&rig), "frames by their hash");
    disk.free();
    engine.wait_for_line("the journal has room again");
    rest_again(&mut trader, "61300");
    disk.fill();
    // Questions are answered to the end: they eat what is left.
    let began = Instant::now();
    while engine.is_running() && began.elapsed() < 2 * PATIENCE {
        let _ = trader.client.query(OrderReference::ClientOrderId(left));
        while let Ok(Some(_)) = trader.client.next_event(Duration::ZERO) {}
    }
    assert_eq!(engine.wait_exit().code(), Some(5));
    engine.wait_for_line("JOURNAL_FULL is near");
    engine.wait_for_line("JOURNAL_FULL: the journal takes no more entries");
    assert_eq!(rig.venue_order(left).unwrap()["state"], "canceled");
    let mut refused = rig.spawn();
    assert_eq!(refused.wait_exit().code(), Some(5));
    assert!(refused.all_printed().contains("JOURNAL_FULL"));
    disk.free();
    let mut engine = rig.start();
    rig.ledgers_agree();
    assert!(engine.stop().success());
}

// covers: D06
#[test]
fn file_size_limit_is_named_keeps_the_engine_alive_and_is_over_when_it_is_raised() {
    let rig = Rig::new();
    rig.write_config(|text| text.replace("segment_mib = 4", "segment_mib = 1"));
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let limit_to = |bytes: &str| {
        let pid = engine.pid().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let output = Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .output();
        assert!(output.unwrap().status.success());
    };
    limit_to("65536");
    churn_until(&mut trader, |trader| {
        is_refused(trader, RejectReason::JournalLow)
    });
    engine.wait_for_line("EFBIG, the file-size limit of ulimit -f");
    limit_to("unlimited");
    engine.wait_for_line("the journal has room again");
    rest_again(&mut trader, "61000");
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: D16
#[test]
fn segments_roll_under_load_without_a_lost_entry() {
    let rig = Rig::new();
    rig.write_config(|text| {
        text.replace("mode = \"process\"", "mode = \"group\"")
            .replace("segment_mib = 4", "segment_mib = 1")
    });
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let fifth = rig.journal().join("segment-0000000005.mrj");
    let began = Instant::now();
    while !fifth.exists() {
        assert!(began.elapsed() < 2 * PATIENCE, "{:#?}", trader.told());
        let order = limit(Side::Buy, "0.01", "63000");
        let request = trader.client.place(&order).unwrap();
        trader.wait_for("its answer", |event| match event.kind {
            OrderEventKind::OrderCreated | OrderEventKind::RequestRefused => {
                event.request_id == request
            }
            OrderEventKind::RequestsRefused => event.request_id >= request,
            _ => false,
        });
        trader.events.clear();
    }
    assert!(engine.stop().success());
    let said = engine.all_printed();
    assert!(!said.contains("JOURNAL_FULL"), "{said}");
    // The reader checks every number, every checksum and the chain from segment to segment.
    let mut reader = Reader::open(&rig.journal(), 1).unwrap();
    let (mut entries, mut segments) = (0, BTreeSet::new());
    while let Some(entry) = reader.next_entry().unwrap() {
        entries += 1;
        segments.insert(entry.place.segment_index);
    }
    println!("entries={entries} segments={}", segments.len());
    assert!(segments.len() >= 3, "{segments:?}");
    rig.ledgers_agree();
}
