//! Intents to bytes: the exact text of each kind, the longest one, and what has no words at OKX.

use millrun_protocol::venue::okx::encode::{
    EncodeError, MAX_BATCH_BYTES, MAX_BATCH_ORDERS, MAX_COMMAND_BYTES, check_intent, encode_batch,
    encode_by_members, encode_command,
};
use millrun_protocol::venue::okx::instrument_table::{
    InstrumentTable, OkxSettings, SelfTradePrevention, TableError, TradeMode,
};
use millrun_protocol::venue::okx::request_id::CommandKey;
use model::engine_config::InstrumentPolicy;
use model::identifiers::{InstanceTag, Symbol, Text};
use model::instrument::InstrumentKind;
use model::order_request::{CommandKind, OrderIntent, OrderType, Side, TimeInForce};
use model::{
    ClientOrderId, EngineConfig, InstrumentId, Notional, Price, Quantity, UnixNs, VenueId,
    VenueOrderId,
};
use proptest::prelude::*;

use crate::instruments::{instrument, instruments, table};

fn intent(command: CommandKind) -> OrderIntent {
    OrderIntent {
        intent_seq: 1,
        command,
        command_seq: 1,
        send_no: 1,
        client_order_id: ClientOrderId::from_integer(7_000_000_000_000_000_012).unwrap(),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: Quantity::from_units(2_500),
        limit_price: Price::from_units(64_123_500),
        valid_until: UnixNs(1_760_000_001_000_999_999),
    }
}

fn text(intent: &OrderIntent, table: &InstrumentTable) -> String {
    let mut out = [0; MAX_COMMAND_BYTES];
    let length = encode_command(&mut out, intent, table).unwrap();
    String::from_utf8(out[..length].to_vec()).unwrap()
}

#[test]
fn a_new_order_is_written_with_what_the_venue_needs_and_nothing_else() {
    assert_eq!(
        text(&intent(CommandKind::New), &table()),
        concat!(
            r#"{"id":"7000000000000000012n1","op":"order","args":[{"instIdCode":10459,"#,
            r#""tdMode":"cross","side":"buy","ordType":"limit","sz":"0.25","px":"64123.5","#,
            r#""clOrdId":"7000000000000000012"}],"expTime":"1760000001000"}"#
        )
    );
}

#[test]
fn a_spot_market_order_says_that_its_size_is_base_currency() {
    let mut order = intent(CommandKind::New);
    order.instrument = InstrumentId(1);
    order.side = Side::Sell;
    order.order_type = OrderType::Market;
    order.time_in_force = TimeInForce::ImmediateOrCancel;
    order.send_no = 3;
    assert_eq!(
        text(&order, &table()),
        concat!(
            r#"{"id":"7000000000000000012n1x3","op":"order","args":[{"instIdCode":4,"#,
            r#""tdMode":"cash","side":"sell","ordType":"market","sz":"0.25","#,
            r#""clOrdId":"7000000000000000012","tgtCcy":"base_ccy"}],"expTime":"1760000001000"}"#
        )
    );
}

#[test]
fn a_cancel_names_the_order_by_our_id_and_has_no_deadline() {
    let mut cancel = intent(CommandKind::Cancel);
    cancel.command_seq = 2;
    cancel.venue_order_id = VenueOrderId::new(b"2510789768709120").unwrap();
    assert_eq!(
        text(&cancel, &table()),
        concat!(
            r#"{"id":"7000000000000000012c2","op":"cancel-order","args":[{"instIdCode":10459,"#,
            r#""clOrdId":"7000000000000000012"}]}"#
        )
    );
}

#[test]
fn a_replace_carries_its_request_id_as_req_id_too() {
    let mut replace = intent(CommandKind::Replace);
    replace.command_seq = 3;
    assert_eq!(
        text(&replace, &table()),
        concat!(
            r#"{"id":"7000000000000000012r3","op":"amend-order","args":[{"instIdCode":10459,"#,
            r#""clOrdId":"7000000000000000012","newSz":"0.25","newPx":"64123.5","#,
            r#""reqId":"7000000000000000012r3"}],"expTime":"1760000001000"}"#
        )
    );
}

