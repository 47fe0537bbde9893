//! OKX's limits on messages and time, as data for the engine's configuration.
//!
//! okx.com/docs-v5, "Place order", "Cancel order", "Amend order" (rate limit: 60 requests per 2 s,
//! user id + instrument id, each operation by itself, REST and WebSocket together) and "Sub-account
//! rate limit" (1,000 new and amend requests per 2 s; 50061). The venue sends no headers about
//! them, so the client must count. Threads: none.

use model::engine_config::{RateRule, RateScope};
use model::time::{NS_PER_MS, NS_PER_S};

/// Our window: the venue's 2 s and a margin for what the network does to our spacing.
pub const RATE_WINDOW_NS: u64 = 2_100 * NS_PER_MS;
/// Requests of one kind per instrument and window.
pub const INSTRUMENT_MESSAGES: u32 = 60;
/// New and amend requests of the sub-account per window, over all instruments. The venue does not
/// count spot; we do, to the stricter side.
pub const ACCOUNT_MESSAGES: u32 = 1_000;
/// Longest time between the decision of a command and its `expTime`: after it the command cannot
/// act (50036, 50037), so absence can be proved.
pub const COMMAND_WINDOW_NS_MAX: u64 = 5 * NS_PER_S;
/// How long after the window a list may still lack an order that exists. Our choice: the venue
/// documents no order between the answer, the pushes and the lists.
pub const SETTLE_NS: u64 = 2 * NS_PER_S;
/// New connections per address: 3 per second ("WebSocket / Connect").
pub const CONNECTIONS_PER_S: u32 = 3;

/// The rules in the order in which they are checked.
pub fn rate_rules() -> Vec<RateRule> {
    let per_instrument = |counts_new, counts_cancel, counts_replace| RateRule {
        scope: RateScope::Instrument,
        counts_new,
        counts_cancel,
        counts_replace,
        messages: INSTRUMENT_MESSAGES,
        window_ns: RATE_WINDOW_NS,
    };
    vec![
        per_instrument(true, false, false),
        per_instrument(false, true, false),
        per_instrument(false, false, true),
        RateRule {
            scope: RateScope::Account,
            counts_new: true,
            counts_cancel: false,
            counts_replace: true,
            messages: ACCOUNT_MESSAGES,
            window_ns: RATE_WINDOW_NS,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::order_request::CommandKind;

    // covers: V16
    #[test]
    fn every_command_has_a_budget_and_cancels_share_theirs_with_nothing() {
        let rules = rate_rules();
        for command in CommandKind::ALL {
            assert!(rules.iter().any(|rule| rule.counts(*command)), "{command}");
        }
        for rule in rules.iter().filter(|rule| rule.counts(CommandKind::Cancel)) {
            assert!(!rule.counts(CommandKind::New) && !rule.counts(CommandKind::Replace));
        }
    }
}
