//! The balances that venues stated last. Shown, not decided on: no check of this version reads one.
//!
//! Bounded, sorted, deterministic. An older statement never replaces a newer one.

use super::check_count;
use model::account_statement::BalanceStated;
use model::canonical_bytes::{put_count, take_count};
use model::{ByteSink, ByteSource, BytesError, CanonicalBytes, VenueId, canonical_struct};

/// Balances that are kept over all venues; more are counted and left out.
pub const BALANCES_MAX: usize = 512;

canonical_struct! {
    /// A balance as its venue stated it last.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KnownBalance {
        /// Where.
        pub venue: VenueId,
        /// What, and when.
        pub balance: BalanceStated,
    }
}

/// The balances of all venues.
#[derive(Debug)]
pub struct BalanceBook {
    /// Sorted by venue and currency.
    list: Vec<KnownBalance>,
    left_out: u64,
}

impl Default for BalanceBook {
    fn default() -> Self {
        Self {
            list: Vec::with_capacity(BALANCES_MAX),
            left_out: 0,
        }
    }
}

impl BalanceBook {
    /// Every balance, by venue and currency.
    pub fn iter(&self) -> impl Iterator<Item = &KnownBalance> {
        self.list.iter()
    }

    /// Statements that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(in crate::state) fn note(&mut self, venue: VenueId, balance: &BalanceStated) {
        let known = KnownBalance {
            venue,
            balance: *balance,
        };
        let found = self.list.binary_search_by(|it| {
            let currency = it.balance.currency.as_bytes();
            let wanted = balance.currency.as_bytes();
            it.venue.cmp(&venue).then_with(|| currency.cmp(wanted))
        });
        match found {
            Ok(at) => {
                if self.list[at].balance.venue_time <= balance.venue_time {
                    self.list[at] = known;
                }
            }
            Err(at) if self.list.len() < BALANCES_MAX => self.list.insert(at, known),
            Err(_) => self.left_out = self.left_out.saturating_add(1),
        }
    }
}

impl CanonicalBytes for BalanceBook {
    fn put(&self, sink: &mut impl ByteSink) {
        self.left_out.put(sink);
        put_count(self.list.len(), sink);
        self.list.iter().for_each(|it| it.put(sink));
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let mut book = Self {
            left_out: CanonicalBytes::take(source)?,
            ..Self::default()
        };
        let count = take_count(source)?;
        check_count("balances", count, BALANCES_MAX)?;
        for _ in 0..count {
            // In order, or what is put again is something else.
            let known = KnownBalance::take(source)?;
            book.note(known.venue, &known.balance);
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::account_statement::Currency;
    use model::{DecimalAmount, UnixNs};

    fn balance(currency: &str, total: &str, at: u64) -> BalanceStated {
        BalanceStated {
            currency: Currency::new(currency.as_bytes()).unwrap(),
            total: DecimalAmount::parse(total.as_bytes()).unwrap(),
            available: None,
            venue_time: UnixNs(at),
        }
    }

    #[test]
    fn the_newest_statement_of_each_currency_and_venue_is_kept() {
        let mut book = BalanceBook::default();
        for (venue, currency, total, at) in [
            (1, "USDT", "5", 7),
            (0, "USDT", "1", 7),
            (0, "BTC", "2", 7),
            (0, "USDT", "0.9", 6),
            (0, "BTC", "3", 8),
        ] {
            book.note(VenueId(venue), &balance(currency, total, at));
        }
        let told: Vec<String> = book
            .iter()
            .map(|it| format!("{} {} {}", it.venue, it.balance.currency, it.balance.total))
            .collect();
        assert_eq!(told, ["0 BTC 3", "0 USDT 1", "1 USDT 5"]);
    }

    #[test]
    fn balances_beyond_the_bound_are_counted() {
        let mut book = BalanceBook::default();
        for number in 0..BALANCES_MAX + 3 {
            book.note(VenueId(0), &balance(&format!("C{number}"), "1", 1));
        }
        assert_eq!((book.iter().count(), book.left_out()), (BALANCES_MAX, 3));
    }
}
