//! Our frame codec against tungstenite, under random messages, cuts, fragments and hostile bytes.

use std::io::{self, Cursor, Read, Write};

use millrun_protocol::frame::decode::FEED_BYTES;
use millrun_protocol::frame::{
    FrameBatch, FrameError, FrameKind, FrameReader, MAX_PAYLOAD_BYTES, MaskSequence,
};
use proptest::prelude::*;
use tungstenite::protocol::frame::Frame as OracleFrame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

type Seen = Vec<(FrameKind, Vec<u8>)>;

/// A stream that reads from one buffer and writes to another.
#[derive(Default)]
struct Memory {
    incoming: Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.incoming.read(space)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn oracle(role: Role, incoming: Vec<u8>) -> WebSocket<Memory> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_PAYLOAD_BYTES))
        .max_frame_size(Some(MAX_PAYLOAD_BYTES));
    let memory = Memory {
        incoming: Cursor::new(incoming),
        outgoing: Vec::new(),
    };
    WebSocket::from_raw_socket(memory, role, Some(config))
}

/// Everything that tungstenite reads from `bytes`, and the error or end that stops it.
fn read_by_oracle(role: Role, bytes: Vec<u8>) -> (Seen, tungstenite::Error) {
    let mut socket = oracle(role, bytes);
    let mut seen = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(stop) => return (seen, stop),
        };
        let kind = match &message {
            Message::Text(_) => FrameKind::Text,
            Message::Binary(_) => FrameKind::Binary,
            Message::Ping(_) => FrameKind::Ping,
            Message::Pong(_) => FrameKind::Pong,
            Message::Close(_) => FrameKind::Close,
            Message::Frame(_) => unreachable!("only written"),
        };
        let payload = match message {
            Message::Close(None) => Vec::new(),
            Message::Close(Some(close)) => {
                let mut payload = u16::from(close.code).to_be_bytes().to_vec();
                payload.extend(close.reason.as_bytes());
                payload
            }
            other => other.into_data().to_vec(),
        };
        seen.push((kind, payload));
    }
}

/// Everything that our reader reads from `bytes` cut at the given lengths, and its error.
fn read_by_us(bytes: &[u8], cuts: &[usize]) -> (Seen, Option<FrameError>) {
    let mut reader = FrameReader::new(MAX_PAYLOAD_BYTES);
    let (mut seen, mut rest, mut cut) = (Vec::new(), bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let space = reader.feed_space();
        assert!((1..=MAX_PAYLOAD_BYTES + 10 + FEED_BYTES).contains(&space.len()));
        let wanted = cut.next().map_or(rest.len(), |bytes| *bytes);
        let taken = wanted.clamp(1, rest.len()).min(space.len());
        space[..taken].copy_from_slice(&rest[..taken]);
        reader.advance(taken);
        rest = &rest[taken..];
        loop {
            match reader.next() {
                Ok(Some(frame)) => seen.push((frame.kind, frame.payload.to_vec())),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    (seen, None)
}

/// Payload lengths around each border of the length encoding, and any other.
fn payload_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..300usize,
        1 => prop::sample::select(vec![125, 126, 127, 65_534, 65_535, 65_536]),
        1 => 0..=MAX_PAYLOAD_BYTES,
    ]
}

fn message() -> impl Strategy<Value = (FrameKind, Vec<u8>)> {
    let text = "[a-z{}\":,0-9é€𝄞]{0,80}";
    prop_oneof![
        text.prop_map(|text| (FrameKind::Text, text.into_bytes())),
        (payload_bytes(), any::<u8>()).prop_map(|(bytes, first)| {
            let payload = (0..bytes).map(|at| first.wrapping_add(at as u8)).collect();
            (FrameKind::Binary, payload)
        }),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|bytes| (FrameKind::Ping, bytes)),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|bytes| (FrameKind::Pong, bytes)),
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1usize]),
        prop::collection::vec(1..40usize, 1..20),
        prop::collection::vec(1..20_000usize, 1..20),
    ]
}

/// Writes a message by tungstenite, its data cut into fragments, pings between them.
fn write_by_oracle(socket: &mut WebSocket<Memory>, message: &(FrameKind, Vec<u8>), parts: usize) {
    let (kind, payload) = message;
    let opcode = OpCode::Data(match kind {
        FrameKind::Text => Data::Text,
        _ => Data::Binary,
    });
    let mut send = |frame| {
        socket
            .send(Message::Frame(frame))
            .expect("memory takes all")
    };
    match kind {
        FrameKind::Ping => return send(OracleFrame::ping(payload.clone())),
        FrameKind::Pong => return send(OracleFrame::pong(payload.clone())),
        FrameKind::Text | FrameKind::Binary | FrameKind::Close => {}
    }
    let mut send = |opcode, part: &[u8], last| {
        send(OracleFrame::message(part.to_vec(), opcode, last));
    };
    let part_bytes = payload.len().div_ceil(parts).max(1);
    if payload.len() <= part_bytes {
        return send(opcode, payload, true);
    }
    let count = payload.len().div_ceil(part_bytes);
    for (at, part) in payload.chunks(part_bytes).enumerate() {
        let opcode = if at == 0 {
            opcode
        } else {
            OpCode::Data(Data::Continue)
        };
        send(opcode, part, at + 1 == count);
    }
}

