//! Every fixture of the WebSocket, one payload per file, and exactly what it is read as.

use std::collections::BTreeSet;
use std::path::PathBuf;

use millrun_protocol::venue::okx::decode::{MAX_REPORTS, OkxDecoder};
use model::execution_report::{Fill, OrderUpdate};
use model::{InstrumentId, VenueReport};

use crate::instruments::table;

/// Name of a fixture, and what it is: `engine` or the session's word first, then each report.
type Row = (&'static str, &'static [&'static str]);

const ORDERS: &[Row] = &[
    (
        "orders_live",
        &[
            "Engine",
            "order 7000000000000000012 live buy 0.25@64123.5 cum 0",
        ],
    ),
    (
        "orders_partial_fill",
        &[
            "Engine",
            "order 7000000000000000012 partially_filled buy \
        0.25@64123.5 cum 0.1 fill 1518905529 0.1@64123.5 fee 12824700000 maker at 1760000000300",
        ],
    ),
    (
        "orders_filled_taker",
        &[
            "Engine",
            "order 7000000000000000012 filled buy 0.25@64123.5 \
        cum 0.25 fill 1518905530 0.25@64123.5 fee 12824700000 taker at 1760000000300",
        ],
    ),
    (
        "orders_rebate",
        &[
            "Engine",
            "order 7000000000000000012 partially_filled buy 0.25@64123.5 \
        cum 0.1 fill 1518905529 0.1@64123.5 fee -6400000000 maker at 1760000000300",
        ],
    ),
    (
        "orders_fee_too_fine",
        &[
            "Engine",
            "order 7000000000000000012 partially_filled buy \
        0.25@64123.5 cum 0.1 fill 1518905529 0.1@64123.5 fee 0 maker at 1760000000300",
            "bad_number",
        ],
    ),
    (
        "orders_canceled_by_user",
        &[
            "Engine",
            "order 7000000000000000012 cancelled buy 0.25@64123.5 cum 0.1 end 1",
        ],
    ),
    (
        "orders_canceled_post_only",
        &[
            "Engine",
            "order 7000000000000000012 cancelled buy 0.25@64123.5 cum 0 end 31",
        ],
    ),
    (
        "orders_canceled_self_trade",
        &[
            "Engine",
            "order 7000000000000000012 cancelled buy 0.25@64123.5 cum 0 end 32",
        ],
    ),
    (
        "orders_expired_delivery",
        &[
            "Engine",
            "order 7000000000000000012 expired buy 3@65000 cum 0 end 7 instrument 2",
        ],
    ),
    (
        "orders_mmp_canceled",
        &[
            "Engine",
            "order 7000000000000000012 cancelled buy 0.25@64123.5 cum 0 end 38",
        ],
    ),
    (
        "orders_amend_applied",
        &[
            "Engine",
            "order 7000000000000000012 live buy 0.5@64001 cum 0 replace 2 applied",
        ],
    ),
    (
        "orders_amend_failed",
        &[
            "Engine",
            "order 7000000000000000012 live buy 0.25@64123.5 cum 0 replace 2 failed",
        ],
    ),
    (
        "orders_amend_failed_and_canceled",
        &[
            "Engine",
            "order 7000000000000000012 cancelled buy 0.25@64123.5 cum 0 replace 2 failed end 1",
        ],
    ),
    (
        "orders_amend_of_another_client",
        &["Engine", "order - live buy 0.25@64123.5 cum 0"],
    ),
    (
        "orders_resized_by_venue",
        &[
            "Engine",
            "order 7000000000000000012 live buy 0.2@64123.5 cum 0",
        ],
    ),
    (
        "orders_foreign_client_id",
        &["Engine", "order - live buy 0.25@64123.5 cum 0"],
    ),
    (
        "orders_liquidation",
        &[
            "Engine",
            "order - filled buy 0.1@64123.5 cum 0.1 \
        fill - 0.1@64123.5 fee 12824700000 maker at 1760000000300",
        ],
    ),
    (
        "orders_filled_without_fill",
        &[
            "Engine",
            "order 7000000000000000012 filled buy 0.02@0 cum 0.02 instrument 1",
        ],
    ),
    (
        "orders_spot_quote_size",
        &["Engine", "order - live buy 0@0 cum 0 instrument 1"],
    ),
    (
        "orders_lean_field_set",
        &[
            "Engine",
            "order 7000000000000000012 partially_filled buy \
        0.25@64123.5 cum 0.1 fill 1518905529 0.1@64123.5 fee 0 maker at 1760000000300",
        ],
    ),
    (
        "orders_numbers_as_numbers",
        &[
            "Engine",
            "order 7000000000000000012 partially_filled buy \
        0.25@64123.5 cum 0.1 fill 1518905529 0.1@64123.5 fee 12824700000 maker at 1760000000300",
        ],
    ),
    (
        "orders_exponents",
        &[
            "Engine",
            "order 7000000000000000012 live buy 0.25@64123.5 cum 0",
        ],
    ),
    (
        "orders_two_orders_one_unknown_instrument",
        &[
            "Engine",
            "unknown_instrument",
            "order 7000000000000000012 live buy 0.25@64123.5 cum 0",
        ],
    ),
    ("orders_none", &["Session(Data(Orders))"]),
];

const ODD_ORDERS: &[Row] = &[
    ("orders_unknown_state", &["Engine", "unknown_kind"]),
    ("orders_bad_number", &["Engine", "bad_number"]),
    ("orders_too_fine_price", &["Engine", "bad_number"]),
    ("orders_negative_fill", &["Engine", "bad_number"]),
    ("orders_missing_state", &["Engine", "missing_member"]),
    ("orders_missing_order_id", &["Engine", "missing_member"]),
    ("orders_bad_side", &["Engine", "malformed"]),
    ("orders_nested_price", &["Engine", "malformed"]),
    ("orders_duplicate_member", &["Engine", "malformed"]),
    ("unknown_channel", &["Engine", "unknown_kind"]),
];

const REPLIES: &[Row] = &[
    (
        "reply_order_accepted",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 accepted \
        2510789768709120 0 Order successfully placed. at 1760000000125",
        ],
    ),
    (
        "reply_order_accepted_other_words",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 accepted \
        2510789768709120 0 Order placed at 1760000000125",
        ],
    ),
    (
        "reply_order_refused",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 refused - 51008 \
        Order failed. Insufficient USDT balance in account at 1760000000125",
        ],
    ),
    (
        "reply_order_refused_without_ids",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 refused \
        - 51000 Parameter sz error at 1760000000125",
        ],
    ),
    (
        "reply_order_timed_out",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 unknown - 51149 \
        Order timed out. Please try again later. at 1760000000125",
        ],
    ),
    (
        "reply_order_duplicate_id",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 unknown - 51016 \
        Duplicated client order ID at 1760000000125",
        ],
    ),
    (
        "reply_order_expired",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 refused - 50036 \
        The expTime can not be earlier than the current system time. at 1760000000125",
        ],
    ),
    (
        "reply_order_code_as_number",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 accepted \
        2510789768709120 0 Order successfully placed. at 1760000000125",
        ],
    ),
    (
        "reply_invalid_args",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 refused - 60013 \
        Invalid args at 1760000000125",
        ],
    ),
    (
        "reply_busy",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 unknown - 50026 \
        System error, please try again later. at 1760000000125",
        ],
    ),
    (
        "reply_cancel_accepted",
        &[
            "Engine",
            "reply 7000000000000000012 cancel 2 accepted \
        2510789768709120 0  at 1760000000200",
        ],
    ),
    (
        "reply_cancel_gone",
        &[
            "Engine",
            "reply 7000000000000000012 cancel 2 already_gone \
        2510789768709120 51400 Cancellation failed as the order has been filled, canceled or d \
        at 1760000000125",
        ],
    ),
    (
        "reply_amend_accepted",
        &[
            "Engine",
            "reply 7000000000000000012 replace 3 accepted \
        2510789768709120 0  at 1760000000125",
        ],
    ),
    (
        "reply_amend_post_only",
        &[
            "Engine",
            "reply 7000000000000000012 replace 3 refused \
        2510789768709120 51511 Operation failed as the order price doesn't meet the requiremen \
        at 1760000000125",
        ],
    ),
];

