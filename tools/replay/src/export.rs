//! `millrun replay --export`: orders, fills, commands and decisions as tables of text.
//!
//! Owns: what a row of each table is drawn from. Invariants: one walk from the first entry; numbers
//! are exact decimal text; the directory appears under its name only when it is whole. A SQLite
//! file is made by the projector, which lies above this crate. Threads: one.

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use journal::{Entry, Reader};
use model::execution_report::FEE_SCALE;
use model::journal_record::EntryBuffers;
use model::sent_record::SentStamp;
use model::{ChangeBody, ClientOrderId, Decision, Input, OrderChange, OrderIntent};
use serde_json::{Map, Value};

use crate::describe_decision::decision as told_decision;
use crate::describe_input::new_order;
use crate::describe_report;
use crate::failure::ReplayError;
use crate::fields::{Fields, decimal_text, utc_text};
use crate::in_force::InForce;
use crate::record::{Body, kind_of, read};
use table::{Table, Tables};

/// Between two reports of progress.
const PROGRESS_ENTRIES: u64 = 1_000;

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object per line, a file per table.
    Jsonl,
    /// A header line, then one line per row, a file per table (RFC 4180).
    Csv,
    /// One SQLite database: the projection of the whole journal.
    Sqlite,
}

impl ExportFormat {
    /// The word for it on the command line, and the ending of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Rows that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Orders, each once, as the journal leaves it.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Commands, sent or not.
    pub commands: u64,
    /// Decisions of every kind.
    pub decisions: u64,
    /// The last entry read.
    pub last_sequence: u64,
}

/// Writes `orders`, `fills`, `commands` and `decisions` into the new directory `out`.
///
/// # Errors
/// [`ReplayError`]: `out` is there already, cannot be written, or the journal cannot be read; then
/// nothing stands under its name.
pub fn export(
    directory: &Path,
    format: ExportFormat,
    out: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Exported, ReplayError> {
    if format == ExportFormat::Sqlite {
        return Err(ReplayError::FormatNotHere);
    }
    if out.exists() {
        let path = out.to_path_buf();
        return Err(ReplayError::OutputExists { path });
    }
    let partial = partial_name(out);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source: io::Error| ReplayError::Export { path, source }
    };
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(failed(&partial))?;
    let mut export = Export {
        in_force: InForce::default(),
        tables: Tables::create(&partial, format).map_err(failed(&partial))?,
        orders: BTreeMap::new(),
        commands: BTreeMap::new(),
    };
    let walked = export.walk(directory, &partial, progress);
    let exported = walked.and_then(|last_sequence| {
        let rows = export.finish().map_err(failed(&partial))?;
        fs::rename(&partial, out).map_err(failed(out))?;
        Ok(Exported {
            last_sequence,
            ..rows
        })
    });
    if exported.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    exported
}

