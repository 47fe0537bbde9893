//! Fixed scenes whose instructions `cargo xtask instructions` counts under valgrind.
//!
//! A scene does its work [`OPERATIONS`] times, each time inside [`measured`], which callgrind
//! switches its counting on and off at; all that lies between is free. Invariants: a scene does
//! the same on every run, so that its count moves only with the code; setting up and warming up are
//! not counted. Must not know what was counted before. One thread.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use engine::ports::Venues;
use journal::Mode;
use model::order_change::ChangeBody;
use model::{Decision, MonotonicNs, OrderIntent, VenueId};
use protocol::frame::{FrameBatch, FrameKind, MaskSequence};
use protocol::venue::okx::encode::encode_command;
use protocol::venue::okx::instrument_table::{InstrumentTable, OkxSettings};

use crate::journal_append::{AppendStage, OrderEntry};
use crate::samples::Counter;
use crate::scene;
use crate::stage_ports::VenueStub;
use crate::turn::{FILL, World};
use crate::turn_stages::Wire;

/// How often a scene's work is counted.
const OPERATIONS: u32 = 256;
/// Slots of the store in the scenes with few open orders.
const CAPACITY: u32 = 1 << 17;
/// Slots of a store that is used up before the counting begins.
const SMALL_CAPACITY: u32 = 1 << 12;
/// Slots of a store with a million open orders.
const LARGE_CAPACITY: u32 = 1 << 20;

/// What a scene does, in a folder of its own.
type Scene = fn(&Path) -> Result<()>;

/// Every scene. Names that end in `_open_` and a number, and differ in it alone, do the same with
/// so many open orders: their counts must be the same too.
const SCENES: &[(&str, Scene)] = &[
    ("journal_append", |directory| {
        append(directory, AppendStage::append)
    }),
    ("journal_entry", |directory| {
        append(directory, AppendStage::append_entry)
    }),
    ("order_text", |_| order_text()),
    ("order_frame", |_| order_frame()),
    ("fill_decode", |_| fill_decode()),
    ("order_turn", |directory| {
        turns(
            directory,
            100,
            CAPACITY,
            Wire::Plaintext,
            counted,
            World::run,
        )
    }),
    ("order_turn_tls", |directory| {
        turns(directory, 100, CAPACITY, Wire::Tls, counted, World::run)
    }),
    ("fill_turn", |directory| {
        turns(
            directory,
            100,
            CAPACITY,
            Wire::Plaintext,
            World::run,
            counted,
        )
    }),
    ("fill_turn_tls", |directory| {
        turns(directory, 100, CAPACITY, Wire::Tls, World::run, counted)
    }),
    ("order_turn_full_store", order_turn_full_store),
    ("both_turns_open_100", |directory| {
        turns(
            directory,
            100,
            LARGE_CAPACITY,
            Wire::Plaintext,
            counted,
            counted,
        )
    }),
    ("both_turns_open_1000000", |directory| {
        turns(
            directory,
            1_000_000,
            LARGE_CAPACITY,
            Wire::Plaintext,
            counted,
            counted,
        )
    }),
];

/// Runs one scene and prints how many operations were counted; `list` prints all names.
///
/// # Errors
/// A name that is no scene, and what a scene's work refuses.
pub(crate) fn run(name: &str) -> Result<()> {
    if name == "list" {
        SCENES.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let scene = SCENES.iter().find(|(known, _)| *known == name);
    let (_, scene) =
        scene.with_context(|| format!("no scene {name:?}; --scene list names them"))?;
    let directory = tempfile::Builder::new()
        .prefix("millrun-scene-")
        .tempdir()?;
    scene(directory.path())?;
    println!("operations={OPERATIONS}");
    Ok(())
}

/// The counted part of a scene. Found by its name in the compiled program, so it is never inlined,
/// nor called for anything that is not to be counted.
#[inline(never)]
fn measured<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

fn append(directory: &Path, append: fn(&mut AppendStage) -> Result<()>) -> Result<()> {
    let mut stage = AppendStage::open(directory, Mode::Process)?;
    append(&mut stage)?;
    for _ in 0..OPERATIONS {
        measured(|| append(&mut stage))?;
    }
    Ok(())
}

fn table() -> Result<InstrumentTable> {
    let instrument = scene::instrument()?;
    InstrumentTable::new(VenueId(0), [&instrument], &OkxSettings::default())
        .map_err(|error| anyhow!("{error}"))
}

fn intent() -> Result<OrderIntent> {
    let decided = OrderEntry::decide()?.decisions;
    let mut intents = decided.iter().filter_map(|decision| match decision {
        Decision::Order(change) => match &change.body {
            ChangeBody::CommandStarted(intent) => Some(*intent),
            _ => None,
        },
        _ => None,
    });
    intents.next().context("an order starts a command")
}

/// The command's JSON.
fn order_text() -> Result<()> {
    let (table, intent) = (table()?, intent()?);
    let mut out = [0; 1024];
    for _ in 0..OPERATIONS {
        let length = measured(|| encode_command(&mut out, black_box(&intent), &table));
        length.map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

/// The frame around it: header, key, mask.
fn order_frame() -> Result<()> {
    let (table, intent) = (table()?, intent()?);
    let mut batch = FrameBatch::new(16 * 1024);
    let mut masks = MaskSequence::new(1);
    for _ in 0..OPERATIONS {
        batch.clear();
        let length = encode_command(batch.payload_space(), &intent, &table);
        let length = length.map_err(|error| anyhow!("{error}"))?;
        let framed = measured(|| batch.finish_frame(FrameKind::Text, length, masks.next_key()));
        framed.map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

/// A fill's message as reports, with what comes before decoding.
fn fill_decode() -> Result<()> {
    let mut venue = VenueStub::new(table()?)?;
    let lay = |venue: &mut VenueStub| venue.lay(FILL.trim_end());
    let clock = Counter::new();
    for _ in 0..OPERATIONS {
        lay(&mut venue)?;
        if measured(|| venue.next_input(MonotonicNs(1), &clock).is_none()) {
            bail!("the fill is no input");
        }
    }
    Ok(())
}

type Turn = fn(&mut World) -> Result<()>;

fn counted(world: &mut World) -> Result<()> {
    measured(|| world.run())
}

fn turns(
    directory: &Path,
    open: u32,
    capacity: u32,
    wire: Wire,
    order: Turn,
    fill: Turn,
) -> Result<()> {
    let mut world = World::open(directory, open, capacity, wire)?;
    world.step(World::run, World::run)?;
    for _ in 0..OPERATIONS {
        world.step(order, fill)?;
    }
    Ok(())
}

/// Each new order makes one leave that ended long ago.
fn order_turn_full_store(directory: &Path) -> Result<()> {
    let mut world = World::open(directory, 100, SMALL_CAPACITY, Wire::Plaintext)?;
    for _ in 0..SMALL_CAPACITY / 2 + 1 {
        world.step(World::run, World::run)?;
    }
    for _ in 0..OPERATIONS {
        world.step(counted, World::run)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_scene_does_its_work_and_an_unknown_name_is_refused() {
        for (name, scene) in SCENES.iter().filter(|(name, _)| !name.contains("_open_")) {
            let directory = tempfile::tempdir().unwrap();
            scene(directory.path()).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        assert!(run("no_such_scene").is_err());
    }
}
