//! Both ring files of one attachment: made by the engine, opened by the client.
//!
//! Owns: the order of create, map and seal on one side, of check and map on the other. Invariants:
//! each side maps its own file writable and the other's read-only; the event file accepts no new
//! writer once it leaves the engine; the engine believes its own record of the shape and never
//! reads a header back. Must not know: sockets, strategies. Threads: cold side; ends then move.

use std::os::fd::OwnedFd;

use super::Ends;
use super::consumer::Consumer;
use super::layout::{HeaderError, PairShape, RingHeader, RingKind};
use super::mapping::{MappingNote, OwnMapping, PeerMapping};
use super::producer::Producer;
use super::sealed_file::RingFile;

pub use super::sealed_file::SetupError;

/// A sending end over mapped files.
pub type SharedProducer = Producer<OwnMapping, PeerMapping>;
/// A taking end over mapped files.
pub type SharedConsumer = Consumer<OwnMapping, PeerMapping>;

/// What the engine holds of an attachment. The two descriptors go to the client and can be closed
/// after that; the mappings live as long as the ends.
#[derive(Debug)]
pub struct EngineSide {
    /// Takes what the client asks.
    pub requests: SharedConsumer,
    /// Sends what the engine says.
    pub events: SharedProducer,
    /// To pass to the client: it may write this file.
    pub request_fd: OwnedFd,
    /// To pass to the client: it can only read this file.
    pub event_fd: OwnedFd,
    /// How the request file's pages are kept.
    pub request_note: MappingNote,
    /// How the event file's pages are kept.
    pub event_note: MappingNote,
}

/// What a client holds of an attachment.
#[derive(Debug)]
pub struct ClientSide {
    /// Sends what the client asks.
    pub requests: SharedProducer,
    /// Takes what the engine says.
    pub events: SharedConsumer,
    /// What both files say about the attachment.
    pub shape: PairShape,
    /// How the request file's pages are kept.
    pub request_note: MappingNote,
    /// How the event file's pages are kept.
    pub event_note: MappingNote,
}

/// Makes both files of attachment number `generation` and maps them. Capacities are slots, powers
/// of two in `2..=1 << 20`. Makes system calls and touches every page: not for the hot thread.
///
/// # Errors
/// [`SetupError`]: a bad capacity, or what the system refused.
pub fn create_pair(
    request_capacity: u64,
    event_capacity: u64,
    generation: u64,
) -> Result<EngineSide, SetupError> {
    create_pair_of(PairShape {
        request_capacity,
        event_capacity,
        generation,
        start_position: 0,
    })
}

/// As [`create_pair`], with a start position other than 0.
///
/// # Errors
/// As [`create_pair`].
pub fn create_pair_of(shape: PairShape) -> Result<EngineSide, SetupError> {
    let (request_file, event_file) = create_files(shape)?;
    let (peer, request_note) = PeerMapping::map(&request_file)?;
    let (own, event_note) = OwnMapping::map(&event_file)?;
    // Only now: the seal on writing leaves mappings that exist as they are.
    request_file.seal()?;
    event_file.seal()?;
    let PairShape {
        request_capacity,
        event_capacity,
        start_position,
        ..
    } = shape;
    let ends = Ends::new(own, peer, request_capacity, event_capacity, start_position);
    Ok(EngineSide {
        requests: ends.incoming,
        events: ends.outgoing,
        request_fd: request_file.into_fd(),
        event_fd: event_file.into_fd(),
        request_note,
        event_note,
    })
}

/// Checks both files and maps them. Makes system calls and touches every page.
///
/// # Errors
/// [`SetupError`]: seals, size or header are not those of an attachment, the files do not belong
/// together, or the system refused.
pub fn open_pair(request_fd: OwnedFd, event_fd: OwnedFd) -> Result<ClientSide, SetupError> {
    open_pair_if(request_fd, event_fd, None)
}

/// As [`open_pair`], and only if the files have the shape that the engine announced when it sent
/// them (generation included).
///
/// # Errors
/// As [`open_pair`]; a difference is [`HeaderError::Shape`].
pub fn open_announced_pair(
    request_fd: OwnedFd,
    event_fd: OwnedFd,
    announced: PairShape,
) -> Result<ClientSide, SetupError> {
    open_pair_if(request_fd, event_fd, Some(announced))
}

fn open_pair_if(
    request_fd: OwnedFd,
    event_fd: OwnedFd,
    announced: Option<PairShape>,
) -> Result<ClientSide, SetupError> {
    let (request_file, request_header) = RingFile::accept(request_fd, RingKind::Request)?;
    let (event_file, event_header) = RingFile::accept(event_fd, RingKind::Event)?;
    let shape = shape_of(&request_header, &event_header, announced)?;
    let (own, request_note) = OwnMapping::map(&request_file)?;
    let (peer, event_note) = PeerMapping::map(&event_file)?;
    let PairShape {
        request_capacity,
        event_capacity,
        start_position,
        ..
    } = shape;
    let ends = Ends::new(own, peer, event_capacity, request_capacity, start_position);
    Ok(ClientSide {
        requests: ends.outgoing,
        events: ends.incoming,
        shape,
        request_note,
        event_note,
    })
}

fn create_files(shape: PairShape) -> Result<(RingFile, RingFile), SetupError> {
    let file = |kind, capacity| {
        shape
            .check()
            .map_err(|source| SetupError::Header { kind, source })?;
        let PairShape {
            generation,
            start_position,
            ..
        } = shape;
        RingFile::create(&RingHeader {
            kind,
            capacity,
            generation,
            start_position,
        })
    };
    Ok((
        file(RingKind::Request, shape.request_capacity)?,
        file(RingKind::Event, shape.event_capacity)?,
    ))
}

/// The shape that both headers say together, if they and the announcement agree.
fn shape_of(
    request: &RingHeader,
    event: &RingHeader,
    announced: Option<PairShape>,
) -> Result<PairShape, SetupError> {
    let by_request = PairShape {
        request_capacity: request.capacity,
        event_capacity: event.capacity,
        generation: request.generation,
        start_position: request.start_position,
    };
    let by_event = PairShape {
        generation: event.generation,
        start_position: event.start_position,
        ..by_request
    };
    let (kind, source) = match announced {
        _ if by_event != by_request => {
            let (expected, found) = (by_request, by_event);
            (RingKind::Event, HeaderError::Shape { expected, found })
        }
        Some(expected) if expected != by_request => (
            RingKind::Request,
            HeaderError::Shape {
                expected,
                found: by_request,
            },
        ),
        _ => return Ok(by_request),
    };
    Err(SetupError::Header { kind, source })
}
