//! The market at a venue: it fills and ends orders, and others enter theirs.

use crate::rig::config;
use crate::toy_world::venue::{Says, chance};
use crate::toy_world::{Happening, World};
use model::execution_report::VenueOrderState;
use model::time::NS_PER_MS;
use model::{
    BootEpoch, ClientOrderId, InstanceTag, InstrumentId, Price, Quantity, Side, VenueOrderId,
};
use rand::RngExt;

impl World {
    pub(super) fn market(&mut self, venue: u8) {
        let at = usize::from(venue);
        let open: Vec<VenueOrderId> = self.venues[at]
            .orders
            .values()
            .filter(|order| order.is_open())
            .map(|order| order.update.venue_order_id)
            .collect();
        if !open.is_empty() {
            let theirs = open[self.rng.random_range(0..open.len())];
            let says = match self.rng.random_range(0..100) {
                0..70 => self.venues[at].fill_some(self.now, &theirs, &mut self.rng),
                70..76 => self.venues[at].end(self.now, &theirs, VenueOrderState::Cancelled, 20),
                76..80 => self.venues[at].end(self.now, &theirs, VenueOrderState::Expired, 21),
                _ => None,
            };
            self.say(venue, None, says.into_iter().collect());
            self.cross(venue, &open);
        }
        if !self.calm && chance(&mut self.rng, 2) {
            self.enter_stranger(venue);
        }
        let after = self.rng.random_range(1..200) * NS_PER_MS;
        self.schedule(after, Happening::Market { venue });
    }

    /// Two of our orders on both sides of one instrument meet.
    fn cross(&mut self, venue: u8, open: &[VenueOrderId]) {
        let at = usize::from(venue);
        if !chance(&mut self.rng, 10) {
            return;
        }
        let of = |theirs: &VenueOrderId| self.venues[at].orders[theirs].update;
        let still = |theirs: &&VenueOrderId| self.venues[at].orders[*theirs].is_open();
        let buy = open
            .iter()
            .filter(still)
            .find(|one| of(one).side == Side::Buy)
            .copied();
        let Some(buy) = buy else { return };
        let instrument = of(&buy).instrument;
        let meets =
            |one: &&VenueOrderId| of(one).side == Side::Sell && of(one).instrument == instrument;
        let sell = open.iter().filter(still).find(meets).copied();
        let Some(sell) = sell else { return };
        let says = self.venues[at].cross_two(self.now, [&buy, &sell], &mut self.rng);
        self.say(venue, None, says);
    }

    /// An order of somebody else, or one of ours that no journal knows.
    fn enter_stranger(&mut self, venue: u8) {
        let instrument = InstrumentId(if venue == 0 {
            self.rng.random_range(0..2)
        } else {
            2
        });
        let tag = InstanceTag::new(if self.rng.random_bool(0.5) {
            config::TAG
        } else {
            33
        });
        let epoch = BootEpoch::new(0).expect("small");
        let sequence = self.rng.random_range(1..1_000_000);
        let ours = tag.and_then(|tag| ClientOrderId::new(tag, epoch, sequence));
        let ours = ours.filter(|_| self.rng.random_bool(0.8));
        let quantity = Quantity::from_units(self.rng.random_range(1..9) * 10);
        let price = Price::from_units(500);
        let at = usize::from(venue);
        let theirs = self.venues[at].enter(self.now, ours, instrument, Side::Buy, quantity, price);
        let update = self.venues[at].orders[&theirs].update;
        self.say(venue, None, vec![Says::Push(update)]);
    }
}
