//! The percentiles as a picture: one row per venue, a panel for the way out, one for the way in,
//! one for there and back. Time is on a logarithmic axis, and so is what is left to 100 %, so that
//! the tail has as much room as the middle. Light background, for a document.
//!
//! Owns the layout; a stage has the same colour in every picture. Threads: any.

mod scales;
mod text;

use hdrhistogram::Histogram;
use model::VenueId;
use model::stage::Stage;

use crate::plot::scales::{PercentileAxis, TimeAxis};
use crate::plot::text::escaped;
use crate::report::Report;
use crate::table::time_text;

const WIDTH: f64 = 1500.0;
const MARGIN: f64 = 40.0;
const HEAD: f64 = 112.0;
const ROW: f64 = 676.0;
const PLOT_TOP: f64 = 62.0;
const PLOT_HEIGHT: f64 = 360.0;
const AXIS_WIDTH: f64 = 62.0;
const PANEL_GAP: f64 = 26.0;
const LEGEND_LINE: f64 = 24.0;
/// A legend of two columns needs so much.
const LEGEND_WIDTH: f64 = 540.0;
/// Between the names of two percentiles.
const NAME_WIDTH: f64 = 40.0;
/// Steps of a line per tenfold of what is left.
const STEPS: u32 = 40;

/// One panel: a title, its share of the width, and the stages in the order of the legend.
struct Panel {
    title: &'static str,
    share: f64,
    stages: &'static [Line],
}

/// How a stage is drawn.
struct Line {
    stage: Stage,
    colour: &'static str,
    width: f64,
    dashes: &'static str,
}

const fn part(stage: Stage, colour: &'static str) -> Line {
    Line {
        stage,
        colour,
        width: 1.8,
        dashes: "",
    }
}

const fn whole(stage: Stage, colour: &'static str, dashes: &'static str) -> Line {
    Line {
        stage,
        colour,
        width: 3.0,
        dashes,
    }
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "Order out: strategy's ring to wire",
        share: 0.4,
        stages: &[
            whole(Stage::RingToWire, "#111827", ""),
            whole(Stage::TakeToWire, "#6b7280", ""),
            whole(Stage::RingToKernel, "#111827", "3 5"),
            part(Stage::RingWait, "#0072b2"),
            part(Stage::Decide, "#d55e00"),
            part(Stage::Journal, "#009e73"),
            part(Stage::SyncWait, "#7f3c8d"),
            part(Stage::Encode, "#cc79a7"),
            part(Stage::Batch, "#a6761d"),
            part(Stage::Seal, "#56b4e9"),
            part(Stage::Write, "#e6a700"),
        ],
    },
    Panel {
        title: "Update in: wire to strategy's ring",
        share: 0.35,
        stages: &[
            whole(Stage::WireToRing, "#111827", ""),
            part(Stage::Open, "#0072b2"),
            part(Stage::FrameWait, "#a6761d"),
            part(Stage::Decode, "#d55e00"),
            part(Stage::Apply, "#cc79a7"),
            part(Stage::JournalIn, "#009e73"),
            part(Stage::Publish, "#e6a700"),
        ],
    },
    Panel {
        title: "There and back: the venue",
        share: 0.25,
        stages: &[
            whole(Stage::IntentToAck, "#111827", ""),
            part(Stage::VenueAck, "#0072b2"),
        ],
    },
];