fn partial_name(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// An order so far: its row, and what is summed up.
struct OrderRow {
    fields: Map<String, Value>,
    fee_units: i128,
}

/// A command whose `Sent` entry may still come.
struct CommandRow {
    fields: Map<String, Value>,
}

struct Export {
    in_force: InForce,
    tables: Tables,
    orders: BTreeMap<ClientOrderId, OrderRow>,
    commands: BTreeMap<u64, CommandRow>,
}

impl Export {
    fn walk(
        &mut self,
        directory: &Path,
        partial: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, ReplayError> {
        let mut reader = Reader::open(directory, 1)?;
        let (mut buffers, mut names) = (EntryBuffers::default(), EntryBuffers::default());
        let mut last = 0;
        while let Some(entry) = reader.next_entry()? {
            let kind = kind_of(&entry)?;
            self.in_force.observe(kind, &entry, &mut names)?;
            let written = match read(kind, &entry, &mut buffers)? {
                Body::Input(input, decisions) => self.take_input(&entry, &input, decisions),
                Body::Sent(record) => self.take_stamps(&entry, &record.intents),
                Body::Opaque(_) => Ok(()),
            };
            written.map_err(|source| ReplayError::Export {
                path: partial.to_path_buf(),
                source,
            })?;
            last = entry.sequence;
            if last % PROGRESS_ENTRIES == 0 {
                progress(last);
            }
        }
        progress(last);
        Ok(last)
    }

    fn take_input(
        &mut self,
        entry: &Entry<'_>,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> io::Result<()> {
        match input {
            // What the last run did not write by its end is never written.
            Input::RecoveryStarted(_) => self.flush_commands()?,
            Input::NotSent { intent_seq, reason } => {
                if let Some(mut command) = self.commands.remove(intent_seq) {
                    let reason = Value::from(reason.name());
                    command.fields.insert("not_sent".to_owned(), reason);
                    self.tables.write(Table::Commands, &command.fields)?;
                }
            }
            _ => {}
        }
        for (at, decision) in decisions.iter().enumerate() {
            let told = told_decision(&self.in_force, decision).into_map();
            let mut row = self
                .place(entry)
                .put("at", at)
                .text("input", input.kind())
                .into_map();
            for name in [
                "type",
                "change",
                "client_order_id",
                "strategy",
                "request_id",
                "status",
                "reason",
            ] {
                let value = told.get(name).cloned().unwrap_or(Value::Null);
                row.insert(name.to_owned(), value);
            }
            row.insert("decision".to_owned(), Value::Object(told));
            self.tables.write(Table::Decisions, &row)?;
            if let Decision::Order(change) = decision {
                self.take_change(entry, change)?;
            }
        }
        Ok(())
    }

    /// Where and when.
    fn place(&self, entry: &Entry<'_>) -> Fields<'_> {
        let utc = self.in_force.utc_of(entry);
        Fields::new(&self.in_force)
            .put("sequence", entry.sequence)
            .put("boot_epoch", entry.boot_epoch)
            .put("utc", utc.map(|(utc, _)| utc_text(utc)))
            .put("utc_error_ns", utc.map(|(_, error_ns)| error_ns))
            .put("config_version", self.in_force.config_version)
    }

    fn take_change(&mut self, entry: &Entry<'_>, change: &OrderChange) -> io::Result<()> {
        let mut venue_order_id = None;
        match &change.body {
            ChangeBody::Created { order, .. } => {
                let row = new_order(self.order_head(entry, change), order).into_map();
                self.begin(change, row);
            }
            ChangeBody::Adopted {
                venue_order_id: id, ..
            } => {
                let row = self.order_head(entry, change).text("side", change.side);
                let row = row.instrument(change.instrument).into_map();
                self.begin(change, row);
                venue_order_id = Some(id.to_string());
            }
            ChangeBody::Acknowledged {
                venue_order_id: id, ..
            }
            | ChangeBody::Linked { venue_order_id: id } => venue_order_id = Some(id.to_string()),
            ChangeBody::CommandStarted(intent) => self.begin_command(entry, change, intent),
            ChangeBody::Executed {
                fill,
                late,
                overfill,
            } => {
                let told = describe_report::fill(&self.in_force, change.instrument, fill);
                let mut row = self
                    .order_fields(self.place(entry), change)
                    .put("late", *late)
                    .put("overfill", *overfill)
                    .put("event_seq", change.event_seq)
                    .into_map();
                row.extend(told.into_map());
                self.tables.write(Table::Fills, &row)?;
                if let Some(order) = self.orders.get_mut(&change.client_order_id) {
                    order.fee_units = order.fee_units.saturating_add(fill.fee_units.into());
                }
            }
            _ => {}
        }
        let now = self.now_of(entry, change);
        if let Some(order) = self.orders.get_mut(&change.client_order_id) {
            order.fields.extend(now);
            if let Some(id) = venue_order_id.filter(|id| !id.is_empty()) {
                order.fields.insert("venue_order_id".to_owned(), id.into());
            }
        }
        Ok(())
    }

    fn begin(&mut self, change: &OrderChange, fields: Map<String, Value>) {
        let row = OrderRow {
            fields,
            fee_units: 0,
        };
        self.orders.insert(change.client_order_id, row);
    }

    fn order_fields<'k>(&self, fields: Fields<'k>, change: &OrderChange) -> Fields<'k> {
        fields
            .order(Some(change.client_order_id))
            .strategy(change.strategy)
            .put("request_id", change.request_id.0)
            .instrument(change.instrument)
            .text("side", change.side)
    }

    fn order_head(&self, entry: &Entry<'_>, change: &OrderChange) -> Fields<'_> {
        let utc = self.in_force.utc_of(entry).map(|(utc, _)| utc_text(utc));
        let fields = Fields::new(&self.in_force)
            .put("created_sequence", entry.sequence)
            .put("created_utc", utc)
            .put("config_version", self.in_force.config_version);
        self.order_fields(fields, change)
    }

    /// What an order is behind a change.
    fn now_of(&self, entry: &Entry<'_>, change: &OrderChange) -> Map<String, Value> {
        let utc = self.in_force.utc_of(entry).map(|(utc, _)| utc_text(utc));
        Fields::new(&self.in_force)
            .text("status", change.status)
            .put("unknown", change.unknown)
            .quantity("order_quantity", change.instrument, change.order_quantity)
            .price("limit_price", change.instrument, change.limit_price)
            .quantity("cum_quantity", change.instrument, change.cum_quantity)
            .put("last_sequence", entry.sequence)
            .put("last_utc", utc)
            .into_map()
    }

    fn begin_command(&mut self, entry: &Entry<'_>, change: &OrderChange, intent: &OrderIntent) {
        let fields = self
            .order_fields(self.place(entry), change)
            .put("intent_seq", intent.intent_seq)
            .text("command", intent.command)
            .put("command_seq", intent.command_seq)
            .put("send_no", intent.send_no)
            .quantity("order_quantity", intent.instrument, intent.order_quantity)
            .price("limit_price", intent.instrument, intent.limit_price)
            .moment("valid_until", intent.valid_until)
            .into_map();
        self.commands
            .insert(intent.intent_seq, CommandRow { fields });
    }

    fn take_stamps(&mut self, entry: &Entry<'_>, stamps: &[SentStamp]) -> io::Result<()> {
        for stamp in stamps {
            let Some(command) = self.commands.get_mut(&stamp.intent_seq) else {
                continue;
            };
            let fields = &mut command.fields;
            fields.insert("sent_sequence".to_owned(), entry.sequence.into());
            let hash = format!("{:016x}", stamp.payload_hash);
            fields.insert("payload_hash".to_owned(), hash.into());
            for (name, at) in [
                ("committed_at_ns", stamp.committed_at),
                ("encoded_at_ns", stamp.encoded_at),
                ("sealed_at_ns", stamp.sealed_at),
                ("written_at_ns", stamp.written_at),
            ] {
                fields.insert(name.to_owned(), (at.0 != 0).then_some(at.0).into());
            }
            // What is still in the backlog is stamped again when it left.
            if stamp.written_at.0 != 0
                && let Some(command) = self.commands.remove(&stamp.intent_seq)
            {
                self.tables.write(Table::Commands, &command.fields)?;
            }
        }
        Ok(())
    }

    fn flush_commands(&mut self) -> io::Result<()> {
        for command in std::mem::take(&mut self.commands).into_values() {
            self.tables.write(Table::Commands, &command.fields)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Exported> {
        self.flush_commands()?;
        for order in self.orders.into_values() {
            let mut fields = order.fields;
            let fee = decimal_text(order.fee_units, FEE_SCALE);
            fields.insert("fee".to_owned(), fee.into());
            self.tables.write(Table::Orders, &fields)?;
        }
        self.tables.close()
    }
}