const INNER_RESULTS: &[Row] = &[
    (
        "reply_order_refused_in_a_success_envelope",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 \
        refused - 51008 Order failed. Insufficient USDT balance in account at 1760000000125",
        ],
    ),
    (
        "reply_order_accepted_in_a_failure_envelope",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 \
        accepted 2510789768709120 0 Order successfully placed. at 1760000000125",
        ],
    ),
    (
        "reply_batch_mixed",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 accepted \
        2510789768709120 0 Order successfully placed. at 1760000000125",
            "reply 7000000000000000013 new 1 refused - 51008 Order failed. at 1760000000125",
            "unknown_request",
        ],
    ),
];

const NOT_OUR_REPLIES: &[Row] = &[
    ("reply_unknown_request", &["Engine", "unknown_request"]),
    ("reply_other_operation", &["Engine", "unknown_request"]),
    ("reply_other_order", &["Engine", "unknown_request"]),
    (
        "reply_amend_of_another_command",
        &["Engine", "unknown_request"],
    ),
    ("reply_batch_without_ids", &["Engine", "unknown_request"]),
];

const ODD_REPLIES: &[Row] = &[
    (
        "reply_two_items",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 accepted 2510789768709120 \
        0 Order successfully placed. at 1760000000125",
            "malformed",
        ],
    ),
    ("reply_missing_code", &["Engine", "missing_member"]),
    ("reply_code_in_words", &["Engine", "bad_number"]),
    ("reply_no_data_no_code", &["Engine", "missing_member"]),
    ("reply_unknown_operation", &["Engine", "unknown_kind"]),
];

