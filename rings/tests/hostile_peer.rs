//! The real files of an attachment in the hands of a hostile client: seals, headers, scribbling.
#![cfg(not(loom))]

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use memmap2::MmapOptions;
use millrun_rings::shared_memory::RingCorrupt;
use millrun_rings::shared_memory::consumer::PopError;
use millrun_rings::shared_memory::layout::{
    HEAD_WORD, HeaderError, MAGIC, PAYLOAD_WORDS, PairShape, RingKind, SLOT_WORDS, SLOTS_WORD,
    VERSION, file_bytes, file_words, ready_stamp,
};
use millrun_rings::shared_memory::pair::{
    EngineSide, SetupError, create_pair, create_pair_of, open_announced_pair, open_pair,
};
use millrun_rings::shared_memory::producer::PushError;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;

const CAPACITY: u64 = 8;

fn dup(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().expect("a descriptor is free")
}

fn write_word(fd: &OwnedFd, word: usize, value: u64) {
    let written = rustix::io::pwrite(fd, &value.to_ne_bytes(), word as u64 * 8);
    assert_eq!(written, Ok(8));
}

fn read_word(fd: &OwnedFd, word: usize) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(rustix::io::pread(fd, &mut bytes, word as u64 * 8), Ok(8));
    u64::from_ne_bytes(bytes)
}

fn header_error(outcome: Result<impl Sized, SetupError>) -> (RingKind, HeaderError) {
    match outcome {
        Err(SetupError::Header { kind, source }) => (kind, source),
        Err(other) => panic!("expected a header error, got {other}"),
        Ok(_) => panic!("expected a header error, got a pair"),
    }
}

// covers: R05 S19
#[test]
fn peer_can_neither_shrink_nor_grow_nor_reseal_either_file() {
    let engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    for fd in [&engine.request_fd, &engine.event_fd] {
        let bytes = file_bytes(CAPACITY);
        for length in [0, 4096, bytes - 1, bytes + 4096] {
            assert_eq!(rustix::fs::ftruncate(fd, length), Err(Errno::PERM));
        }
        let beyond = rustix::fs::fallocate(fd, FallocateFlags::empty(), bytes, 4096);
        assert_eq!(beyond, Err(Errno::PERM));
        assert_eq!(
            rustix::fs::fcntl_add_seals(fd, SealFlags::WRITE),
            Err(Errno::PERM)
        );
        assert_eq!(rustix::fs::fstat(fd).expect("stat").st_size as u64, bytes);
    }
}

// covers: R05 R06
#[test]
fn client_cannot_write_the_event_file_by_any_road() {
    let mut engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    let path = format!("/proc/self/fd/{}", engine.event_fd.as_raw_fd());
    let reopened = OwnedFd::from(
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .expect("reopen"),
    );
    for fd in [&engine.event_fd, &reopened] {
        let mapped = MmapOptions::new().len(4096).map_raw(fd);
        assert_eq!(
            mapped.map(|_| ()).expect_err("sealed").raw_os_error(),
            Some(1),
            "EPERM"
        );
        let written = rustix::io::pwrite(fd, &[1; 8], HEAD_WORD as u64 * 8);
        assert_eq!(written, Err(Errno::PERM));
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert_eq!(rustix::fs::fallocate(fd, hole, 0, 4096), Err(Errno::PERM));
    }
    // The engine's own mapping, older than the seal, still writes.
    let mut client = open_pair(engine.request_fd, engine.event_fd).expect("open");
    engine.events.push(&[9; PAYLOAD_WORDS]).expect("room");
    assert_eq!(client.events.pop(), Ok(Some([9; PAYLOAD_WORDS])));
}

#[test]
fn both_sides_agree_on_the_announced_shape_and_talk() {
    let shape = PairShape {
        request_capacity: 4,
        event_capacity: 64,
        generation: 77,
        start_position: u64::MAX - 3,
    };
    let mut engine = create_pair_of(shape).expect("pair");
    let mut client =
        open_announced_pair(engine.request_fd, engine.event_fd, shape).expect("announced");
    assert_eq!(client.shape, shape);
    for number in 0..200_u64 {
        client
            .requests
            .push(&[number; PAYLOAD_WORDS])
            .expect("room");
        let request = engine.requests.pop().expect("good").expect("an item");
        engine.events.push(&request).expect("room");
        assert_eq!(client.events.pop(), Ok(Some([number; PAYLOAD_WORDS])));
        assert_eq!(engine.requests.pop(), Ok(None));
        assert_eq!(client.events.pop(), Ok(None));
    }
}

