//! The query side: lists and look-ups that lag, fail, and arrive in any order but for their end.

use crate::toy_world::venue::{ToyOrder, chance, is_open};
use crate::toy_world::{Happening, Planted, World};
use model::execution_report::OrderUpdate;
use model::recon_fact::{
    FactSource, FillSeen, LookupEnded, OrderAbsent, OrderSeen, PositionSeen, SweepEnded,
};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{ClientOrderId, InstrumentId, PositionCells, ReconFact, UnixNs, VenueId};
use rand::RngExt;

impl World {
    /// How far behind a list is: at most the venue's settling time.
    fn lag(&mut self, venue: usize) -> u64 {
        let settle_ns = [500, 1_500][venue] * NS_PER_MS;
        if self.faults.query_lags {
            self.rng.random_range(0..settle_ns)
        } else {
            0
        }
    }

    /// What trades at a venue.
    pub(crate) fn instruments_of(&self, venue: usize) -> Vec<InstrumentId> {
        let all = (0..3).map(InstrumentId);
        all.filter(|id| self.venue_of(*id) == venue).collect()
    }

    /// Looks one order up in three lists and in the fills.
    pub(crate) fn look_up(&mut self, id: ClientOrderId, ask_no: u16) {
        let asked_at_seq = self.rig.sequence();
        let Some(order) = self.rig.engine.state().orders.get(id) else {
            return;
        };
        let venue = self.venue_of(order.instrument);
        let complete = !chance(&mut self.rng, self.faults.query_fails);
        let mut facts = Vec::new();
        for source in [
            FactSource::OpenOrders,
            FactSource::OrderById,
            FactSource::History,
        ] {
            if !complete && self.rng.random_bool(0.5) {
                continue;
            }
            let lag = self.lag(venue);
            facts.push(self.order_fact(venue, id, source, asked_at_seq, self.now - lag));
        }
        let lag = self.lag(venue);
        let there = self.venues[venue].of_ours(id).cloned();
        if let Some(there) = there.filter(|_| complete) {
            facts.extend(self.fills_of(&there, asked_at_seq, 0, self.now - lag));
        }
        let took = self.hand_over(facts, 40);
        let boot = self.boot;
        let fact = lookup_ended(asked_at_seq, id, ask_no, complete);
        self.schedule(took, Happening::Fact { boot, fact });
    }

    fn order_fact(
        &self,
        venue: usize,
        id: ClientOrderId,
        source: FactSource,
        asked_at_seq: u64,
        then: u64,
    ) -> ReconFact {
        let seen = self.venues[venue]
            .of_ours(id)
            .and_then(|order| order.at(then))
            .copied();
        let shown = seen.filter(|update| match source {
            FactSource::OpenOrders => is_open(update.state),
            FactSource::OrderById => true,
            FactSource::History => !is_open(update.state),
        });
        match shown {
            Some(update) if self.planted != Planted::FalseAbsence => {
                ReconFact::OrderSeen(OrderSeen {
                    asked_at_seq,
                    source,
                    update: unmarked(update),
                })
            }
            _ => {
                let ahead_ns = match self.planted {
                    Planted::FalseAbsence => 60 * NS_PER_S,
                    _ => 0,
                };
                ReconFact::OrderAbsent(OrderAbsent {
                    asked_at_seq,
                    answered_at: UnixNs(self.now + ahead_ns),
                    client_order_id: id,
                    source,
                })
            }
        }
    }

    fn fills_of(
        &self,
        order: &ToyOrder,
        asked_at_seq: u64,
        from: u64,
        then: u64,
    ) -> Vec<ReconFact> {
        let shown = |at: u64| at >= from && at <= then && self.planted != Planted::HiddenFills;
        let fills = order.fills.iter().filter(|one| shown(one.at));
        fills
            .map(|one| {
                ReconFact::FillSeen(FillSeen {
                    asked_at_seq,
                    client_order_id: order.update.client_order_id.filter(|_| one.at % 4 != 0),
                    is_foreign: order.update.client_order_id.is_none(),
                    venue_order_id: order.update.venue_order_id,
                    instrument: order.update.instrument,
                    side: order.update.side,
                    fill: one.fill,
                })
            })
            .collect()
    }

    /// Reads all open orders and the fills of the last seconds.
    pub(crate) fn sweep(&mut self, venue: u8, sweep_no: u32) {
        let asked_at_seq = self.rig.sequence();
        let at = usize::from(venue);
        let complete = !chance(&mut self.rng, self.faults.query_fails);
        let then = self.now - self.lag(at);
        let mut facts = Vec::new();
        for order in self.venues[at].orders.values() {
            let seen = order.at(then).filter(|update| is_open(update.state));
            if let Some(update) = seen.copied() {
                let (source, update) = (FactSource::OpenOrders, unmarked(update));
                facts.push(ReconFact::OrderSeen(OrderSeen {
                    asked_at_seq,
                    source,
                    update,
                }));
            }
            let from = then.saturating_sub(20 * NS_PER_S);
            facts.extend(self.fills_of(order, asked_at_seq, from, then));
        }
        for instrument in self.instruments_of(at) {
            let lag = self.lag(at);
            let net_cross = self.venues[at].position_at(instrument, self.now - lag);
            facts.push(ReconFact::PositionSeen(PositionSeen {
                asked_at_seq,
                instrument,
                is_listed: net_cross != 0,
                cells: PositionCells {
                    net_cross,
                    ..PositionCells::default()
                },
                as_of: UnixNs(self.now),
            }));
        }
        if !complete {
            let rng = &mut self.rng;
            facts.retain(|_| rng.random_bool(0.5));
        }
        let took = self.hand_over(facts, 60);
        let ended = SweepEnded {
            asked_at_seq,
            venue: VenueId(venue),
            sweep_no,
            complete,
        };
        let (boot, fact) = (self.boot, ReconFact::SweepEnded(ended));
        self.schedule(took, Happening::Fact { boot, fact });
    }

    /// Facts reach the engine in any order; gives the time by which all have.
    fn hand_over(&mut self, facts: Vec<ReconFact>, within_ms: u64) -> u64 {
        let boot = self.boot;
        for fact in facts {
            let after = self.rng.random_range(0..within_ms * NS_PER_MS);
            self.schedule(after, Happening::Fact { boot, fact });
        }
        within_ms * NS_PER_MS
    }
}

/// An order as a list shows it: without the fill or replace that its last push was about.
fn unmarked(mut update: OrderUpdate) -> OrderUpdate {
    update.fill = None;
    update.replace = None;
    update
}

/// The end of a look-up, as a fact.
fn lookup_ended(asked_at_seq: u64, id: ClientOrderId, ask_no: u16, complete: bool) -> ReconFact {
    ReconFact::LookupEnded(LookupEnded {
        asked_at_seq,
        client_order_id: id,
        ask_no,
        complete,
    })
}
