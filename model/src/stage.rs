//! The stages of an order's way out and of a frame's way in: one name each, for reports and tools.
//!
//! A stage is the time between two boundaries that [`crate::sent_record`] stamps; nanoseconds. The
//! stages of one direction follow each other without a gap and add up to its whole. Must not know:
//! clocks, histograms.

use crate::canonical_enum;
use crate::sent_record::{FrameStamp, SentStamp};
use crate::time::MonotonicNs;

canonical_enum! {
    /// A stage. The order is that of the way: out, in, and there and back.
    pub enum Stage {
        /// The strategy wrote the request → copied out of its ring and checked. Holds the way over
        /// the ring, a parked engine's waking up, and what the turn did first.
        RingWait = 1 as "ring_wait",
        /// → decided: quota, room, risk, transition.
        Decide = 2 as "decide",
        /// → entry committed.
        Journal = 3 as "journal",
        /// → let go, in mode `strict`: the entry is on the disk.
        SyncWait = 4 as "sync_wait",
        /// → encoded and framed; the events that come before the command are published on the way.
        Encode = 5 as "encode",
        /// → the turn flushes: what else the turn had to do.
        Batch = 6 as "batch",
        /// → sealed by TLS, with all that leaves in the same record.
        Seal = 7 as "seal",
        /// → taken by the socket, the system call included.
        Write = 8 as "write",
        /// Taken from the ring → sealed: our own work on it.
        TakeToWire = 9 as "take_to_wire",
        /// The strategy wrote the request → sealed: handed to the kernel next.
        RingToWire = 10 as "ring_to_wire",
        /// The strategy wrote the request → taken by the socket.
        RingToKernel = 11 as "ring_to_kernel",
        /// The socket gave the bytes → decrypted.
        Open = 12 as "open",
        /// → this frame's turn, after those of the same read.
        FrameWait = 13 as "frame_wait",
        /// → masked, copied, decoded.
        Decode = 14 as "decode",
        /// → decided: look-up and transition.
        Apply = 15 as "apply",
        /// → entry committed.
        JournalIn = 16 as "journal_in",
        /// → its last event is visible in the strategy's ring.
        Publish = 17 as "publish",
        /// The socket gave the bytes → the last event is visible in the strategy's ring.
        WireToRing = 18 as "wire_to_ring",
        /// The socket took the command → it gave the bytes of the venue's answer.
        VenueAck = 19 as "venue_ack",
        /// The turn that journaled the intent → the turn that journaled the venue's answer.
        IntentToAck = 20 as "intent_to_ack",
    }
}

/// One stage that took so many nanoseconds.
pub type StageTime = (Stage, u64);

/// A stage between two boundaries; `None` when one of them was not reached.
pub fn between(stage: Stage, from: MonotonicNs, to: MonotonicNs) -> Option<StageTime> {
    let reached = from != MonotonicNs(0) && to != MonotonicNs(0);
    reached.then(|| (stage, to.since_ns(from)))
}

impl SentStamp {
    fn let_go_at(&self) -> MonotonicNs {
        self.committed_at.max(self.released_at)
    }

    /// The stages on the way out. `requested_at`: when the strategy says that it wrote the request;
    /// 0 when no request asked for the intent.
    pub fn stages(&self, requested_at: MonotonicNs) -> impl Iterator<Item = StageTime> + use<> {
        let stages = [
            between(Stage::RingWait, requested_at, self.taken_at),
            between(Stage::Decide, self.taken_at, self.decided_at),
            between(Stage::Journal, self.decided_at, self.committed_at),
            between(Stage::SyncWait, self.committed_at, self.released_at),
            between(Stage::Encode, self.let_go_at(), self.encoded_at),
            between(Stage::Batch, self.encoded_at, self.flushed_at),
            between(Stage::Seal, self.flushed_at, self.sealed_at),
            between(Stage::Write, self.sealed_at, self.written_at),
            between(Stage::TakeToWire, self.taken_at, self.sealed_at),
            between(Stage::RingToWire, requested_at, self.sealed_at),
            between(Stage::RingToKernel, requested_at, self.written_at),
        ];
        stages.into_iter().flatten()
    }
}

