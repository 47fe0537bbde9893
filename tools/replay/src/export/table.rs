//! The four tables of an export, their columns, and how a row is written as text.
//!
//! Invariants: every row has every column, in the order of the header, known or not; what a venue
//! or a strategy wrote cannot become a formula when a spreadsheet opens a file. Threads: one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::{ExportFormat, Exported};
use crate::json_lines::ascii_line;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Orders,
    Fills,
    Commands,
    Decisions,
}

impl Table {
    const ALL: [Self; 4] = [Self::Orders, Self::Fills, Self::Commands, Self::Decisions];

    const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Fills => "fills",
            Self::Commands => "commands",
            Self::Decisions => "decisions",
        }
    }

    /// The columns, in the order of the header.
    fn columns(self) -> impl Iterator<Item = &'static str> + Clone {
        let names = match self {
            Self::Orders => {
                "client_order_id venue_order_id strategy strategy_id request_id instrument \
                 instrument_id side order_type time_in_force post_only reduce_only \
                 order_quantity limit_price status unknown cum_quantity fee \
                 created_sequence created_utc config_version last_sequence last_utc"
            }
            Self::Fills => {
                "sequence boot_epoch utc utc_error_ns config_version client_order_id \
                 strategy strategy_id request_id instrument instrument_id side trade_id \
                 last_quantity last_price fee liquidity venue_time late overfill event_seq"
            }
            Self::Commands => {
                "intent_seq sequence boot_epoch utc utc_error_ns config_version \
                 client_order_id strategy strategy_id request_id instrument instrument_id \
                 side command command_seq send_no order_quantity limit_price valid_until \
                 sent_sequence payload_hash committed_at_ns encoded_at_ns sealed_at_ns \
                 written_at_ns not_sent"
            }
            Self::Decisions => {
                "sequence at boot_epoch utc utc_error_ns config_version input type change \
                 client_order_id strategy request_id status reason decision"
            }
        };
        names.split(' ')
    }
}

struct TableFile {
    out: BufWriter<File>,
    rows: u64,
}

/// All tables, open for writing.
pub(crate) struct Tables {
    format: ExportFormat,
    files: Vec<TableFile>,
}

impl Tables {
    pub(crate) fn create(directory: &Path, format: ExportFormat) -> io::Result<Self> {
        let mut files = Vec::new();
        for table in Table::ALL {
            let path = directory.join(format!("{}.{}", table.name(), format.name()));
            let mut out = BufWriter::new(File::create_new(path)?);
            if format == ExportFormat::Csv {
                let names: Vec<&str> = table.columns().collect();
                writeln!(out, "{}\r", names.join(","))?;
            }
            files.push(TableFile { out, rows: 0 });
        }
        Ok(Self { format, files })
    }

    pub(crate) fn write(&mut self, table: Table, fields: &Map<String, Value>) -> io::Result<()> {
        let file = &mut self.files[table as usize];
        let columns = table.columns();
        let value = |name: &str| fields.get(name).unwrap_or(&Value::Null);
        if self.format == ExportFormat::Csv {
            let cells: Vec<String> = columns.map(|name| cell(value(name))).collect();
            writeln!(file.out, "{}\r", cells.join(","))?;
        } else {
            let row: Map<String, Value> = columns
                .map(|name| (name.to_owned(), value(name).clone()))
                .collect();
            file.out.write_all(&ascii_line(&row)?)?;
        }
        file.rows = file.rows.saturating_add(1);
        Ok(())
    }

    pub(crate) fn close(mut self) -> io::Result<Exported> {
        for file in &mut self.files {
            file.out.flush()?;
            file.out.get_ref().sync_all()?;
        }
        let rows = |table: Table| self.files[table as usize].rows;
        Ok(Exported {
            orders: rows(Table::Orders),
            fills: rows(Table::Fills),
            commands: rows(Table::Commands),
            decisions: rows(Table::Decisions),
            last_sequence: 0,
        })
    }
}

/// A cell of RFC 4180. Text that a spreadsheet would run is given a leading apostrophe; numbers
/// stay numbers.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_number = text
        .strip_prefix('-')
        .unwrap_or(&text)
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let begins_badly = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let guarded = if begins_badly {
        format!("'{text}")
    } else {
        text
    };
    if guarded.contains([',', '"', '\n', '\r']) || begins_badly {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // covers: W07
    #[test]
    fn no_text_becomes_a_formula_or_breaks_out_of_its_cell() {
        let cases = [
            (json!("=1+1"), "\"'=1+1\""),
            (json!("@SUM(A1)"), "\"'@SUM(A1)\""),
            (json!("-cmd|' /C calc'!A0"), "\"'-cmd|' /C calc'!A0\""),
            (json!("-0.013"), "-0.013"),
            (json!("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\""),
            (json!(null), ""),
            (json!(true), "true"),
            (json!({"a": 1}), "\"{\"\"a\"\":1}\""),
        ];
        for (value, expected) in cases {
            assert_eq!(cell(&value), expected);
        }
    }

    #[test]
    fn no_table_has_a_column_twice() {
        for table in Table::ALL {
            let columns: Vec<&str> = table.columns().collect();
            for (at, name) in columns.iter().enumerate() {
                assert!(!columns[at + 1..].contains(name), "{name}");
            }
        }
    }
}
