//! The journal as tables of text: every order, fill, command and decision, whole or not at all.

use std::fs;

use millrun_replay::{ExportFormat, Exported, ReplayError, export};
use serde_json::Value;

use crate::recorded::Recording;
use crate::replaying::arguments;
use crate::story::{Stage, order_id};

fn traded() -> Stage {
    let mut recording = Recording::open();
    recording.trade();
    recording.stage.close();
    recording.stage
}

// covers: HP6
#[test]
fn json_lines_hold_orders_fills_commands_and_decisions_with_exact_numbers() {
    let stage = traded();
    let out = stage.directory.join("../out");
    let written = export(&stage.directory, ExportFormat::Jsonl, &out, &mut |_| {}).unwrap();
    let Exported {
        orders,
        fills,
        commands,
        decisions,
        last_sequence,
    } = written;
    assert_eq!((orders, fills, commands, last_sequence), (1, 1, 2, 15));
    let rows = |table: &str| -> Vec<Value> {
        let text = fs::read_to_string(out.join(format!("{table}.jsonl"))).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    };
    let order = &rows("orders")[0];
    assert_eq!(order["client_order_id"], order_id().to_string());
    assert_eq!(
        (&order["status"], &order["cum_quantity"]),
        (&"cancelled".into(), &"0.25".into())
    );
    assert_eq!(
        (&order["fee"], &order["venue_order_id"]),
        (&"0.013".into(), &"2510".into())
    );
    let fill = &rows("fills")[0];
    assert_eq!(
        (&fill["trade_id"], &fill["last_price"]),
        (&"778".into(), &"65000.1".into())
    );
    assert_eq!(
        (&fill["strategy"], &fill["request_id"]),
        (&"grid".into(), &1.into())
    );
    let commands = rows("commands");
    assert_eq!(
        (&commands[0]["command"], &commands[1]["command"]),
        (&"new".into(), &"cancel".into())
    );
    assert!(commands[0]["payload_hash"].is_string() && commands[0]["written_at_ns"].is_u64());
    assert_eq!(rows("decisions").len() as u64, decisions);
}

// covers: HP6
#[test]
fn csv_has_a_header_and_as_many_cells_in_every_row() {
    let stage = traded();
    let out = stage.directory.join("../out");
    export(&stage.directory, ExportFormat::Csv, &out, &mut |_| {}).unwrap();
    for (table, rows) in [("orders", 1), ("fills", 1), ("commands", 2)] {
        let text = fs::read_to_string(out.join(format!("{table}.csv"))).unwrap();
        assert!(text.ends_with("\r\n"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), rows + 1, "{table}");
        let cells = |line: &str| line.split(',').count();
        assert!(
            lines.iter().all(|line| cells(line) == cells(lines[0])),
            "{text}"
        );
    }
    let fills = fs::read_to_string(out.join("fills.csv")).unwrap();
    assert!(fills.contains(",778,0.25,65000.1,0.013,maker,"), "{fills}");
}

#[test]
fn an_export_never_writes_over_anything_and_leaves_nothing_half_made() {
    let mut stage = traded();
    let out = stage.directory.join("../out");
    fs::create_dir(&out).unwrap();
    let error = export(&stage.directory, ExportFormat::Csv, &out, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ReplayError::OutputExists { .. }));
    fs::remove_dir(&out).unwrap();
    // An entry that cannot be read ends it.
    stage.journal = Some(journal::Journal::open(&crate::story::options(&stage.directory)).unwrap());
    stage.append_bytes(1, b"\x01not a request");
    stage.close();
    let error = export(&stage.directory, ExportFormat::Csv, &out, &mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(!out.exists() && !stage.directory.join("../out.partial").exists());
    assert!(
        arguments(&stage.directory, &["--export", "csv"]).is_err(),
        "needs --out"
    );
    assert!(
        arguments(&stage.directory, &["--out", "x"]).is_err(),
        "needs --export"
    );
    assert!(arguments(&stage.directory, &["--export", "xml", "--out", "x"]).is_err());
}
