//! A percentile distribution as text, in the form of HdrHistogram's own tools (`.hgrm`):
//! nanoseconds, five steps per half distance. Threads: any.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Steps per half of what is left to 100 %.
const STEPS_PER_HALF: u32 = 5;

/// The text.
pub(crate) fn percentile_text(histogram: &Histogram<u64>) -> String {
    let digits = usize::from(histogram.sigfig());
    let mut text = String::new();
    // Writing into a text does not fail.
    let _ = writeln!(
        text,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0u64;
    for step in histogram.iter_quantiles(STEPS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to(), step.quantile_iterated_to());
        let _ = write!(
            text,
            "{value:>12}.{:0<digits$} {quantile:.12} {total:>10}",
            ""
        );
        if quantile < 1.0 {
            let _ = write!(text, " {:>14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    let _ = writeln!(
        text,
        "#[Mean    = {mean:>12.digits$}, StdDeviation   = {deviation:>12.digits$}]"
    );
    let (max, count) = (histogram.max(), histogram.len());
    let _ = writeln!(text, "#[Max     = {max:>12}, Total count    = {count:>12}]");
    let (buckets, sub_buckets) = buckets(histogram);
    let _ = writeln!(
        text,
        "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]"
    );
    text
}

/// How the histogram divides its range.
fn buckets(histogram: &Histogram<u64>) -> (u32, u64) {
    let single_unit_max = 2 * 10u64.pow(u32::from(histogram.sigfig()));
    let sub_buckets = single_unit_max.next_power_of_two();
    let (mut reach, mut buckets) = (sub_buckets, 1);
    while reach <= histogram.high() {
        reach = reach.saturating_mul(2);
        buckets += 1;
    }
    (buckets, sub_buckets)
}