impl FrameStamp {
    /// The stages on the way in.
    pub fn stages(&self) -> impl Iterator<Item = StageTime> + use<> {
        let stages = [
            between(Stage::Open, self.received_at, self.opened_at),
            between(Stage::FrameWait, self.opened_at, self.begun_at),
            between(Stage::Decode, self.begun_at, self.decoded_at),
            between(Stage::Apply, self.decoded_at, self.decided_at),
            between(Stage::JournalIn, self.decided_at, self.committed_at),
            between(Stage::Publish, self.committed_at, self.published_at),
            between(Stage::WireToRing, self.received_at, self.published_at),
        ];
        stages.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(times: &[StageTime], stages: &[Stage]) -> u64 {
        let of = |stage: &Stage| times.iter().find(|(found, _)| found == stage);
        stages.iter().map(|stage| of(stage).unwrap().1).sum()
    }

    fn at(ns: u64) -> MonotonicNs {
        MonotonicNs(ns)
    }

    const SENT: SentStamp = SentStamp {
        intent_seq: 1,
        entry_sequence: 2,
        payload_hash: 3,
        taken_at: MonotonicNs(1_100),
        decided_at: MonotonicNs(1_400),
        committed_at: MonotonicNs(1_460),
        released_at: MonotonicNs(0),
        encoded_at: MonotonicNs(1_500),
        flushed_at: MonotonicNs(1_510),
        sealed_at: MonotonicNs(1_770),
        written_at: MonotonicNs(5_770),
    };

    // covers: HP4
    #[test]
    fn the_stages_of_an_intent_add_up_to_the_way_from_ring_to_wire() {
        let times: Vec<StageTime> = SENT.stages(at(1_000)).collect();
        let ours = [
            Stage::Decide,
            Stage::Journal,
            Stage::Encode,
            Stage::Batch,
            Stage::Seal,
        ];
        assert_eq!(total(&times, &ours), 670);
        assert_eq!(total(&times, &[Stage::TakeToWire]), 670);
        assert_eq!(total(&times, &[Stage::RingWait]), 100);
        assert_eq!(total(&times, &[Stage::RingToWire]), 770);
        assert_eq!(total(&times, &[Stage::Write]), 4_000);
        assert_eq!(total(&times, &[Stage::RingToKernel]), 4_770);
    }

    #[test]
    fn an_intent_that_waited_for_its_sync_has_a_stage_more_and_the_same_sum() {
        let parked = SentStamp {
            released_at: at(1_480),
            ..SENT
        };
        let times: Vec<StageTime> = parked.stages(at(1_000)).collect();
        assert_eq!(total(&times, &[Stage::SyncWait]), 20);
        assert_eq!(total(&times, &[Stage::Encode]), 20);
        assert_eq!(total(&times, &[Stage::TakeToWire]), 670);
    }

    #[test]
    fn a_boundary_that_was_not_reached_makes_no_time() {
        let in_backlog = SentStamp {
            written_at: at(0),
            taken_at: at(0),
            ..SENT
        };
        let times: Vec<StageTime> = in_backlog.stages(at(0)).collect();
        let named: Vec<Stage> = times.iter().map(|(stage, _)| *stage).collect();
        let reached = [Stage::Journal, Stage::Encode, Stage::Batch, Stage::Seal];
        assert_eq!(named, reached);
    }

    // covers: HP4
    #[test]
    fn the_stages_of_a_frame_add_up_to_the_way_from_wire_to_ring() {
        let frame = FrameStamp {
            entry_sequence: 9,
            received_at: at(100),
            opened_at: at(700),
            begun_at: at(710),
            decoded_at: at(2_400),
            decided_at: at(2_460),
            committed_at: at(2_700),
            published_at: at(2_780),
        };
        let times: Vec<StageTime> = frame.stages().collect();
        let parts = [
            Stage::Open,
            Stage::FrameWait,
            Stage::Decode,
            Stage::Apply,
            Stage::JournalIn,
            Stage::Publish,
        ];
        assert_eq!(total(&times, &parts), 2_680);
        assert_eq!(total(&times, &[Stage::WireToRing]), 2_680);
        let silent = FrameStamp {
            published_at: at(0),
            ..frame
        };
        assert_eq!(silent.stages().count(), 5);
    }
}
