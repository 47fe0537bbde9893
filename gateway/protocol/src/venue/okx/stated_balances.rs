//! The balances that a connection has stated, to tell a push that repeats them from news.
//!
//! The venue pushes the account again for every order that is placed, changed or cancelled: what is
//! held back moves, what is owned does not (okx.com/docs-v5, "WS / Account channel"). Each such
//! push would be an entry of more than a kilobyte in the journal. Invariants: what differs in any
//! total is news; what does not fit the table is news; a new connection knows nothing. Must not
//! know: what the engine makes of it. Threads: the session's.

use model::VenueReport;
use model::account_statement::{BalanceStated, Currency};
use model::decimal_text::DecimalAmount;

/// Currencies that are remembered; more are news each time.
const CURRENCIES_MAX: usize = 64;

/// What was stated last, by currency.
#[derive(Debug)]
pub(super) struct StatedBalances {
    totals: Vec<(Currency, DecimalAmount)>,
}

impl Default for StatedBalances {
    fn default() -> Self {
        Self {
            totals: Vec::with_capacity(CURRENCIES_MAX),
        }
    }
}

impl StatedBalances {
    /// Remembers the balances of a frame; true when it holds nothing else and no total is new.
    pub(super) fn is_repetition(&mut self, reports: &[VenueReport]) -> bool {
        let mut is_repetition = !reports.is_empty();
        for report in reports {
            is_repetition &= match report {
                VenueReport::Balance(balance) => self.is_known(balance),
                _ => false,
            };
        }
        is_repetition
    }

    fn is_known(&mut self, balance: &BalanceStated) -> bool {
        let known = self.totals.iter_mut().find(|it| it.0 == balance.currency);
        match known {
            Some((_, total)) => core::mem::replace(total, balance.total) == balance.total,
            None => {
                if self.totals.len() < CURRENCIES_MAX {
                    self.totals.push((balance.currency, balance.total));
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UnixNs;
    use model::execution_report::QuarantineReason;

    fn balance(currency: &str, total: &str, available: &str) -> VenueReport {
        let amount = |text: &str| DecimalAmount::parse(text.as_bytes()).unwrap();
        VenueReport::Balance(BalanceStated {
            currency: Currency::new(currency.as_bytes()).unwrap(),
            total: amount(total),
            available: Some(amount(available)),
            venue_time: UnixNs(1),
        })
    }

    #[test]
    fn only_a_push_whose_every_total_is_known_is_a_repetition() {
        let mut stated = StatedBalances::default();
        assert!(!stated.is_repetition(&[]));
        assert!(!stated.is_repetition(&[balance("USDT", "10", "10")]));
        assert!(stated.is_repetition(&[balance("USDT", "10.0", "7")]));
        let two = [balance("USDT", "10", "7"), balance("BTC", "1", "1")];
        assert!(!stated.is_repetition(&two));
        assert!(stated.is_repetition(&two));
        assert!(!stated.is_repetition(&[balance("USDT", "9", "7")]));
        let mixed = [
            balance("USDT", "9", "7"),
            VenueReport::Quarantined(QuarantineReason::Malformed),
        ];
        assert!(!stated.is_repetition(&mixed), "what cannot be read is told");
    }

    #[test]
    fn currencies_beyond_the_table_are_news_each_time() {
        let mut stated = StatedBalances::default();
        for number in 0..=CURRENCIES_MAX {
            let name = format!("C{number}");
            assert!(!stated.is_repetition(&[balance(&name, "1", "1")]));
        }
        let last = format!("C{CURRENCIES_MAX}");
        assert!(!stated.is_repetition(&[balance(&last, "1", "1")]));
        assert!(stated.is_repetition(&[balance("C0", "1", "1")]));
    }
}