#[test]
fn type_time_in_force_and_post_only_become_one_word_or_are_refused_before_anything_is_sent() {
    use OrderType::{Limit, Market};
    use TimeInForce::{FillOrKill, GoodTillCancel, ImmediateOrCancel};
    let rows = [
        (Limit, GoodTillCancel, false, Some("limit")),
        (Limit, GoodTillCancel, true, Some("post_only")),
        (Limit, ImmediateOrCancel, false, Some("ioc")),
        (Limit, ImmediateOrCancel, true, None),
        (Limit, FillOrKill, false, Some("fok")),
        (Limit, FillOrKill, true, None),
        (Market, GoodTillCancel, false, Some("market")),
        (Market, GoodTillCancel, true, None),
        (Market, ImmediateOrCancel, false, Some("market")),
        (Market, ImmediateOrCancel, true, None),
        (Market, FillOrKill, false, None),
        (Market, FillOrKill, true, None),
    ];
    for (order_type, time_in_force, post_only, expected) in rows {
        let order = OrderIntent {
            order_type,
            time_in_force,
            post_only,
            ..intent(CommandKind::New)
        };
        match expected {
            Some(word) => {
                let found = text(&order, &table());
                assert!(found.contains(&format!(r#""ordType":"{word}""#)), "{found}");
            }
            None => assert!(matches!(
                check_intent(&order, &table()),
                Err(EncodeError::Unsupported { .. })
            )),
        }
    }
}

#[test]
fn what_has_no_words_at_the_venue_is_refused_by_name() {
    let table = table();
    let mut spot = intent(CommandKind::New);
    spot.instrument = InstrumentId(1);
    spot.reduce_only = true;
    let refused = check_intent(&spot, &table).unwrap_err();
    assert_eq!(refused.to_string(), "reduce_only has no meaning for spot");

    let mut elsewhere = intent(CommandKind::Cancel);
    elsewhere.instrument = InstrumentId(9);
    let found = InstrumentId(9);
    assert_eq!(
        check_intent(&elsewhere, &table),
        Err(EncodeError::UnknownInstrument { found })
    );

    let unnamed = [instrument(0, "X-Y", 0, InstrumentKind::Spot)];
    let table = InstrumentTable::new(VenueId(0), &unnamed, &OkxSettings::default()).unwrap();
    let found = InstrumentId(0);
    assert_eq!(
        check_intent(&intent(CommandKind::New), &table),
        Err(EncodeError::NoInstrumentCode { found })
    );

    let settings = OkxSettings {
        self_trade_prevention: Some(SelfTradePrevention::CancelBoth),
        ..OkxSettings::default()
    };
    let table = InstrumentTable::new(VenueId(0), &instruments(), &settings).unwrap();
    let mut fok = intent(CommandKind::New);
    fok.time_in_force = TimeInForce::FillOrKill;
    assert!(check_intent(&fok, &table).is_err());
}

#[test]
fn settings_set_trade_modes_and_self_trade_prevention() {
    let settings = OkxSettings {
        spot_trade_mode: TradeMode::Cross,
        trade_modes: vec![(Symbol::new(b"BTC-USDT-SWAP").unwrap(), TradeMode::Isolated)],
        self_trade_prevention: SelfTradePrevention::from_text("cancel_taker"),
        ..OkxSettings::default()
    };
    let table = InstrumentTable::new(VenueId(0), &instruments(), &settings).unwrap();
    let mut order = intent(CommandKind::New);
    order.reduce_only = true;
    let swap = text(&order, &table);
    assert!(swap.contains(r#""tdMode":"isolated""#), "{swap}");
    assert!(
        swap.contains(r#""stpMode":"cancel_taker","reduceOnly":true}"#),
        "{swap}"
    );
    order.reduce_only = false;
    order.instrument = InstrumentId(1);
    let spot = text(&order, &table);
    assert!(spot.contains(r#""tdMode":"cross""#), "{spot}");
}

#[test]
fn the_table_in_force_is_made_of_the_configuration_alone() {
    let policy = |instrument, trade_mode: &str| InstrumentPolicy {
        instrument,
        trade_mode: Text::new(trade_mode.as_bytes()).unwrap(),
        order_quantity_max: Quantity::ZERO,
        order_notional_max: Notional(0),
        open_orders_max: 0,
        position_long_max: Quantity::ZERO,
        position_short_max: Quantity::ZERO,
        halt_on_recon_break: false,
    };
    let mut config = EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(1).unwrap(),
        order_capacity: 2,
        execution_capacity: 2,
        answer_window: 2,
        terminal_keep_ns: 0,
        request_age_max_ns: 0,
        venues: Vec::new(),
        instruments: vec![
            policy(instruments()[0], "isolated"),
            policy(instruments()[1], ""),
        ],
        strategies: Vec::new(),
    };
    let table = InstrumentTable::in_force(VenueId(0), &config).unwrap();
    let mode = |id| table.by_id(InstrumentId(id)).unwrap().trade_mode;
    assert_eq!((mode(0), mode(1)), (TradeMode::Isolated, TradeMode::Cash));
    assert_eq!(
        InstrumentTable::in_force(VenueId(1), &config)
            .unwrap()
            .instruments()
            .count(),
        0
    );
    config.instruments[1].trade_mode = Text::new(b"CROSS").unwrap();
    let symbol = instruments()[1].symbol;
    assert_eq!(
        InstrumentTable::in_force(VenueId(0), &config),
        Err(TableError::UnknownTradeMode { symbol })
    );
}

#[test]
fn instruments_that_contradict_each_other_make_no_table() {
    let make = |list: &[_], settings| InstrumentTable::new(VenueId(0), list, settings);
    let first = instrument(0, "A-B", 1, InstrumentKind::Spot);
    let settings = OkxSettings::default();
    let same_symbol = instrument(1, "A-B", 2, InstrumentKind::Spot);
    let symbol = first.symbol;
    assert_eq!(
        make(&[first, same_symbol], &settings),
        Err(TableError::DuplicateSymbol { symbol })
    );
    let same_id = instrument(0, "C-D", 2, InstrumentKind::Spot);
    let found = InstrumentId(0);
    assert_eq!(
        make(&[first, same_id], &settings),
        Err(TableError::BadInstrumentId { found })
    );
    let far = instrument(65_536, "C-D", 2, InstrumentKind::Spot);
    assert!(matches!(
        make(&[far], &settings),
        Err(TableError::BadInstrumentId { .. })
    ));
    let mut fine = first;
    fine.price_scale = 19;
    assert_eq!(
        make(&[fine], &settings),
        Err(TableError::BadScale { symbol })
    );
    let unknown = OkxSettings {
        trade_modes: vec![(Symbol::new(b"Z").unwrap(), TradeMode::Cash)],
        ..OkxSettings::default()
    };
    assert!(matches!(
        make(&[first], &unknown),
        Err(TableError::UnknownSymbol { .. })
    ));
}

// covers: V28
#[test]
fn new_rules_are_taken_and_what_is_fixed_is_not_changed() {
    let mut table = table();
    let mut rules = instruments()[0];
    rules.tick = Price::from_units(500);
    rules.venue_code = 11_000;
    table.apply(&rules).unwrap();
    assert_eq!(table.by_symbol(b"BTC-USDT-SWAP").unwrap().instrument, rules);
    assert!(text(&intent(CommandKind::New), &table).contains(r#""instIdCode":11000"#));
    let before = table.clone();
    rules.price_scale = 4;
    let found = InstrumentId(0);
    assert_eq!(table.apply(&rules), Err(TableError::Changed { found }));
    rules.id = InstrumentId(40);
    assert!(matches!(
        table.apply(&rules),
        Err(TableError::BadInstrumentId { .. })
    ));
    assert_eq!(table, before);
}

/// The longest of everything: largest ids, smallest scale digits, every optional member.
fn longest(command: CommandKind) -> (OrderIntent, InstrumentTable) {
    let mut known = instrument(0, "BTC-USDT-SWAP", u64::MAX, InstrumentKind::Linear);
    known.price_scale = 18;
    known.quantity_scale = 18;
    let settings = OkxSettings {
        contract_trade_mode: TradeMode::Isolated,
        self_trade_prevention: Some(SelfTradePrevention::CancelMaker),
        ..OkxSettings::default()
    };
    let order = OrderIntent {
        client_order_id: ClientOrderId::from_integer(u64::MAX >> 1).unwrap(),
        command_seq: u16::MAX,
        send_no: u8::MAX,
        side: Side::Sell,
        post_only: true,
        reduce_only: true,
        order_quantity: Quantity::from_units(i64::MIN),
        limit_price: Price::from_units(i64::MIN),
        valid_until: UnixNs(u64::MAX),
        ..intent(command)
    };
    let table = InstrumentTable::new(VenueId(0), &[known], &settings).unwrap();
    (order, table)
}

#[test]
fn the_longest_command_and_the_longest_batch_fit_their_constants() {
    for command in CommandKind::ALL {
        let (order, table) = longest(*command);
        let found = text(&order, &table);
        let mut by_members = [0; MAX_COMMAND_BYTES];
        let length = encode_by_members(&mut by_members, &order, &table).unwrap();
        assert_eq!(found.as_bytes(), &by_members[..length]);
        assert!(found.len() <= MAX_COMMAND_BYTES, "{}", found.len());
        let mut out = [0; MAX_BATCH_BYTES];
        let length = encode_batch(&mut out, &[order; MAX_BATCH_ORDERS], &table).unwrap();
        assert!(length <= MAX_BATCH_BYTES);
        let mut short = vec![0; found.len() - 1];
        assert!(matches!(
            encode_command(&mut short, &order, &table),
            Err(EncodeError::BufferTooShort(_))
        ));
    }
}

#[test]
fn a_batch_has_the_first_ones_request_id_and_the_earliest_deadline() {
    let mut second = intent(CommandKind::New);
    second.client_order_id = ClientOrderId::from_integer(13).unwrap();
    second.valid_until = UnixNs(1_760_000_000_000_000_000);
    let mut out = [0; MAX_BATCH_BYTES];
    let orders = [intent(CommandKind::New), second];
    let length = encode_batch(&mut out, &orders, &table()).unwrap();
    let found = std::str::from_utf8(&out[..length]).unwrap();
    assert!(found.starts_with(r#"{"id":"7000000000000000012n1","op":"batch-orders","args":[{"#));
    assert!(
        found.contains(r#""clOrdId":"7000000000000000012"},{"instIdCode""#),
        "{found}"
    );
    assert!(
        found.ends_with(r#""clOrdId":"13"}],"expTime":"1760000000000"}"#),
        "{found}"
    );
}

#[test]
fn a_batch_of_unlike_commands_or_of_too_many_is_refused() {
    let mut out = [0; MAX_BATCH_BYTES];
    let mut later = intent(CommandKind::New);
    later.command_seq = 2;
    let unlike = [intent(CommandKind::New), intent(CommandKind::Cancel)];
    let numbers = [intent(CommandKind::New), later];
    let many = vec![intent(CommandKind::New); MAX_BATCH_ORDERS + 1];
    for orders in [&unlike[..], &numbers, &many, &[]] {
        assert_eq!(
            encode_batch(&mut out, orders, &table()),
            Err(EncodeError::BadBatch {
                found: orders.len()
            })
        );
    }
}

proptest! {
    #[test]
    fn every_intent_that_passes_the_check_is_json_that_says_what_the_intent_says(
        kind in 1u8..=3, order_type in 1u8..=2, time_in_force in 1u8..=3, post_only: bool,
        reduce_only: bool, place in 0u32..3, quantity in 1i64.., price in 1i64..,
        integer in 1..=u64::MAX >> 1, seq in 1u16.., send in 1u8.., valid_until: u64,
    ) {
        let order = OrderIntent {
            command_seq: seq,
            send_no: send,
            client_order_id: ClientOrderId::from_integer(integer).unwrap(),
            instrument: InstrumentId(place),
            order_type: OrderType::from_number(order_type).unwrap(),
            time_in_force: TimeInForce::from_number(time_in_force).unwrap(),
            post_only,
            reduce_only,
            order_quantity: Quantity::from_units(quantity),
            limit_price: Price::from_units(price),
            valid_until: UnixNs(valid_until),
            ..intent(CommandKind::from_number(kind).unwrap())
        };
        let table = table();
        if check_intent(&order, &table).is_err() {
            let mut out = [0; MAX_COMMAND_BYTES];
            prop_assert!(encode_command(&mut out, &order, &table).is_err());
            return Ok(());
        }
        let mut by_members = [0; MAX_COMMAND_BYTES];
        let length = encode_by_members(&mut by_members, &order, &table).unwrap();
        let written = text(&order, &table);
        prop_assert_eq!(&written.as_bytes(), &&by_members[..length]);
        let json: serde_json::Value = serde_json::from_str(&written).unwrap();
        let id = json["id"].as_str().unwrap();
        prop_assert_eq!(CommandKey::parse(id.as_bytes()), Some(CommandKey::of(&order)));
        let object = &json["args"][0];
        prop_assert_eq!(object["clOrdId"].as_str().unwrap(), integer.to_string());
        if order.command != CommandKind::Cancel {
            let name = if order.command == CommandKind::New { "sz" } else { "newSz" };
            let written = order.order_quantity.text(4);
            prop_assert_eq!(object[name].as_str().unwrap(), written.as_str());
        }
    }
}
