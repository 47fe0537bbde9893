//! Writer and cursor over heap memory: the same code as over mapped files, where Miri can run it.
//!
//! Owns nothing but tests. Must not touch files. Threads: one.

use std::sync::Arc;

use crate::entry::{SegmentCursor, Step};
use crate::error::AppendError;
use crate::header::{self, Opening};
use crate::layout::{ENTRIES_START, SEGMENT_BYTES_MIN, SEQUENCE_LIMIT, SegmentIdentity};
use crate::mapping::Region;
use crate::progress::Progress;
use crate::segment::{PreparedSegment, RetiredSegment};
use crate::writer::{ResumePoint, Writer};

struct Heap {
    writer: Writer,
    regions: Vec<(SegmentIdentity, Arc<Region>)>,
    spares: rtrb::Producer<PreparedSegment>,
    retired: rtrb::Consumer<RetiredSegment>,
}

fn segment(index: u32) -> (SegmentIdentity, Arc<Region>) {
    let identity = SegmentIdentity {
        journal_id: 42,
        segment_salt: SEQUENCE_LIMIT | u64::from(index) << 32 | 0x5EED,
        segment_index: index,
        segment_bytes: SEGMENT_BYTES_MIN,
        instance_tag: 1,
        boot_epoch: 9,
    };
    (identity, Arc::new(Region::heap(SEGMENT_BYTES_MIN as usize)))
}

impl Heap {
    fn new(retired_capacity: usize) -> Self {
        let (identity, region) = segment(1);
        let mut first = PreparedSegment::over(identity, &region);
        let opened = Opening {
            first_sequence: 1,
            boot_epoch: 9,
            previous_seal_checksum: 0,
        };
        header::write_opening(first.writer(), &identity, &opened);
        let (spares, spares_out) = rtrb::RingBuffer::new(2);
        let (retired_in, retired) = rtrb::RingBuffer::new(retired_capacity);
        let point = ResumePoint {
            offset: ENTRIES_START,
            last_sequence: 0,
            segment_entries: 0,
            boot_epoch: 9,
        };
        let progress = Arc::new(Progress::default());
        let writer = Writer::resume(first, point, spares_out, retired_in, progress);
        Self {
            writer,
            regions: vec![(identity, region)],
            spares,
            retired,
        }
    }

    fn give_spare(&mut self) {
        let (identity, region) = segment(self.regions.len() as u32 + 1);
        self.spares
            .push(PreparedSegment::over(identity, &region))
            .unwrap();
        self.regions.push((identity, region));
    }

    fn append(&mut self, body: &[u8]) -> Result<u64, AppendError> {
        let mut builder = self.writer.begin(1, 1, body.len())?;
        builder.put(body);
        Ok(builder.commit().sequence())
    }

    /// Sequences in order, through all segments.
    fn sequences(&self) -> Vec<u64> {
        let (mut seen, mut buffer) = (Vec::new(), Vec::new());
        let mut seal = 0;
        for (identity, region) in &self.regions {
            let Some(opened) = header::read_opening(region, identity).unwrap() else {
                break;
            };
            assert_eq!(opened.previous_seal_checksum, seal);
            let mut cursor = SegmentCursor::new(*identity, opened.first_sequence, 9);
            loop {
                match cursor.step(region, &mut buffer) {
                    Step::Entry(header, _) => seen.push(header.sequence),
                    Step::Sealed { checksum } => break seal = checksum,
                    Step::NotWritten => return seen,
                    Step::Bad(fault) => panic!("{fault}"),
                }
            }
        }
        seen
    }
}

#[test]
fn a_full_segment_without_spare_refuses_and_changes_nothing() {
    let mut heap = Heap::new(4);
    let mut last = 0;
    let error = loop {
        match heap.append(&[7; 4_000]) {
            Ok(sequence) => last = sequence,
            Err(error) => break error,
        }
    };
    assert_eq!(error, AppendError::NoSpareSegment);
    assert_eq!(heap.sequences(), (1..=last).collect::<Vec<_>>());
    heap.writer.progress().set_prepare_failure(28);
    assert_eq!(heap.append(&[7; 4_000]), Err(AppendError::Full));
    heap.give_spare();
    assert_eq!(heap.append(&[7; 4_000]), Ok(last + 1));
    assert_eq!(heap.sequences(), (1..=last + 1).collect::<Vec<_>>());
    assert_eq!(heap.retired.pop().unwrap().segment_index(), 1);
}

#[test]
fn without_room_for_the_retired_segment_there_is_no_roll() {
    let mut heap = Heap::new(1);
    heap.give_spare();
    heap.give_spare();
    let mut last = 0;
    while let Ok(sequence) = heap.append(&[1; 8_000]) {
        last = sequence;
    }
    assert!(
        header::read_opening(&heap.regions[1].1, &heap.regions[1].0)
            .unwrap()
            .is_some()
    );
    assert!(
        header::read_opening(&heap.regions[2].1, &heap.regions[2].0)
            .unwrap()
            .is_none()
    );
    assert_eq!(heap.retired.pop().unwrap().segment_index(), 1);
    assert_eq!(
        heap.append(&[1; 8_000]),
        Ok(last + 1),
        "it goes on once the keeper took one"
    );
    assert_eq!(heap.sequences(), (1..=last + 1).collect::<Vec<_>>());
}

#[test]
fn the_published_limit_never_covers_an_entry_that_crosses_it() {
    let mut heap = Heap::new(4);
    for body_bytes in 0..200_usize {
        let sequence = heap.append(&vec![3; body_bytes % 256]).unwrap();
        let place = heap.writer.progress().limit();
        let (limit_sequence, limit) = place;
        assert!(limit_sequence <= sequence);
        let (identity, region) = &heap.regions[0];
        let mut cursor = SegmentCursor::new(*identity, 1, 9);
        let mut buffer = Vec::new();
        while cursor.next_sequence <= limit_sequence {
            assert!(matches!(cursor.step(region, &mut buffer), Step::Entry(..)));
        }
        assert!(
            cursor.offset <= limit.offset_bytes(),
            "entry {limit_sequence} ends behind it"
        );
        assert!(limit.offset_bytes().is_multiple_of(4_096));
        if body_bytes % 37 == 0 {
            heap.writer.pad_to_page(1).unwrap();
            assert_eq!(heap.writer.progress().limit_sequence(), sequence);
        }
    }
}
