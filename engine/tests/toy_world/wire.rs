//! The gate, the wire and its connections: what is sent and said arrives late, twice or not at all.

use crate::toy_world::venue::{Says, chance};
use crate::toy_world::{Happening, Planted, World};
use model::execution_report::VenueReport;
use model::identifiers::TradeId;
use model::input::{Input, LinkChanged, LinkReason, LinkState};
use model::time::NS_PER_MS;
use model::{
    InstrumentId, LinkId, MarginMode, OrderIntent, PositionSide, PositionStated, UnixNs, VenueId,
};
use rand::RngExt;

impl World {
    pub(super) fn send(&mut self, intent: OrderIntent) {
        let at = self.venue_of(intent.instrument);
        let venue = u8::try_from(at).expect("two venues");
        let gives_back = self.planted == Planted::FalseNotSent && chance(&mut self.rng, 5);
        let link = self.links[at].filter(|_| !chance(&mut self.rng, self.faults.not_sent));
        if link.is_none() || gives_back {
            let (boot, intent_seq) = (self.boot, intent.intent_seq);
            let after = self.rng.random_range(0..3) * NS_PER_MS;
            self.schedule(after, Happening::NotSent { boot, intent_seq });
        }
        let Some(link) = link else { return };
        let after = if chance(&mut self.rng, self.faults.slow_command) {
            self.rng.random_range(0..3_000 * NS_PER_MS)
        } else {
            self.rng.random_range(50_000..3 * NS_PER_MS)
        };
        if !(self.deaf[at] && self.rng.random_bool(0.5)) {
            self.schedule(
                after,
                Happening::Command {
                    venue,
                    link,
                    intent,
                },
            );
        }
    }

    pub(super) fn command_arrives(&mut self, venue: u8, link: LinkId, intent: &OrderIntent) {
        let at = usize::from(venue);
        let says = self.venues[at].command(self.now, intent, &mut self.rng);
        self.say(venue, Some(link), says);
    }

    /// The venue speaks: the wire delays, repeats and loses. `link`: where replies go.
    pub(super) fn say(&mut self, venue: u8, link: Option<LinkId>, says: Vec<Says>) {
        let at = usize::from(venue);
        let mut together = Vec::new();
        let bundled = chance(&mut self.rng, 15);
        for one in says {
            let (to, report) = match one {
                Says::Reply(reply) => (link, VenueReport::Reply(reply)),
                Says::Push(update) => {
                    if update.fill.is_some() {
                        self.state_position(venue, update.instrument);
                    }
                    (self.links[at], VenueReport::Order(update))
                }
            };
            let lost = self.deaf[at] || chance(&mut self.rng, self.faults.lose);
            let Some(to) = to.filter(|_| !lost) else {
                continue;
            };
            if bundled && Some(to) == self.links[at] {
                together.push(report);
                continue;
            }
            self.deliver(venue, to, vec![report]);
        }
        if let Some(link) = self.links[at].filter(|_| !together.is_empty()) {
            self.deliver(venue, link, together);
        }
    }

    /// The venue pushes what the account holds, on a way of its own: it may come first, late, twice
    /// or not at all.
    fn state_position(&mut self, venue: u8, instrument: InstrumentId) {
        let at = usize::from(venue);
        let lost = self.deaf[at] || chance(&mut self.rng, self.faults.lose);
        let Some(link) = self.links[at].filter(|_| !lost) else {
            return;
        };
        let stated = PositionStated {
            instrument,
            side: PositionSide::Net,
            margin: MarginMode::Cross,
            units: self.venues[at].position_at(instrument, self.now),
            venue_time: UnixNs(self.now),
        };
        self.deliver(venue, link, vec![VenueReport::Position(stated)]);
    }

    fn deliver(&mut self, venue: u8, link: LinkId, mut reports: Vec<VenueReport>) {
        let mut copies = 1;
        while chance(&mut self.rng, self.faults.repeat) && copies < 4 {
            copies += 1;
        }
        for copy in 0..copies {
            let after = if chance(&mut self.rng, self.faults.delay) {
                self.rng.random_range(0..2_500 * NS_PER_MS)
            } else {
                self.rng.random_range(50_000..2 * NS_PER_MS)
            };
            if copy > 0 && self.planted == Planted::RenamedTrades {
                rename_trades(&mut reports);
            }
            let reports = reports.clone();
            self.schedule(
                after,
                Happening::Frame {
                    venue,
                    link,
                    reports,
                },
            );
        }
    }

    pub(super) fn frame(&mut self, venue: u8, link: LinkId, reports: &[VenueReport]) {
        let venue = VenueId(venue);
        self.feed(&Input::VenueFrame {
            venue,
            link,
            raw: b"{}",
            reports,
        });
    }

    pub(super) fn link_up(&mut self, venue: u8) {
        let at = usize::from(venue);
        if self.links[at].is_some() {
            return;
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links[at] = Some(link);
        self.deaf[at] = false;
        self.link_changed(venue, link, LinkState::Up, LinkReason::Ready);
    }

    pub(super) fn link_down(&mut self, venue: u8, link: LinkId) {
        let at = usize::from(venue);
        if self.links[at] != Some(link) {
            return;
        }
        self.links[at] = None;
        // What was under way on it arrives or does not.
        self.lose_commands(Some(link));
        self.link_changed(venue, link, LinkState::Down, LinkReason::Silent);
        let after = self.rng.random_range(10..1_500) * NS_PER_MS;
        self.schedule(after, Happening::LinkUp { venue });
    }

    fn link_changed(&mut self, venue: u8, link: LinkId, state: LinkState, reason: LinkReason) {
        let venue = VenueId(venue);
        self.feed(&Input::LinkChanged(LinkChanged {
            venue,
            link,
            state,
            reason,
        }));
    }

    pub(super) fn lose_commands(&mut self, of: Option<LinkId>) {
        let rng = &mut self.rng;
        self.queue.retain(|_, happening| match happening {
            Happening::Command { link, .. } if of.is_none_or(|of| of == *link) => {
                rng.random_bool(0.5)
            }
            _ => true,
        });
    }
}

fn rename_trades(reports: &mut [VenueReport]) {
    for report in reports {
        if let VenueReport::Order(update) = report
            && let Some(fill) = &mut update.fill
        {
            let renamed = format!("{}x", fill.trade_id);
            fill.trade_id = TradeId::new(renamed.as_bytes()).expect("short and printable");
        }
    }
}