const SESSION: &[Row] = &[
    ("pong", &["Session(Pong)"]),
    ("event_login", &["Session(Login { code: 0 })"]),
    (
        "event_login_failed",
        &["Session(Error { code: 60009, message: \"Login failed.\" })"],
    ),
    ("event_subscribe_orders", &["Session(Subscribed(Orders))"]),
    ("event_subscribe_account", &["Session(Subscribed(Account))"]),
    (
        "event_subscribe_positions",
        &["Session(Subscribed(Positions))"],
    ),
    (
        "event_wrong_channel",
        &["Session(Error { code: 60018, message: \
        \"Wrong URL or channel:orders,instType:ANY doesn't exist. Please \" })"],
    ),
    (
        "event_illegal_request",
        &[
            "Engine",
            "reply 7000000000000000012 new 1 refused - 60012 \
        Illegal request: {\"id\":\"7000000000000000012n1\",\"op\":\"order\",\"ar at 0",
        ],
    ),
    (
        "event_illegal_request_without_id",
        &[
            "Session(Error { code: 60012, message: \
        \"Illegal request: {\\\"op\\\":\" })",
            "unknown_request",
        ],
    ),
    (
        "event_service_upgrade",
        &["Session(Notice { code: 64008 })"],
    ),
    (
        "event_connection_count",
        &["Session(ConnectionCount { channel: Orders, over_limit: false })"],
    ),
    (
        "event_connection_count_error",
        &["Session(ConnectionCount { channel: Orders, over_limit: true })"],
    ),
    ("event_unknown", &["Engine", "unknown_kind"]),
    ("positions_snapshot", &["Session(Data(Positions))"]),
    ("account_nothing", &["Session(Data(Account))"]),
];

const STATEMENTS: &[Row] = &[
    (
        "positions_net",
        &["Engine", "position 0 net cross -12500 at 1760000000301"],
    ),
    (
        "positions_long_and_short",
        &[
            "Engine",
            "position 0 long cross 30000 at 1760000000301",
            "position 2 short isolated 10000 at 1760000000301",
        ],
    ),
    (
        "positions_closed",
        &["Engine", "position 0 net cross 0 at 1760000000301"],
    ),
    (
        "positions_elsewhere",
        &[
            "Engine",
            "position 0 net cross 20000 at 1760000000301",
            "3 positions elsewhere",
        ],
    ),
    (
        "account_snapshot",
        &[
            "Engine",
            "balance USDT 10000.5 available 9000 at 1760000000000",
        ],
    ),
    (
        "account_two_currencies",
        &[
            "Engine",
            "balance USDT 10000.5 available 9000 at 1760000000000",
            "balance BTC 0.000000000000012345678 available - at 1760000000000",
        ],
    ),
    (
        "account_numbers_as_numbers",
        &["Engine", "balance USDT 12.5 available -3 at 1760000000000"],
    ),
];

const ODD_STATEMENTS: &[Row] = &[
    ("positions_pos_empty", &["Engine", "missing_member"]),
    (
        "positions_pos_too_fine",
        &[
            "Engine",
            "bad_number",
            "position 0 net cross 70000 at 1760000000301",
        ],
    ),
    ("positions_short_negative", &["Engine", "bad_number"]),
    ("positions_unknown_side", &["Engine", "unknown_kind"]),
    ("positions_unknown_margin", &["Engine", "unknown_kind"]),
    ("positions_without_time", &["Engine", "missing_member"]),
    ("positions_not_a_list", &["Engine", "malformed"]),
    ("positions_duplicate_member", &["Engine", "malformed"]),
    (
        "account_no_total",
        &[
            "Engine",
            "missing_member",
            "balance BTC 1 available 1 at 1760000000000",
        ],
    ),
    ("account_without_details", &["Engine", "missing_member"]),
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/venue/okx/fixtures"
    ))
}

