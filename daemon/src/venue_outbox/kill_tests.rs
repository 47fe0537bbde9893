//! A kill and the plaintext that waits: what is taken out, and that the rest stays whole.

use super::*;
use crate::clock::Clock;
use model::instrument::{InstrumentKind, InstrumentState};
use model::{
    AccountId, Instrument, InstrumentId, OrderType, Price, Quantity, Side, TimeInForce, UnixNs,
    VenueId, VenueOrderId,
};
use protocol::frame::mask::apply_mask;
use protocol::venue::okx::instrument_table::OkxSettings;

fn table() -> InstrumentTable {
    let instrument = Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: model::identifiers::Symbol::new(b"BTC-USDT").unwrap(),
        venue_code: 4,
        kind: InstrumentKind::Spot,
        state: InstrumentState::Live,
        price_scale: 2,
        quantity_scale: 2,
        tick: Price::from_units(1),
        lot: Quantity::from_units(1),
        quantity_min: Quantity::from_units(1),
        quantity_max: Quantity::from_units(1_000),
        multiplier_units: 1,
        multiplier_scale: 0,
    };
    InstrumentTable::new(VenueId(0), [&instrument], &OkxSettings::default()).unwrap()
}

fn intent(number: u64, command: CommandKind) -> OrderIntent {
    let id = 7_000_000_000_000_000_000 + number;
    OrderIntent {
        intent_seq: number,
        command,
        command_seq: 1,
        send_no: 1,
        client_order_id: ClientOrderId::from_integer(id).unwrap(),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: Quantity::from_units(25),
        limit_price: Price::from_units(100),
        valid_until: UnixNs(1_760_000_001_000_999_999),
    }
}

/// The texts of a batch's frames.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let (length, header) = match bytes[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 8),
            short => (usize::from(short), 6),
        };
        let key = bytes[header - 4..header].try_into().unwrap();
        let mut payload = bytes[header..header + length].to_vec();
        apply_mask(&mut payload, key);
        texts.push(String::from_utf8(payload).unwrap());
        bytes = &bytes[header + length..];
    }
    texts
}

// covers: P8
#[test]
fn a_kill_takes_new_orders_and_replaces_out_of_the_plaintext_and_leaves_the_cancels_whole() {
    use CommandKind::{Cancel, New, Replace};
    let (table, clock) = (table(), Clock::new());
    let all = [New, Cancel, Replace, New, Cancel, Cancel, New];
    for kinds in (0..all.len()).map(|first| &all[first..]) {
        let mut outbox = Outbox::new(7);
        for (number, command) in (1..).zip(kinds) {
            let intent = intent(number, *command);
            let moments = EntryMoments::default();
            outbox.push(1, &intent, &table, &moments, &clock).unwrap();
        }
        let cancels: Vec<String> = texts(outbox.bytes())
            .into_iter()
            .filter(|text| text.contains("\"op\":\"cancel-order\""))
            .collect();
        outbox.withdraw(|_, command| command != Cancel);
        assert_eq!(texts(outbox.bytes()), cancels);
        let numbers = |wanted: fn(&CommandKind) -> bool| -> Vec<u64> {
            let numbered = (1..).zip(kinds);
            let of = numbered.filter(|(_, kind)| wanted(kind));
            of.map(|(number, _)| number).collect()
        };
        let mut back: Vec<_> = std::iter::from_fn(|| outbox.take_withdrawn()).collect();
        back.sort_unstable();
        assert_eq!(back, numbers(|kind| *kind != Cancel));
        let mut stamps = Vec::new();
        outbox.note_sealed(MonotonicNs(5), MonotonicNs(6));
        outbox.take_written(MonotonicNs(7), &mut stamps);
        let sent: Vec<_> = stamps.iter().map(|stamp| stamp.intent_seq).collect();
        assert_eq!(sent, numbers(|kind| *kind == Cancel));
    }
}
