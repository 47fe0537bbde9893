//! The grid strategy's arguments, and what they mean once checked.
//!
//! Must not know: clients, rings. Threads: plain values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Arguments of `millrun strategy grid`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  millrun strategy grid --socket data/attach.sock --symbol BTC-USDT-SWAP \\
      --center BTC-USDT-SWAP=64000 --levels 3 --spacing-bps 2 --orders 1000 --max-seconds 60")]
pub struct GridArguments {
    /// The engine's attach socket
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Name of the strategy in the engine's configuration
    #[arg(long, default_value = "grid")]
    pub strategy: String,
    /// Instrument to quote; may be given several times or with commas
    #[arg(long = "symbol", value_delimiter = ',', required = true)]
    pub symbols: Vec<String>,
    /// Price to begin at, as SYMBOL=PRICE; once for each symbol
    #[arg(long = "center", value_delimiter = ',', required = true)]
    pub centers: Vec<String>,
    /// Orders on each side of the price
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub levels: u8,
    /// Distance of two orders, in ticks
    #[arg(long, conflicts_with = "spacing_bps", value_parser = clap::value_parser!(u32).range(1..))]
    pub spacing_ticks: Option<u32>,
    /// Distance of two orders, in hundredths of a percent of the price [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub spacing_bps: Option<u32>,
    /// Quantity of each order [default: the instrument's smallest]
    #[arg(long)]
    pub quantity: Option<String>,
    /// Stop after the venue has taken this many orders; 0 = no target
    #[arg(long, default_value_t = 0)]
    pub orders: u64,
    /// Stop after this many seconds
    #[arg(long, default_value_t = 60)]
    pub max_seconds: u64,
    /// Seed of the choices which order to renew, and how
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Orders that would take are refused by the venue
    #[arg(long)]
    pub post_only: bool,
    /// New orders in 2 s at one instrument; OKX allows 60
    #[arg(long, default_value_t = 56, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub orders_per_2s: u32,
    /// File for the ledger: a line of JSON for each order, fill and end
    #[arg(long, value_name = "PATH")]
    pub ledger: Option<PathBuf>,
    /// Seconds that the engine may be away before the strategy gives up
    #[arg(long, default_value_t = 30)]
    pub engine_away_seconds: u64,
    /// Seconds that open orders may take to end at the stop
    #[arg(long, default_value_t = 30)]
    pub quiet_seconds: u64,
}

/// How far two orders of a side are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Ticks of the instrument.
    Ticks(u32),
    /// Hundredths of a percent of the price, up to the next tick.
    BasisPoints(u32),
}

/// Checked options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridOptions {
    /// The engine's attach socket.
    pub socket: PathBuf,
    /// Name of the strategy.
    pub strategy: String,
    /// Instruments with the price to begin at, decimal text.
    pub centers: BTreeMap<String, String>,
    /// Orders on each side.
    pub levels: u8,
    /// Distance of two orders.
    pub spacing: Spacing,
    /// Decimal text; `None` = each instrument's smallest.
    pub quantity: Option<String>,
    /// Stop after the venue has taken this many orders.
    pub target_orders: Option<u64>,
    /// Stop after this long.
    pub max_time: Duration,
    /// Seed of all choices.
    pub seed: u64,
    /// Orders never take.
    pub post_only: bool,
    /// New orders in 2 s at one instrument.
    pub orders_per_2s: u32,
    /// Where the ledger goes.
    pub ledger: Option<PathBuf>,
    /// How long the engine may be away.
    pub engine_away: Duration,
    /// How long the end may take.
    pub quiet_within: Duration,
}

impl GridArguments {
    /// Checks what belongs together.
    ///
    /// # Errors
    /// A symbol without a price, a price without a symbol, or one that is given twice.
    pub fn options(&self) -> anyhow::Result<GridOptions> {
        let mut centers = BTreeMap::new();
        for center in &self.centers {
            let (symbol, price) = center
                .split_once('=')
                .with_context(|| format!("--center {center}: expected SYMBOL=PRICE"))?;
            ensure!(
                self.symbols.iter().any(|known| known == symbol),
                "--center {center}: no --symbol {symbol}"
            );
            if centers
                .insert(symbol.to_owned(), price.to_owned())
                .is_some()
            {
                bail!("--center {symbol} is given twice");
            }
        }
        for symbol in &self.symbols {
            ensure!(
                centers.contains_key(symbol),
                "--symbol {symbol} needs a --center {symbol}=PRICE to begin at"
            );
        }
        let spacing = match (self.spacing_ticks, self.spacing_bps) {
            (Some(ticks), _) => Spacing::Ticks(ticks),
            (None, bps) => Spacing::BasisPoints(bps.unwrap_or(5)),
        };
        Ok(GridOptions {
            socket: self.socket.clone(),
            strategy: self.strategy.clone(),
            centers,
            levels: self.levels,
            spacing,
            quantity: self.quantity.clone(),
            target_orders: (self.orders > 0).then_some(self.orders),
            max_time: Duration::from_secs(self.max_seconds),
            seed: self.seed,
            post_only: self.post_only,
            orders_per_2s: self.orders_per_2s,
            ledger: self.ledger.clone(),
            engine_away: Duration::from_secs(self.engine_away_seconds),
            quiet_within: Duration::from_secs(self.quiet_seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        grid: GridArguments,
    }

    fn options(line: &str) -> anyhow::Result<GridOptions> {
        let words = std::iter::once("grid").chain(line.split(' '));
        Line::try_parse_from(words)?.grid.options()
    }

    #[test]
    fn symbols_and_their_prices_are_joined() {
        let options =
            options("--socket s --symbol A,B --center A=1.5 --center B=2 --spacing-ticks 4")
                .unwrap();
        assert_eq!(options.centers["A"], "1.5");
        assert_eq!(options.centers.len(), 2);
        assert_eq!(options.spacing, Spacing::Ticks(4));
        assert_eq!((options.target_orders, options.quantity), (None, None));
    }

    #[test]
    fn a_symbol_without_a_price_and_a_price_without_a_symbol_are_named() {
        for (line, what) in [
            ("--socket s --symbol A,B --center A=1", "--symbol B needs"),
            ("--socket s --symbol A --center A=1,C=2", "no --symbol C"),
            ("--socket s --symbol A --center A=1,A=2", "given twice"),
            ("--socket s --symbol A --center A", "SYMBOL=PRICE"),
        ] {
            let error = options(line).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