/// One frame of a hostile peer: mostly lawful, each rule broken now and then.
fn hostile_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88u8]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-zé€]{0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (900..5_100u16).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    let form = prop_oneof![12 => Just(0u8), 1 => Just(126), 1 => Just(127), 1 => Just(128)];
    (first, payload, form, any::<u64>()).prop_map(|(first, payload, form, wild)| {
        let mut frame = vec![first];
        let length = payload.len() as u64;
        match form {
            126 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            127 => {
                frame.push(127);
                frame.extend(length.to_be_bytes());
            }
            128 => {
                frame.push(127 | (wild as u8 & 0x80));
                frame.extend(wild.to_be_bytes());
            }
            _ if length > 125 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => frame.push(length as u8),
        }
        frame.extend(payload);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // covers: V20
    #[test]
    fn what_we_write_tungstenite_reads_as_a_server(
        messages in prop::collection::vec(message(), 1..6),
        seed in any::<u64>(),
    ) {
        let mut keys = MaskSequence::new(seed);
        let mut batch = FrameBatch::new(6 * (MAX_PAYLOAD_BYTES + 14));
        for (at, (kind, payload)) in messages.iter().enumerate() {
            if at % 2 == 0 {
                batch.push(*kind, payload, keys.next_key()).unwrap();
            } else {
                batch.payload_space()[..payload.len()].copy_from_slice(payload);
                batch.finish_frame(*kind, payload.len(), keys.next_key()).unwrap();
            }
        }
        prop_assert_eq!(read_by_oracle(Role::Server, batch.bytes().to_vec()).0, messages);
    }

    // covers: V20
    #[test]
    fn what_tungstenite_writes_we_read_however_it_is_fragmented_and_cut(
        messages in prop::collection::vec((message(), 1..9usize), 1..6),
        cuts in cuts(),
    ) {
        let mut socket = oracle(Role::Server, Vec::new());
        for (message, parts) in &messages {
            write_by_oracle(&mut socket, message, *parts);
        }
        let expected: Seen = messages.into_iter().map(|(message, _)| message).collect();
        let bytes = std::mem::take(&mut socket.get_mut().outgoing);
        prop_assert_eq!(read_by_us(&bytes, &cuts), (expected, None));
    }

    // covers: V19
    #[test]
    fn hostile_frames_are_read_as_far_as_tungstenite_reads_them_or_refused_earlier(
        frames in prop::collection::vec(hostile_frame(), 1..12),
        cuts in cuts(),
    ) {
        let bytes = frames.concat();
        let (ours, error) = read_by_us(&bytes, &[usize::MAX]);
        prop_assert_eq!(read_by_us(&bytes, &cuts), (ours.clone(), error), "cuts change nothing");
        let (theirs, stop) = read_by_oracle(Role::Client, bytes);
        // tungstenite lets these pass, or rewrites them; RFC 6455 does not.
        let we_are_stricter = matches!(
            error,
            Some(
                FrameError::NonMinimalLength { .. }
                    | FrameError::LengthHighBit
                    | FrameError::ControlTooLong
                    | FrameError::CloseCodeInvalid { .. }
            )
        );
        // It judges the UTF-8 of each fragment, we that of the whole message.
        let they_are_earlier = matches!(stop, tungstenite::Error::Utf8(_));
        for (at, frame) in ours.iter().enumerate() {
            match theirs.get(at) {
                // 1014 is registered with IANA, but unknown to tungstenite.
                Some(_) if frame.0 == FrameKind::Close && frame.1.starts_with(&[0x03, 0xF6]) => {}
                Some(theirs) => prop_assert_eq!(theirs, frame),
                None => prop_assert!(they_are_earlier && frame.0.is_control()),
            }
        }
        prop_assert!(theirs.len() <= ours.len() || we_are_stricter, "{:?}: {:?}", error, theirs);
    }

    // covers: V19
    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_never_change_the_result(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        cuts in cuts(),
    ) {
        prop_assert_eq!(read_by_us(&bytes, &[usize::MAX]), read_by_us(&bytes, &cuts));
    }
}