#[test]
fn client_refuses_a_file_that_its_sender_could_pull_away() {
    let engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let unsealed = rustix::fs::memfd_create("unsealed", flags).expect("memfd");
    let refused = open_pair(unsealed, dup(&engine.event_fd));
    assert!(matches!(
        refused,
        Err(SetupError::SealsMissing {
            kind: RingKind::Request,
            ..
        })
    ));

    // A request file has all but the seal on writing.
    let refused = open_pair(dup(&engine.request_fd), dup(&engine.request_fd));
    let Err(SetupError::SealsMissing {
        kind,
        expected,
        found,
    }) = refused
    else {
        panic!("a writable event file was accepted");
    };
    assert_eq!(kind, RingKind::Event);
    assert_eq!(expected & !found, SealFlags::FUTURE_WRITE.bits());

    let no_memory_file = OwnedFd::from(std::fs::File::open("/dev/null").expect("null"));
    let refused = open_pair(no_memory_file, engine.event_fd);
    assert!(matches!(
        refused,
        Err(SetupError::System {
            call: "fcntl F_GET_SEALS",
            ..
        })
    ));
}

#[test]
fn client_refuses_each_wrong_header_word_by_name() {
    let bytes = file_bytes(CAPACITY);
    let cases = [
        (
            0,
            1,
            HeaderError::Magic {
                expected: MAGIC,
                found: 1,
            },
        ),
        (
            1,
            2,
            HeaderError::Version {
                expected: VERSION,
                found: 2,
            },
        ),
        (
            2,
            2,
            HeaderError::Kind {
                expected: 1,
                found: 2,
            },
        ),
        (3, 12, HeaderError::Capacity { found: 12 }),
        (3, 1 << 40, HeaderError::Capacity { found: 1 << 40 }),
        (
            3,
            64,
            HeaderError::FileBytes {
                expected: file_bytes(64),
                found: bytes,
            },
        ),
        (
            4,
            64,
            HeaderError::SlotBytes {
                expected: 128,
                found: 64,
            },
        ),
        (
            6,
            0,
            HeaderError::FileBytes {
                expected: bytes,
                found: 0,
            },
        ),
    ];
    for (word, value, expected) in cases {
        let engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
        write_word(&engine.request_fd, word, value);
        let refused = open_pair(engine.request_fd, engine.event_fd);
        assert_eq!(header_error(refused), (RingKind::Request, expected));
    }
}

#[test]
fn header_that_lies_about_the_size_with_itself_is_caught_by_the_real_size() {
    let engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    write_word(&engine.request_fd, 3, 1024);
    write_word(&engine.request_fd, 6, file_bytes(1024));
    let expected = HeaderError::FileBytes {
        expected: file_bytes(1024),
        found: file_bytes(CAPACITY),
    };
    let refused = open_pair(engine.request_fd, engine.event_fd);
    assert_eq!(header_error(refused), (RingKind::Request, expected));
}

// The ring's part of R08: files of an older attachment do not pass for the announced one.
#[test]
fn files_of_another_generation_are_refused() {
    let old = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    let new = create_pair(CAPACITY, CAPACITY, 2).expect("pair");
    let mixed = open_pair(dup(&old.request_fd), dup(&new.event_fd));
    assert!(matches!(
        header_error(mixed),
        (RingKind::Event, HeaderError::Shape { .. })
    ));

    let announced = PairShape {
        request_capacity: CAPACITY,
        event_capacity: CAPACITY,
        generation: 2,
        start_position: 0,
    };
    let refused = open_announced_pair(old.request_fd, old.event_fd, announced);
    let found = PairShape {
        generation: 1,
        ..announced
    };
    let expected = HeaderError::Shape {
        expected: announced,
        found,
    };
    assert_eq!(header_error(refused), (RingKind::Request, expected));
}

#[test]
fn capacity_that_is_no_power_of_two_makes_no_pair() {
    let refused = header_error(create_pair(8, 12, 1));
    assert_eq!(refused.1, HeaderError::Capacity { found: 12 });
}