/// The picture as SVG.
pub(crate) fn svg(report: &Report, title: &str) -> String {
    let venues = &report.collected.venues;
    let rows = u32::try_from(venues.len()).unwrap_or(1).max(1);
    let height = HEAD + ROW * f64::from(rows) + 8.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"Ubuntu, DejaVu Sans, Arial, sans-serif\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    label(
        &mut out,
        (MARGIN, 46.0),
        "28\" fill=\"#111827\" font-weight=\"bold",
        title,
    );
    label(
        &mut out,
        (MARGIN, 74.0),
        "17\" fill=\"#4b5563",
        &report.host,
    );
    label(
        &mut out,
        (MARGIN, 98.0),
        "17\" fill=\"#4b5563",
        &origin(report),
    );
    for (row, (venue, name)) in (0u32..).zip(venues) {
        let top = HEAD + ROW * f64::from(row);
        let mut left = MARGIN;
        let free = WIDTH - 2.0 * MARGIN - PANEL_GAP * 2.0;
        for panel in &PANELS {
            let width = free * panel.share;
            draw_panel(&mut out, report, (*venue, name), panel, (left, top, width));
            left += width + PANEL_GAP;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn origin(report: &Report) -> String {
    let (first, last) = report.collected.sequences;
    let period = report.period();
    let when = if period.is_empty() {
        String::new()
    } else {
        format!("{period}, ")
    };
    format!("{when}journal entries {first} to {last}")
}

fn draw_panel(
    out: &mut String,
    report: &Report,
    (venue, name): (VenueId, &str),
    panel: &Panel,
    (left, top, width): (f64, f64, f64),
) {
    let held = |line: &&Line| report.collected.histograms.get(venue, line.stage).is_some();
    let lines: Vec<(&Line, &Histogram<u64>)> = panel
        .stages
        .iter()
        .filter(held)
        .filter_map(|line| Some((line, report.collected.histograms.get(venue, line.stage)?)))
        .filter(|(_, histogram)| !histogram.is_empty())
        .collect();
    let heading = format!("{name} · {}", panel.title);
    label(out, (left, top + 34.0), "19\" fill=\"#111827", &heading);
    if lines.is_empty() {
        label(out, (left, top + 80.0), "16\" fill=\"#6b7280", "no samples");
        return;
    }
    let place = (left + AXIS_WIDTH, top + PLOT_TOP);
    let size = (width - AXIS_WIDTH, PLOT_HEIGHT);
    let times = TimeAxis::over(
        lines.iter().map(|(_, histogram)| *histogram),
        place.1,
        size.1,
    );
    let count = lines.iter().map(|(_, histogram)| histogram.len()).max();
    let percentiles = PercentileAxis::over(count.unwrap_or(1), place.0, size.0);
    draw_grid(out, &times, &percentiles, place, size);
    // The wholes are drawn last, above their parts.
    for (line, histogram) in lines.iter().rev() {
        draw_line(out, line, histogram, &times, &percentiles);
    }
    draw_legend(out, &lines, (left, place.1 + size.1 + 66.0), width);
}

fn draw_grid(
    out: &mut String,
    times: &TimeAxis,
    percentiles: &PercentileAxis,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) {
    let (right, bottom) = (left + width, top + height);
    for (ns, is_decade) in times.ticks() {
        let y = times.y(ns);
        let colour = if is_decade { "#d1d5db" } else { "#f1f3f5" };
        out.push_str(&format!(
            "<line x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\" \
             stroke=\"{colour}\"/>\n"
        ));
        if is_decade {
            let text = axis_time(ns);
            let style = "15\" fill=\"#374151\" text-anchor=\"end";
            label(out, (left - 9.0, y + 5.0), style, &text);
        }
    }
    let mut free_from = f64::MIN;
    for (nines, name) in percentiles.ticks() {
        let x = percentiles.x(nines);
        out.push_str(&format!(
            "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" \
             stroke=\"#d1d5db\"/>\n"
        ));
        let style = "15\" fill=\"#374151\" text-anchor=\"middle";
        // Names that would touch the one before are left out; their lines stay.
        if x >= free_from {
            label(out, (x, bottom + 22.0), style, name);
            free_from = x + NAME_WIDTH;
        }
    }
    out.push_str(&format!(
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"none\" stroke=\"#9ca3af\"/>\n"
    ));
    let style = "15\" fill=\"#6b7280\" text-anchor=\"middle";
    label(
        out,
        (left + width / 2.0, bottom + 44.0),
        style,
        "percentile",
    );
}

fn draw_line(
    out: &mut String,
    line: &Line,
    histogram: &Histogram<u64>,
    times: &TimeAxis,
    percentiles: &PercentileAxis,
) {
    let end = PercentileAxis::nines_of(histogram.len());
    let mut points = String::new();
    let mut step = 0u32;
    loop {
        let nines = (f64::from(step) / f64::from(STEPS)).min(end);
        let quantile = 1.0 - 10f64.powf(-nines);
        let ns = if nines >= end {
            histogram.max()
        } else {
            histogram.value_at_quantile(quantile)
        };
        let (x, y) = (percentiles.x(nines), times.y(ns));
        points.push_str(&format!("{x:.1},{y:.1} "));
        if nines >= end {
            break;
        }
        step += 1;
    }
    let Line {
        colour,
        width,
        dashes,
        ..
    } = line;
    out.push_str(&format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
         stroke-linejoin=\"round\" stroke-linecap=\"round\" stroke-dasharray=\"{dashes}\"/>\n",
        points.trim_end()
    ));
}

/// Each stage with its median and its p99, in two columns where there is room.
fn draw_legend(
    out: &mut String,
    lines: &[(&Line, &Histogram<u64>)],
    (left, top): (f64, f64),
    width: f64,
) {
    let columns = if width > LEGEND_WIDTH { 2 } else { 1 };
    let per_column = lines.len().div_ceil(columns);
    let column_width = width / if columns == 2 { 2.0 } else { 1.0 };
    for (at, (line, histogram)) in lines.iter().enumerate() {
        let column = u32::try_from(at / per_column).unwrap_or(0);
        let row = u32::try_from(at % per_column).unwrap_or(0);
        let x = left + column_width * f64::from(column);
        let y = top + LEGEND_LINE * f64::from(row);
        out.push_str(&format!(
            "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{}\" \
             stroke-width=\"{}\" stroke-dasharray=\"{}\" stroke-linecap=\"round\"/>\n",
            x + 30.0,
            line.colour,
            line.width + 0.6,
            line.dashes,
        ));
        let style = "15\" fill=\"#111827";
        label(out, (x + 40.0, y + 5.0), style, line.stage.name());
        let figures = format!(
            "{} / {}",
            time_text(histogram.value_at_quantile(0.5)),
            time_text(histogram.value_at_quantile(0.99))
        );
        let style = "15\" fill=\"#6b7280";
        label(out, (x + 146.0, y + 5.0), style, &figures);
    }
}

/// `style` is the font's size, and further attributes as they stand behind it.
fn label(out: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let text = escaped(text);
    out.push_str(&format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{style}\">{text}</text>\n"
    ));
}

/// A power of ten with its unit.
fn axis_time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}
