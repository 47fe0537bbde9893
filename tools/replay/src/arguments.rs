//! The options of `millrun replay`, for the binary that embeds them.
//!
//! Owns: names, defaults and the checks that need no journal. Invariant: no option is accepted that
//! has no effect. Threads: any.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;
use model::ClientOrderId;
use model::input::EntryKind;

use crate::export::ExportFormat;
use crate::failure::ReplayError;

/// Print, filter, follow and re-execute a journal. Nothing is changed, and a running engine is not
/// disturbed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Filters combine: an entry is shown when it passes every one that is given.

Examples:
  millrun replay --dir ./data/journal
  millrun replay --order 4611686018427387905 --raw
  millrun replay --kind Request,Sent --strategy grid --from 1000 --limit 20
  millrun replay --follow --json | jq .kind
  millrun replay --at 10000 --json | jq .positions
  millrun replay --export csv --out ./day
  millrun replay --verify
  millrun replay --verify --from 10000 --to 20000 --json

Exit codes:
  0  done, or stopped by a signal or a closed pipe
  1  the journal could not be opened, or the output not be written
  2  an option is wrong
  5  the journal is damaged, or holds an entry that this version cannot read
  7  --verify: re-execution differs from the journal; the first difference is shown")]
pub struct ReplayArgs {
    /// Directory of the journal.
    #[arg(long, value_name = "DIR", default_value = "./data/journal")]
    pub dir: PathBuf,
    /// First sequence to show. Earlier entries are read for names, scales and clocks.
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Last sequence to show.
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
    /// Only these kinds of entries, as `Request,VenueFrame`.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = parse_kind)]
    pub kind: Vec<EntryKind>,
    /// Only entries that name this order.
    #[arg(long, value_name = "CLIENT_ORDER_ID", value_parser = parse_order)]
    pub order: Option<ClientOrderId>,
    /// Only entries that name this strategy, by its name or number.
    #[arg(long, value_name = "ID|NAME")]
    pub strategy: Option<String>,
    /// Only entries that name this instrument, by its symbol at the venue.
    #[arg(long, value_name = "SYMBOL")]
    pub instrument: Option<String>,
    /// Only venue frames whose raw bytes hold this text.
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// Stop after so many entries were shown.
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU64>,
    /// At the end, wait for more entries until interrupted.
    #[arg(long)]
    pub follow: bool,
    /// Show the raw bytes of venue frames, as they were journaled: masked.
    #[arg(long)]
    pub raw: bool,
    /// Run the engine over the journal again and compare: what frames say, what is decided, which
    /// bytes are sent. With --from and --to only those entries are compared.
    #[arg(long, conflicts_with_all = ["kind", "order", "strategy", "instrument", "grep", "limit",
        "follow", "raw"])]
    pub verify: bool,
    /// Show the whole state behind this entry: orders, commands under way, positions, strategies,
    /// venues, with its digest.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with_all = ["kind", "order", "strategy", "instrument", "grep", "limit", "follow",
        "raw", "verify", "from", "to"])]
    pub at: Option<u64>,
    /// Write orders, fills, commands and decisions of the whole journal as files; needs --out.
    #[arg(long, value_name = "FORMAT", requires = "out", conflicts_with_all = ["kind", "order",
        "strategy", "instrument", "grep", "limit", "follow", "raw", "verify", "from", "to", "at"])]
    pub export: Option<ExportFormat>,
    /// Where an export goes: a new directory for jsonl and csv, a new file for sqlite.
    #[arg(long, value_name = "PATH", requires = "export")]
    pub out: Option<PathBuf>,
    /// One JSON object per entry.
    #[arg(long)]
    pub json: bool,
}

impl ReplayArgs {
    /// What contradicts itself without a look at the journal.
    pub(crate) fn check(&self) -> Result<(), ReplayError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(ReplayError::EmptyRange { from, to }),
            _ => Ok(()),
        }
    }
}

fn parse_kind(text: &str) -> Result<EntryKind, String> {
    let named = |kind: &&EntryKind| kind.name().eq_ignore_ascii_case(text);
    EntryKind::ALL.iter().find(named).copied().ok_or_else(|| {
        let names: Vec<&str> = EntryKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("no such kind of entry; valid are {}", names.join(", "))
    })
}

fn parse_order(text: &str) -> Result<ClientOrderId, String> {
    ClientOrderId::from_text(text.as_bytes())
        .ok_or_else(|| "a client order id is a whole number from 1 to 2^63-1".to_owned())
}
