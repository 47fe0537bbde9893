//! How long one message takes through our ring, beside the floor of this machine in this run: one
//! cache line that two pinned threads write in turn.
//!
//! `cargo run -p millrun-rings --release --example ping_pong [first cpu] [second cpu]`
//!
//! Spins on two cores for some seconds. Both figures are half a round trip, as the median of
//! batches; their ratio is what can be compared between machines and runs.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use millrun_rings::shared_memory::layout::PAYLOAD_WORDS;
use millrun_rings::shared_memory::pair::{ClientSide, EngineSide, create_pair, open_pair};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const ROUNDS: usize = 30;
const BATCHES_A_ROUND: usize = 1_000;
const ROUND_TRIPS_A_BATCH: u64 = 20;
const TRIPS_A_ROUND: u64 = BATCHES_A_ROUND as u64 * ROUND_TRIPS_A_BATCH;

#[repr(align(128))]
struct Line(AtomicU64);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let allowed = allowed_cpus()?;
    let mut chosen = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let first = chosen.next().transpose()?.or(allowed.first().copied());
    let second = chosen.next().transpose()?.or(allowed.get(1).copied());
    let (Some(first), Some(second)) = (first, second) else {
        return Err("two processors are needed: both threads spin".into());
    };
    let engine = create_pair(1024, 1024, 1)?;
    let EngineSide {
        requests,
        events,
        request_fd,
        event_fd,
        ..
    } = engine;
    let mut client = open_pair(request_fd, event_fd)?;
    let line = Line(AtomicU64::new(0));
    let (mut probe_ns, mut ring_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
        let answering = scope.spawn(|| answer(second, &line, requests, events));
        pin(first)?;
        let mut turn = 0;
        for _ in 0..ROUNDS {
            let mut probe = measure(|| probe_trip(&line, &mut turn));
            let mut ring = measure(|| ring_trip(&mut client));
            let (probe_p50, ring_p50) = (percentile(&mut probe, 50), percentile(&mut ring, 50));
            ratios.push(ring_p50 / probe_p50);
            probe_ns.append(&mut probe);
            ring_ns.append(&mut ring);
        }
        answering
            .join()
            .map_err(|_| "the answering thread panicked")??;
        Ok(())
    })?;
    println!("cpus={first},{second} rounds={ROUNDS} round_trips_a_round={TRIPS_A_ROUND}");
    for (name, figures) in [("probe", &mut probe_ns), ("ring", &mut ring_ns)] {
        println!(
            "{name}_one_way_ns p50={:.0} p99={:.0}",
            percentile(figures, 50),
            percentile(figures, 99)
        );
    }
    println!(
        "ratio_p50={:.2} (median of rounds)",
        percentile(&mut ratios, 50)
    );
    Ok(())
}

/// The other thread: one answer for each probe and each message.
fn answer(
    cpu: usize,
    line: &Line,
    mut requests: millrun_rings::shared_memory::pair::SharedConsumer,
    mut events: millrun_rings::shared_memory::pair::SharedProducer,
) -> rustix::io::Result<()> {
    pin(cpu)?;
    let mut turn = 0;
    let mut payload = [0; PAYLOAD_WORDS];
    for _ in 0..ROUNDS {
        for _ in 0..TRIPS_A_ROUND {
            while line.0.load(Ordering::Acquire) != turn + 1 {
                spin_loop();
            }
            turn += 2;
            line.0.store(turn, Ordering::Release);
        }
        for _ in 0..TRIPS_A_ROUND {
            while !requests
                .pop_into(&mut payload)
                .expect("we are our own peer")
            {
                spin_loop();
            }
            events.push(&payload).expect("one message is under way");
        }
    }
    Ok(())
}

/// Nanoseconds of half a round trip, one figure a batch.
fn measure(mut round_trip: impl FnMut()) -> Vec<f64> {
    let mut figures = Vec::with_capacity(BATCHES_A_ROUND);
    for _ in 0..BATCHES_A_ROUND {
        let begun = Instant::now();
        for _ in 0..ROUND_TRIPS_A_BATCH {
            round_trip();
        }
        figures.push(begun.elapsed().as_nanos() as f64 / (2 * ROUND_TRIPS_A_BATCH) as f64);
    }
    figures
}

fn probe_trip(line: &Line, turn: &mut u64) {
    line.0.store(*turn + 1, Ordering::Release);
    *turn += 2;
    while line.0.load(Ordering::Acquire) != *turn {
        spin_loop();
    }
}

fn ring_trip(client: &mut ClientSide) {
    let mut payload = [7; PAYLOAD_WORDS];
    client
        .requests
        .push(&payload)
        .expect("one message is under way");
    while !client
        .events
        .pop_into(&mut payload)
        .expect("we are our own peer")
    {
        spin_loop();
    }
}

fn percentile(figures: &mut [f64], percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) * percent / 100]
}

fn allowed_cpus() -> rustix::io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect())
}

fn pin(cpu: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}