fn check(rows: &[Row]) {
    let table = table();
    let mut decoder = OkxDecoder::new();
    let mut reports = Vec::with_capacity(MAX_REPORTS);
    for (name, expected) in rows {
        let mut payload = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
        let frame = decoder.decode(&mut payload, &table, &mut reports);
        let mut found = vec![format!("{frame:?}")];
        found.extend(reports.iter().map(describe));
        assert_eq!(found, *expected, "{name}");
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn describe(report: &VenueReport) -> String {
    match report {
        VenueReport::Quarantined(reason) => reason.to_string(),
        VenueReport::Order(update) => describe_order(update),
        VenueReport::Position(stated) => format!(
            "position {} {} {} {} at {}",
            stated.instrument,
            stated.side,
            stated.margin,
            stated.units,
            stated.venue_time.as_ms(),
        ),
        VenueReport::Balance(stated) => {
            let available = stated.available.map(|amount| amount.to_string());
            format!(
                "balance {} {} available {} at {}",
                stated.currency,
                stated.total,
                available.as_deref().unwrap_or("-"),
                stated.venue_time.as_ms(),
            )
        }
        VenueReport::PositionsElsewhere { rows } => format!("{rows} positions elsewhere"),
        VenueReport::Reply(reply) => format!(
            "reply {} {} {} {} {} {} {} at {}",
            reply.client_order_id,
            reply.command,
            reply.command_seq,
            reply.outcome,
            or_dash(reply.venue_order_id.as_str()),
            reply.venue_code,
            reply.message,
            reply.venue_time.as_ms(),
        ),
    }
}

fn describe_order(update: &OrderUpdate) -> String {
    assert_eq!(update.venue_order_id.as_str(), "2510789768709120");
    assert_eq!(update.venue_time.as_ms(), 1_760_000_000_301);
    let id = update.client_order_id.map(|id| id.to_string());
    let mut text = format!(
        "order {} {} {} {}@{} cum {}",
        id.as_deref().unwrap_or("-"),
        update.state,
        update.side,
        update.order_quantity.text(4),
        update.limit_price.text(3),
        update.cum_quantity.text(4),
    );
    if let Some(fill) = &update.fill {
        text += &describe_fill(fill);
    }
    if let Some(replace) = update.replace {
        let result = if replace.applied { "applied" } else { "failed" };
        text += &format!(" replace {} {result}", replace.command_seq);
    }
    if update.end_code != 0 {
        text += &format!(" end {}", update.end_code);
    }
    if update.instrument != InstrumentId(0) {
        text += &format!(" instrument {}", update.instrument);
    }
    text
}

fn describe_fill(fill: &Fill) -> String {
    format!(
        " fill {} {}@{} fee {} {} at {}",
        or_dash(fill.trade_id.as_str()),
        fill.last_quantity.text(4),
        fill.last_price.text(3),
        fill.fee_units,
        fill.liquidity,
        fill.venue_time.as_ms(),
    )
}

// covers: V13
#[test]
fn order_pushes_become_updates_with_the_fill_replace_and_end_that_they_report() {
    check(ORDERS);
}

// covers: V18
#[test]
fn order_pushes_that_cannot_be_read_are_set_aside_with_the_reason() {
    check(ODD_ORDERS);
}

#[test]
fn replies_say_what_their_codes_prove() {
    check(REPLIES);
}

// covers: V27
#[test]
fn each_order_of_a_reply_counts_by_its_own_code_whatever_the_envelope_says() {
    check(INNER_RESULTS);
}

// covers: V26
#[test]
fn a_reply_whose_ids_are_not_ours_or_contradict_each_other_says_nothing_about_an_order() {
    check(NOT_OUR_REPLIES);
}

// covers: V18
#[test]
fn replies_that_cannot_be_read_are_set_aside_with_the_reason() {
    check(ODD_REPLIES);
}

// covers: V30
#[test]
fn positions_and_balances_are_read_to_the_last_digit_and_what_is_not_ours_is_counted() {
    check(STATEMENTS);
}

// covers: V18
#[test]
fn positions_and_balances_that_cannot_be_read_are_set_aside_and_hide_no_other() {
    check(ODD_STATEMENTS);
}

#[test]
fn messages_about_the_connection_go_to_the_session() {
    check(SESSION);
}

#[test]
fn every_websocket_fixture_is_in_one_of_the_tables() {
    let tables = [
        ORDERS,
        ODD_ORDERS,
        REPLIES,
        INNER_RESULTS,
        NOT_OUR_REPLIES,
        ODD_REPLIES,
        SESSION,
        STATEMENTS,
        ODD_STATEMENTS,
    ];
    let listed: BTreeSet<String> = tables
        .iter()
        .flat_map(|rows| rows.iter())
        .map(|(name, _)| format!("{name}.json"))
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && !name.starts_with("rest_"))
        .collect();
    assert_eq!(found, listed);
}
