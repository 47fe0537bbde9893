//! The shared-memory ring between two processors, and the floor under it: one cache line that two
//! threads write in turn.
//!
//! Both are half a round trip, as the mean of a batch. The probe also brackets every round: where
//! two virtual processors lie on the chip changes within seconds, and with it every figure that
//! crosses them. The answering thread spins only while it is needed.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use rings::shared_memory::layout::PAYLOAD_WORDS;
use rings::shared_memory::pair::{ClientSide, EngineSide, create_pair, open_pair};

use crate::host::{Pinning, pin};
use crate::samples::{Counter, Figures};

/// Round trips of one sample: one alone is shorter than some steps of the counter.
const TRIPS_A_SAMPLE: u64 = 20;
/// Slots of each ring.
const SLOTS: u64 = 1024;

/// A line of its own, and its neighbour that is fetched with it.
#[repr(align(128))]
struct Line(AtomicU64);

/// One-way time of the probe. `None` with less than two processors.
pub(crate) fn probe(counter: &Counter, at: &Pinning, samples: usize) -> Result<Option<Figures>> {
    if at.peer.is_none() {
        return Ok(None);
    }
    let line = Line(AtomicU64::new(0));
    let trips = samples as u64 * TRIPS_A_SAMPLE;
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            pin(at.peer);
            for trip in 0..trips {
                while line.0.load(Ordering::Acquire) != 2 * trip + 1 {
                    spin_loop();
                }
                line.0.store(2 * trip + 2, Ordering::Release);
            }
        });
        let mut turn = 0;
        let figures = one_way(counter, samples, || {
            line.0.store(turn + 1, Ordering::Release);
            turn += 2;
            while line.0.load(Ordering::Acquire) != turn {
                spin_loop();
            }
            Ok(())
        });
        answering
            .join()
            .map_err(|_| anyhow!("the probe's answer panicked"))?;
        figures
    })
}

/// One-way time of a message of 120 bytes. `None` with less than two processors.
pub(crate) fn message(counter: &Counter, at: &Pinning, samples: usize) -> Result<Option<Figures>> {
    if at.peer.is_none() {
        return Ok(None);
    }
    let EngineSide {
        mut requests,
        mut events,
        request_fd,
        event_fd,
        ..
    } = create_pair(SLOTS, SLOTS, 1)?;
    let mut client = open_pair(request_fd, event_fd)?;
    let trips = samples as u64 * TRIPS_A_SAMPLE;
    thread::scope(|scope| {
        let answering = scope.spawn(move || -> Result<()> {
            pin(at.peer);
            let mut payload = [0; PAYLOAD_WORDS];
            for _ in 0..trips {
                while !requests
                    .pop_into(&mut payload)
                    .map_err(|error| anyhow!("{error:?}"))?
                {
                    spin_loop();
                }
                events
                    .push(&payload)
                    .map_err(|error| anyhow!("{error:?}"))?;
            }
            Ok(())
        });
        let figures = one_way(counter, samples, || round_trip(&mut client));
        answering
            .join()
            .map_err(|_| anyhow!("the ring's answer panicked"))??;
        figures
    })
}

fn round_trip(client: &mut ClientSide) -> Result<()> {
    let mut payload = [7; PAYLOAD_WORDS];
    let pushed = client.requests.push(&payload);
    pushed.map_err(|error| anyhow!("{error:?}"))?;
    while !client
        .events
        .pop_into(&mut payload)
        .map_err(|error| anyhow!("{error:?}"))?
    {
        spin_loop();
    }
    Ok(())
}

/// Half of a round trip, one sample a batch. A tenth of the samples is for warming up.
fn one_way(
    counter: &Counter,
    samples: usize,
    mut round_trip: impl FnMut() -> Result<()>,
) -> Result<Option<Figures>> {
    let mut ns = Vec::with_capacity(samples);
    for _ in 0..samples {
        let begun = counter.raw();
        for _ in 0..TRIPS_A_SAMPLE {
            round_trip()?;
        }
        ns.push(counter.ns(begun, counter.raw()) / (2 * TRIPS_A_SAMPLE));
    }
    let warm = samples / 10;
    Ok(Figures::of(&mut ns[warm..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_and_half_its_way_is_a_time() {
        let (counter, at) = (Counter::new(), Pinning::choose());
        for measured in [probe(&counter, &at, 10), message(&counter, &at, 10)] {
            let measured = measured.unwrap();
            assert_eq!(measured.is_some(), at.peer.is_some());
            if let Some(figures) = measured {
                assert_eq!(figures.count, 9);
                assert!(figures.p50 > 0 && figures.p50 <= figures.max);
            }
        }
    }
}
