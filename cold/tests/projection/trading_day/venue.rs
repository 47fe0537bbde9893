//! What the venue of the trading day says: replies, order updates, executions.

use model::execution_report::*;
use model::input::*;
use model::time::NS_PER_MS;
use model::*;

use super::{DAY, LINK, TradingDay, VENUE, Working};

impl TradingDay {
    pub(super) fn execution(&mut self, order: &Working, quantity: i64) -> Fill {
        self.numbers += 1;
        Fill {
            trade_id: Text::new(self.numbers.to_string().as_bytes()).unwrap(),
            last_quantity: Quantity::from_units(quantity),
            last_price: Price::from_units(order.price + self.draw(3) as i64 - 1),
            fee_units: self.draw(1_000_000_000) as i64 - 500_000_000,
            liquidity: LiquiditySide::Maker,
            venue_time: UnixNs(DAY.0 + self.numbers),
        }
    }

    pub(super) fn reply(
        &mut self,
        order: &Working,
        command: CommandKind,
        command_seq: u16,
        outcome: ReplyOutcome,
        venue_code: u32,
    ) {
        let message = if venue_code == 0 {
            ""
        } else {
            "\"no\" \\ said the venue"
        };
        self.push(&[VenueReport::Reply(CommandReply {
            client_order_id: order.id,
            command,
            command_seq,
            outcome,
            venue_order_id: Text::EMPTY,
            venue_code,
            message: Text::new(message.as_bytes()).unwrap(),
            venue_time: UnixNs(DAY.0),
        })]);
    }

    pub(super) fn update(
        &self,
        order: &Working,
        state: VenueOrderState,
        fill: Option<Fill>,
    ) -> OrderUpdate {
        OrderUpdate {
            client_order_id: Some(order.id),
            venue_order_id: Text::new(format!("venue-{}", order.number).as_bytes()).unwrap(),
            instrument: order.instrument,
            side: order.side,
            state,
            order_quantity: Quantity::from_units(order.quantity),
            limit_price: Price::from_units(order.price),
            cum_quantity: Quantity::from_units(order.filled),
            fill,
            replace: None,
            end_code: if state == VenueOrderState::Cancelled {
                1
            } else {
                0
            },
            venue_time: UnixNs(DAY.0 + self.numbers * NS_PER_MS + self.now.0),
        }
    }

    pub(super) fn show(&mut self, order: &Working, state: VenueOrderState, fill: Option<Fill>) {
        let update = self.update(order, state, fill);
        self.push(&[VenueReport::Order(update)]);
    }

    pub(super) fn push(&mut self, reports: &[VenueReport]) {
        let raw = [b'x'; 300];
        self.feed(&Input::VenueFrame {
            venue: VENUE,
            link: LINK,
            raw: &raw,
            reports,
        });
    }
}
