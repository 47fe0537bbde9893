//! What the hot thread's wait tells, and when it tells nothing.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use millrun_transport::error::LinkEnd;
use millrun_transport::link::ReadOutcome;
use millrun_transport::poll_loop::{PollLoop, ReadGate, Readiness, SourceId};
use rustix::event::{EventfdFlags, eventfd};

const LONG: Option<Duration> = Some(Duration::from_secs(20));
const LOOK: Option<Duration> = Some(Duration::ZERO);

fn seen(poll: &mut PollLoop, timeout: Option<Duration>) -> Vec<Readiness> {
    poll.wait(timeout).unwrap().collect()
}

#[test]
fn a_wake_from_another_thread_ends_the_wait_and_wakes_merge() {
    let mut poll = PollLoop::new(8).unwrap();
    assert_eq!(seen(&mut poll, LOOK), []);
    let waker = poll.waker();
    std::thread::spawn(move || {
        waker.wake().unwrap();
        waker.wake().unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(seen(&mut poll, LONG), [Readiness::Woken]);
    assert_eq!(seen(&mut poll, LOOK), []);
}

#[test]
fn an_eventfd_of_shared_memory_tells_each_write_after_it_was_read() {
    let mut poll = PollLoop::new(8).unwrap();
    let descriptor = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
    poll.add_descriptor(SourceId(5), descriptor.as_fd())
        .unwrap();
    assert_eq!(seen(&mut poll, LOOK), []);
    for _ in 0..3 {
        rustix::io::write(&descriptor, &1u64.to_ne_bytes()).unwrap();
        let events = seen(&mut poll, LONG);
        assert!(
            matches!(
                events[..],
                [Readiness::Source {
                    id: SourceId(5),
                    readable: true,
                    ..
                }]
            ),
            "{events:?}"
        );
        rustix::io::read(&descriptor, &mut [0; 8]).unwrap();
        assert_eq!(seen(&mut poll, LOOK), []);
    }
    poll.remove_descriptor(descriptor.as_fd()).unwrap();
    rustix::io::write(&descriptor, &1u64.to_ne_bytes()).unwrap();
    assert_eq!(seen(&mut poll, LOOK), []);
}

#[test]
fn an_attach_socket_tells_that_its_peer_has_gone() {
    let mut poll = PollLoop::new(8).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    poll.add_descriptor(SourceId(9), ours.as_fd()).unwrap();
    assert_eq!(seen(&mut poll, LOOK), []);
    drop(theirs);
    let events = seen(&mut poll, LONG);
    let [
        Readiness::Source {
            id: SourceId(9),
            readable: true,
            hung_up: true,
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
}

#[test]
fn more_events_than_fit_one_wait_are_told_by_the_next() {
    let mut poll = PollLoop::new(2).unwrap();
    let descriptors: Vec<_> = (0..5)
        .map(|_| eventfd(1, EventfdFlags::NONBLOCK).unwrap())
        .collect();
    for (at, descriptor) in descriptors.iter().enumerate() {
        poll.add_descriptor(SourceId(at), descriptor.as_fd())
            .unwrap();
    }
    let mut told = Vec::new();
    while told.len() < 5 {
        let events = seen(&mut poll, LOOK);
        assert!((1..=2).contains(&events.len()));
        told.extend(events);
    }
    assert_eq!(seen(&mut poll, LOOK), []);
}

#[test]
fn a_gate_is_open_while_reads_give_data_and_after_readiness() {
    let mut gate = ReadGate::default();
    assert!(gate.is_open(), "a new link may hold early bytes");
    gate.note_read(ReadOutcome::Bytes(10));
    assert!(gate.is_open());
    gate.note_read(ReadOutcome::WouldBlock);
    assert!(!gate.is_open());
    let source = |readable, hung_up| Readiness::Source {
        id: SourceId(1),
        readable,
        writable: true,
        hung_up,
    };
    gate.note_readiness(source(false, false));
    gate.note_readiness(Readiness::Woken);
    assert!(!gate.is_open(), "room to write is nothing to read");
    gate.note_readiness(source(true, false));
    gate.note_readiness(source(false, false));
    assert!(gate.is_open(), "a later event takes nothing back");
    gate.note_read(ReadOutcome::Ended(LinkEnd::Killed));
    assert!(!gate.is_open());
    gate.note_readiness(source(false, true));
    assert!(gate.is_open(), "the end is read too");
}
