//! Message rates of each venue: which rule counts a command, and when the next may go.

use super::{State, place};
use crate::risk::message_rate::MessageRate;
use model::canonical_bytes::{ByteSource, BytesError};
use model::engine_config::{RateRule, RateScope, VenuePolicy};
use model::{CommandKind, InstrumentId, MonotonicNs, VenueId};

/// The message rates of one venue, each over its scope.
#[derive(Debug)]
pub(crate) struct VenueRates {
    /// By rule, then by instrument (or one for the account).
    pub(super) by_rule: Vec<Vec<MessageRate>>,
}

/// How many rates a rule has.
fn rates_of(rule: &RateRule, instruments: usize) -> usize {
    match rule.scope {
        RateScope::Instrument => instruments,
        RateScope::Account => 1,
    }
}

impl VenueRates {
    pub(super) fn new(policy: &VenuePolicy, instruments: usize) -> Self {
        let by_rule = policy.rates.iter().map(|rule| {
            vec![MessageRate::new(rule.messages, rule.window_ns); rates_of(rule, instruments)]
        });
        Self {
            by_rule: by_rule.collect(),
        }
    }
}

impl VenueRates {
    /// Takes the rates of a policy.
    pub(super) fn take(
        policy: &VenuePolicy,
        instruments: usize,
        source: &mut ByteSource<'_>,
    ) -> Result<Self, BytesError> {
        let by_rule = policy.rates.iter().map(|rule| {
            let rates = 0..rates_of(rule, instruments);
            let rates = rates.map(|_| MessageRate::take(rule.messages, rule.window_ns, source));
            rates.collect()
        });
        Ok(Self {
            by_rule: by_rule.collect::<Result<_, _>>()?,
        })
    }

    /// The rates under another policy, over the same past where a rule kept its place and scope.
    pub(super) fn changed(
        &self,
        old: &VenuePolicy,
        policy: &VenuePolicy,
        instruments: usize,
    ) -> Self {
        let mut changed = Self::new(policy, instruments);
        let rules = policy.rates.iter().zip(&old.rates).zip(&self.by_rule);
        for (rates, ((rule, old_rule), past)) in changed.by_rule.iter_mut().zip(rules) {
            if rule.scope != old_rule.scope {
                continue;
            }
            for (rate, past) in rates.iter_mut().zip(past) {
                *rate = past.changed(rule.messages, rule.window_ns);
            }
        }
        changed
    }
}

impl State {
    /// The first moment at which the venue's rates let one more command go.
    pub fn command_free_at(
        &self,
        instrument: InstrumentId,
        command: CommandKind,
        now: MonotonicNs,
    ) -> MonotonicNs {
        let Some(venue) = self.venue_of(instrument) else {
            return MonotonicNs::NEVER;
        };
        let mut free_at = now;
        self.each_rate(venue, instrument, command, |rate| {
            free_at = free_at.max(rate.free_at(now))
        });
        free_at
    }

    fn each_rate(
        &self,
        venue: VenueId,
        instrument: InstrumentId,
        command: CommandKind,
        mut visit: impl FnMut(&MessageRate),
    ) {
        let venue = usize::from(venue.0);
        let (Some(policy), Some(rates)) = (self.config.venues.get(venue), self.rates.get(venue))
        else {
            return;
        };
        for (rule, rates) in policy.rates.iter().zip(&rates.by_rule) {
            let at = match rule.scope {
                RateScope::Instrument => place(instrument.0),
                RateScope::Account => 0,
            };
            if let Some(rate) = rates.get(at).filter(|_| rule.counts(command)) {
                visit(rate);
            }
        }
    }

    pub(super) fn count_command(
        &mut self,
        instrument: InstrumentId,
        command: CommandKind,
        now: MonotonicNs,
    ) {
        let Some(venue) = self.venue_of(instrument).map(|venue| usize::from(venue.0)) else {
            return;
        };
        let (Some(policy), Some(rates)) =
            (self.config.venues.get(venue), self.rates.get_mut(venue))
        else {
            return;
        };
        for (rule, rates) in policy.rates.iter().zip(&mut rates.by_rule) {
            let at = match rule.scope {
                RateScope::Instrument => place(instrument.0),
                RateScope::Account => 0,
            };
            if let Some(rate) = rates.get_mut(at).filter(|_| rule.counts(command)) {
                rate.count(now);
            }
        }
    }
}
