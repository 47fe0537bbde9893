//! Two real processes over one attachment: each test starts its own executable again as the
//! client, passes it the files over a Unix socket, and plays the engine.
#![cfg(not(loom))]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use millrun_rings::fd_passing::{check_peer_uid, receive_message, send_message};
use millrun_rings::shared_memory::layout::{
    PAYLOAD_WORDS, PairShape, SLOTS_WORD, SlotPayload, WORD_BYTES, slot_word,
};
use millrun_rings::shared_memory::liveness::{peer_hung_up, wait_for_hang_up};
use millrun_rings::shared_memory::pair::{
    ClientSide, EngineSide, create_pair_of, open_announced_pair,
};
use millrun_rings::shared_memory::producer::PushError;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Set in the client process: where the engine listens.
const SOCKET_VARIABLE: &str = "MILLRUN_RINGS_TEST_SOCKET";
const MESSAGES: u64 = 1_000_000;
/// The client lets the engine run dry after so many messages, so that it parks now and then.
const BURST: u64 = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Idle {
    Park,
    Yield,
}

/// An order-dependent sum over every word of every message.
#[derive(Debug, Default, PartialEq)]
struct Checksum(u64);

impl Checksum {
    fn add(&mut self, payload: &SlotPayload) {
        for word in payload {
            self.0 = self.0.rotate_left(5) ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

fn message(number: u64) -> SlotPayload {
    std::array::from_fn(|index| match index {
        0 => number,
        _ => number
            .wrapping_mul(0x2545_f491_4f6c_dd1d)
            .rotate_left(index as u32),
    })
}

fn shape() -> PairShape {
    PairShape {
        request_capacity: 256,
        event_capacity: 64,
        generation: 3,
        start_position: 0,
    }
}

/// What the engine process holds after an attach.
struct Attached {
    side: EngineSide,
    doorbell: OwnedFd,
    socket: UnixStream,
    client: Child,
}

/// Starts this executable again for `test` alone, and gives the new process a fresh pair.
fn attach_client(test: &str) -> Attached {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("attach");
    let listener = UnixListener::bind(&path).expect("bind");
    let client = Command::new(std::env::current_exe().expect("this executable"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SOCKET_VARIABLE, &path)
        .spawn()
        .expect("client starts");
    let (socket, _) = listener.accept().expect("client connects");
    check_peer_uid(&socket, rustix::process::geteuid().as_raw()).expect("same user");
    let side = create_pair_of(shape()).expect("pair");
    let doorbell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd");
    let fds = [
        side.request_fd.as_fd(),
        side.event_fd.as_fd(),
        doorbell.as_fd(),
    ];
    send_message(&socket, b"attached", &fds).expect("sent");
    Attached {
        side,
        doorbell,
        socket,
        client,
    }
}

/// The client's half of [`attach_client`]: the pair, the engine's doorbell, the request file.
fn attach_to_engine(path: &Path) -> (ClientSide, OwnedFd, OwnedFd, UnixStream) {
    let socket = UnixStream::connect(path).expect("engine listens");
    let mut buffer = [0; 16];
    let received = receive_message(&socket, &mut buffer).expect("reply");
    assert_eq!(&buffer[..received.message_bytes], b"attached");
    let [request_fd, event_fd, doorbell] =
        <[OwnedFd; 3]>::try_from(received.fds).expect("three descriptors");
    let request_file = request_fd.try_clone().expect("dup");
    let side = open_announced_pair(request_fd, event_fd, shape()).expect("an honest engine");
    (side, doorbell, request_file, socket)
}

/// Sends every message, takes every echo, and compares both checksums.
fn run_client(path: &Path, idle: Idle) {
    let (
        ClientSide {
            mut requests,
            mut events,
            ..
        },
        doorbell,
        _file,
        _socket,
    ) = attach_to_engine(path);
    let (mut sent, mut echoed) = (0, 0);
    let (mut sent_sum, mut echoed_sum) = (Checksum::default(), Checksum::default());
    let begun = Instant::now();
    while echoed < MESSAGES {
        assert!(
            begun.elapsed() < PATIENCE,
            "stuck: sent={sent} echoed={echoed}"
        );
        let mut moved = false;
        let burst_end = MESSAGES.min((echoed / BURST + 1) * BURST);
        while sent < burst_end {
            let payload = message(sent);
            let outcome = match idle {
                Idle::Park => requests.publish(&payload),
                Idle::Yield => requests.push(&payload).map(|()| false),
            };
            match outcome {
                Ok(false) => {}
                Ok(true) => {
                    rustix::io::write(&doorbell, &1_u64.to_ne_bytes()).expect("doorbell");
                }
                Err(PushError::Full) => break,
                Err(error) => panic!("engine is honest: {error}"),
            }
            sent_sum.add(&payload);
            sent += 1;
            moved = true;
        }
        while let Some(payload) = events.pop().expect("engine is honest") {
            assert_eq!(payload, message(echoed), "in order, and whole");
            echoed_sum.add(&payload);
            echoed += 1;
            moved = true;
        }
        if !moved {
            thread::yield_now();
        }
    }
    assert_eq!(sent_sum, echoed_sum);
}

/// Echoes every message and gives the checksum and how often it slept.
fn run_engine(attached: &mut Attached, idle: Idle) -> (Checksum, u64) {
    let EngineSide {
        requests, events, ..
    } = &mut attached.side;
    let (mut sum, mut sleeps) = (Checksum::default(), 0);
    let mut taken = 0;
    let begun = Instant::now();
    while taken < MESSAGES {
        assert!(begun.elapsed() < PATIENCE, "stuck at {taken}");
        // Room for the answer first.
        if !events.has_room(1).expect("client is honest") {
            thread::yield_now();
            continue;
        }
        if let Some(payload) = requests.pop().expect("client is honest") {
            assert_eq!(payload, message(taken), "in order, and whole");
            sum.add(&payload);
            events.push(&payload).expect("room was there");
            taken += 1;
            continue;
        }
        match idle {
            Idle::Yield => thread::yield_now(),
            Idle::Park => {
                requests.park_begin();
                if !requests.peek_ready().expect("client is honest") {
                    sleeps += 1;
                    sleep_on(&attached.doorbell, &attached.socket);
                }
                requests.park_end();
            }
        }
    }
    (sum, sleeps)
}

/// Sleeps until the doorbell rings. Silence for long is a lost wake-up.
fn sleep_on(doorbell: &OwnedFd, socket: &UnixStream) {
    let mut watched = [
        PollFd::new(doorbell, PollFlags::IN),
        PollFd::new(socket, PollFlags::RDHUP),
    ];
    let limit = Timespec::try_from(PATIENCE).expect("fits");
    match poll(&mut watched, Some(&limit)) {
        Ok(count) => assert!(count > 0, "lost wake-up"),
        Err(error) => assert_eq!(error, rustix::io::Errno::INTR),
    }
    let rang = watched[0].revents().contains(PollFlags::IN);
    assert!(
        rang || !watched[1].revents().contains(PollFlags::RDHUP),
        "client died"
    );
    let mut count = [0; 8];
    match rustix::io::read(doorbell, &mut count) {
        Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
        Err(error) => panic!("doorbell: {error}"),
    }
}

fn run_both(test: &str, idle: Idle) {
    if let Some(path) = std::env::var_os(SOCKET_VARIABLE) {
        return run_client(Path::new(&path), idle);
    }
    let mut attached = attach_client(test);
    let begun = Instant::now();
    let (sum, sleeps) = run_engine(&mut attached, idle);
    println!(
        "idle={idle:?} messages={MESSAGES} sleeps={sleeps} wall={:?}",
        begun.elapsed()
    );
    let mut expected = Checksum::default();
    (0..MESSAGES).for_each(|number| expected.add(&message(number)));
    assert_eq!(sum, expected);
    assert_eq!(sleeps > 0, idle == Idle::Park);
    assert!(attached.client.wait().expect("client ends").success());
    assert!(wait_for_hang_up(&attached.socket, PATIENCE).expect("poll"));
}

// The ring's part of HP1.
#[test]
fn million_messages_cross_in_order_both_ways_while_the_engine_parks() {
    run_both(
        "million_messages_cross_in_order_both_ways_while_the_engine_parks",
        Idle::Park,
    );
}

// The ring's part of HP1.
#[test]
fn million_messages_cross_in_order_both_ways_while_both_yield() {
    run_both(
        "million_messages_cross_in_order_both_ways_while_both_yield",
        Idle::Yield,
    );
}

/// Sends three messages, writes half of a fourth, says so, and waits to be killed.
fn run_client_that_dies_mid_slot(path: &Path) -> io::Result<()> {
    let (mut side, doorbell, request_file, _socket) = attach_to_engine(path);
    for number in 0..3 {
        assert_eq!(side.requests.push(&message(number)), Ok(()));
    }
    assert_eq!(slot_word(0, 256), SLOTS_WORD);
    let half = [0xee; PAYLOAD_WORDS * WORD_BYTES / 2];
    let offset = (slot_word(3, 256) + 1) * WORD_BYTES;
    assert_eq!(
        rustix::io::pwrite(&request_file, &half, offset as u64)?,
        half.len()
    );
    rustix::io::write(&doorbell, &1_u64.to_ne_bytes())?;
    loop {
        thread::park();
    }
}

// The ring's part of R07: the unfinished slot was never sent, and the death is seen at once.
#[test]
fn client_killed_inside_a_slot_leaves_whole_messages_and_hangs_up_within_100_ms() {
    if let Some(path) = std::env::var_os(SOCKET_VARIABLE) {
        run_client_that_dies_mid_slot(Path::new(&path)).expect("system calls work");
        return;
    }
    let name = "client_killed_inside_a_slot_leaves_whole_messages_and_hangs_up_within_100_ms";
    let mut attached = attach_client(name);
    sleep_on(&attached.doorbell, &attached.socket);
    assert!(!peer_hung_up(&attached.socket).expect("poll"));

    attached.client.kill().expect("SIGKILL");
    let killed = Instant::now();
    assert!(wait_for_hang_up(&attached.socket, PATIENCE).expect("poll"));
    let delay = killed.elapsed();
    assert!(
        delay < Duration::from_millis(100),
        "hang-up after {delay:?}"
    );
    assert!(!attached.client.wait().expect("client ended").success());

    let requests = &mut attached.side.requests;
    for number in 0..3 {
        assert_eq!(requests.pop(), Ok(Some(message(number))));
    }
    assert_eq!(requests.pop(), Ok(None));
}