// covers: R02
#[test]
fn header_flipped_while_running_changes_nothing() {
    let engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    let request_fd = dup(&engine.request_fd);
    let EngineSide {
        mut requests,
        request_fd: to_client,
        event_fd,
        ..
    } = engine;
    let mut client = open_pair(to_client, event_fd).expect("open");
    for number in 0..50_u64 {
        for word in 0..8 {
            write_word(&request_fd, word, u64::MAX - number);
        }
        client
            .requests
            .push(&[number; PAYLOAD_WORDS])
            .expect("room");
        assert_eq!(requests.pop(), Ok(Some([number; PAYLOAD_WORDS])));
        assert_eq!(requests.pop(), Ok(None));
    }
}

#[test]
fn punched_hole_reads_as_corruption_and_not_as_a_fault() {
    let mut engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&engine.request_fd, hole, 0, file_bytes(CAPACITY)).expect("its file");
    let found = engine.requests.pop();
    let expected = RingCorrupt::StampOutOfRange {
        position: 0,
        found: 0,
        expected_ready: 1,
        expected_empty: 1_u64.wrapping_sub(CAPACITY),
    };
    assert_eq!(found, Err(PopError::Corrupt(expected)));
}

// The ring's part of R07: what was not stamped was never sent.
#[test]
fn half_written_slot_is_not_seen() {
    let mut engine = create_pair(CAPACITY, CAPACITY, 1).expect("pair");
    for word in 1..SLOT_WORDS {
        write_word(&engine.request_fd, SLOTS_WORD + word, u64::MAX);
    }
    assert_eq!(engine.requests.pop(), Ok(None));
    write_word(&engine.request_fd, SLOTS_WORD, ready_stamp(0));
    assert_eq!(engine.requests.pop(), Ok(Some([u64::MAX; PAYLOAD_WORDS])));
}

/// A small generator: the scribbles of a printed seed can be had again (their timing cannot).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Writes words anywhere in the request file until told to stop: noise, near misses of stamps and
/// indices, and values of the file itself.
fn scribble(fd: &OwnedFd, seed: u64, stop: &AtomicBool) {
    let mut random = Seeded(seed | 1);
    let words = file_words(CAPACITY) as u64;
    for _ in 0..20_000 {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let word = (random.next() % words) as usize;
        let value = match random.next() % 4 {
            0 => random.next(),
            1 => random.next() % 64,
            2 => read_word(fd, (random.next() % words) as usize),
            _ => read_word(fd, word).wrapping_add(random.next() % 3),
        };
        write_word(fd, word, value);
    }
}

// covers: R03
#[test]
fn scribbling_client_ends_in_corruption_or_copies_and_the_other_ring_goes_on() {
    let (mut corrupt_requests, mut corrupt_events, mut copies) = (0, 0, 0);
    for seed in 1..=60_u64 {
        let engine = create_pair(CAPACITY, CAPACITY, seed).expect("pair");
        let EngineSide {
            mut requests,
            mut events,
            request_fd,
            event_fd,
            ..
        } = engine;
        let mut honest = create_pair(CAPACITY, CAPACITY, seed).expect("pair");
        let mut client = open_pair(request_fd.try_clone().expect("dup"), event_fd).expect("open");
        let stop = AtomicBool::new(false);
        let mut taken = 0;
        thread::scope(|scope| {
            let scribbler = scope.spawn(|| scribble(&request_fd, seed * 0x9e37_79b9, &stop));
            while !scribbler.is_finished() {
                let _ = client.requests.publish(&[seed; PAYLOAD_WORDS]);
                match requests.pop() {
                    Ok(Some(_)) => taken += 1,
                    Ok(None) | Err(PopError::Closed { .. }) => thread::yield_now(),
                    Err(PopError::Corrupt(first)) => {
                        corrupt_requests += 1;
                        assert_eq!(requests.pop(), Err(PopError::Corrupt(first)), "seed {seed}");
                        stop.store(true, Ordering::Relaxed);
                        break;
                    }
                }
                if let Err(PushError::Corrupt(first)) = events.publish(&[seed; PAYLOAD_WORDS]) {
                    corrupt_events += 1;
                    assert_eq!(
                        events.free_slots(),
                        Err(PushError::Corrupt(first)),
                        "seed {seed}"
                    );
                }
            }
        });
        assert_eq!(requests.position(), taken, "seed {seed}");
        copies += taken;
        honest
            .events
            .push(&[seed; PAYLOAD_WORDS])
            .expect("another attachment is untouched");
        assert_eq!(honest.requests.pop(), Ok(None));
    }
    println!("requests={corrupt_requests} events={corrupt_events} copies={copies}");
    assert!(corrupt_requests > 0 && corrupt_events > 0);
}
