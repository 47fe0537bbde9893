//! Proof that an order on its way out and an update on its way in allocate nothing.
//!
//! Scope: from the slot in the strategy's ring to the plaintext frame that TLS is given, and from
//! the plaintext frame to the event in the strategy's ring, the journal's entries included, through
//! the engine's real turn, journal, session, codec and rings. An allocator that counts per thread
//! (a dependency of the tests alone) stands under it, so the journal's keeper does not count.
//! What TLS takes is told beside it and bounded. Set-up and what lies between turns are free.

use crate::turn::World;
use crate::turn_stages::Wire;
use allocation_counter::{AllocationInfo, measure};
use anyhow::Result;

/// Orders through all tests of this file together, roughly.
const ORDERS: u32 = 100_000;

/// Sums of what turns took.
#[derive(Debug, Default)]
struct Taken {
    turns: u64,
    allocations: u64,
    /// Allocations less frees.
    kept: i64,
    bytes: u64,
}

impl Taken {
    fn of(&mut self, work: impl FnOnce() -> Result<()>) {
        let mut result = Ok(());
        let info: AllocationInfo = measure(|| result = work());
        result.unwrap();
        self.turns += 1;
        self.allocations += info.count_total;
        self.kept += info.count_current;
        self.bytes += info.bytes_total;
    }

    fn is_none(&self) -> bool {
        (self.allocations, self.kept) == (0, 0)
    }
}

fn world(wire: Wire) -> (World, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path(), 100, 1 << 13, wire).unwrap();
    (world, directory)
}

/// One order out and one fill in, each counted.
fn step(world: &mut World, out: &mut Taken, back: &mut Taken) {
    let order = |world: &mut World| {
        out.of(|| world.run());
        Ok(())
    };
    let fill = |world: &mut World| {
        back.of(|| world.run());
        Ok(())
    };
    world.step(order, fill).unwrap();
}

// covers: P12
#[test]
fn orders_refusals_fills_and_a_reconnect_allocate_nothing_between_ring_and_plaintext() {
    let (mut world, _directory) = world(Wire::Plaintext);
    let (mut out, mut back) = (Taken::default(), Taken::default());
    // Two orders a step, one of them counted as a turn of its own.
    for round in 0..ORDERS / 2 {
        step(&mut world, &mut out, &mut back);
        if round % 100 == 0 {
            let turn = |world: &mut World| {
                out.of(|| world.run());
                Ok(())
            };
            world.refused_order(turn).unwrap();
        }
        if round == ORDERS / 4 {
            world.reconnect(|work| back.of(work)).unwrap();
        }
    }
    assert!(out.turns > u64::from(ORDERS / 2) && back.turns > u64::from(ORDERS / 2));
    assert!(out.is_none(), "out: {out:?}");
    assert!(back.is_none(), "back: {back:?}");
}

#[test]
fn what_tls_allocates_for_an_order_and_for_a_fill_is_little_and_is_given_back() {
    let (mut world, _directory) = world(Wire::Tls);
    let (mut out, mut back) = (Taken::default(), Taken::default());
    // Its own buffers grow to their size first.
    for _ in 0..64 {
        world.step(World::run, World::run).unwrap();
    }
    for _ in 0..1_000 {
        step(&mut world, &mut out, &mut back);
    }
    println!("TLS: 1,000 orders {out:?}, 1,000 fills {back:?}");
    for taken in [&out, &back] {
        assert!(taken.allocations <= 8 * taken.turns, "{taken:?}");
        assert!(taken.kept.unsigned_abs() <= 16, "{taken:?}");
    }
}

#[test]
fn the_counter_sees_an_allocation() {
    let mut taken = Taken::default();
    taken.of(|| {
        drop(std::hint::black_box(vec![1_u8; 100]));
        Ok(())
    });
    assert!(!taken.is_none() && taken.bytes >= 100);
}
