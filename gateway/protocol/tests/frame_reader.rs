//! What the frame reader and writer promise, case by case: limits, breaches, close codes.

use millrun_protocol::frame::decode::FEED_BYTES;
use millrun_protocol::frame::encode::{MAX_HEADER_BYTES, header_bytes};
use millrun_protocol::frame::{
    EncodeError, FrameBatch, FrameError, FrameKind, FrameReader, MAX_CONTROL_BYTES, MAX_FRAGMENTS,
    MAX_PAYLOAD_BYTES, MaskSequence, encode_close_payload, encode_frame,
};

type Seen = Vec<(FrameKind, Vec<u8>)>;

/// A server frame with its length in the least number of bytes.
fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Reads `bytes` in pieces of `piece_bytes`, as far as they go.
fn read_in_pieces(limit: usize, bytes: &[u8], piece_bytes: usize) -> (Seen, Option<FrameError>) {
    let mut reader = FrameReader::new(limit);
    let mut seen = Vec::new();
    for mut piece in bytes.chunks(piece_bytes) {
        while !piece.is_empty() {
            let space = reader.feed_space();
            let taken = space.len().min(piece.len());
            assert!(taken > 0, "a drained reader always has room");
            space[..taken].copy_from_slice(&piece[..taken]);
            reader.advance(taken);
            piece = &piece[taken..];
            loop {
                match reader.next() {
                    Ok(Some(frame)) => seen.push((frame.kind, frame.payload.to_vec())),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(reader.next(), Err(error), "an error is final");
                        return (seen, Some(error));
                    }
                }
            }
        }
    }
    (seen, None)
}

/// Reads `bytes` whole, byte by byte and in odd pieces, and expects the same each time.
#[track_caller]
fn check(bytes: &[u8], expected: &[(FrameKind, &[u8])], expected_error: Option<FrameError>) {
    for piece_bytes in [bytes.len().max(1), 1, 3, 7] {
        let (seen, error) = read_in_pieces(MAX_PAYLOAD_BYTES, bytes, piece_bytes);
        let seen: Vec<_> = seen
            .iter()
            .map(|(kind, bytes)| (*kind, bytes.as_slice()))
            .collect();
        assert_eq!(seen, expected, "pieces of {piece_bytes}");
        assert_eq!(error, expected_error, "pieces of {piece_bytes}");
    }
}

#[test]
fn control_frames_between_fragments_are_given_at_once_and_do_not_spoil_the_message() {
    let mut bytes = server_frame(0x01, b"pi");
    bytes.extend(server_frame(0x89, b"are you there"));
    bytes.extend(server_frame(0x00, b""));
    bytes.extend(server_frame(0x8A, b""));
    bytes.extend(server_frame(0x80, b"ng"));
    bytes.extend(server_frame(0x82, &[0xFF, 0x00]));
    check(
        &bytes,
        &[
            (FrameKind::Ping, b"are you there"),
            (FrameKind::Pong, b""),
            (FrameKind::Text, b"ping"),
            (FrameKind::Binary, &[0xFF, 0x00]),
        ],
        None,
    );
}

#[test]
fn a_character_cut_by_a_fragment_border_is_whole_again() {
    let mut bytes = server_frame(0x01, &[b'a', 0xE2, 0x82]);
    bytes.extend(server_frame(0x80, &[0xAC]));
    check(&bytes, &[(FrameKind::Text, "a€".as_bytes())], None);
}

// covers: V19
#[test]
fn each_breach_of_the_framing_is_named_and_closes_with_1002() {
    let mut interleaved = server_frame(0x01, b"a");
    interleaved.extend(server_frame(0x81, b"b"));
    let mut long_length = vec![0x82, 127];
    long_length.extend((1u64 << 63).to_be_bytes());
    let mut wasteful = vec![0x82, 127];
    wasteful.extend(65_535u64.to_be_bytes());
    let cases: [(&[u8], FrameError); 13] = [
        (&[0xC1, 0x00], FrameError::ReservedBits { found: 4 }),
        (&[0x91, 0x00], FrameError::ReservedBits { found: 1 }),
        (&[0x83, 0x00], FrameError::ReservedOpcode { found: 3 }),
        (&[0x8B, 0x00], FrameError::ReservedOpcode { found: 11 }),
        (&[0x81, 0x81, 1, 2, 3, 4, 5], FrameError::MaskedServerFrame),
        (&[0x09, 0x00], FrameError::FragmentedControl),
        (&[0x89, 126, 0, 126], FrameError::ControlTooLong),
        (
            &[0x82, 126, 0, 125],
            FrameError::NonMinimalLength { found_bytes: 125 },
        ),
        (
            &wasteful,
            FrameError::NonMinimalLength {
                found_bytes: 65_535,
            },
        ),
        (&long_length, FrameError::LengthHighBit),
        (&[0x80, 0x00], FrameError::UnexpectedContinuation),
        (&interleaved, FrameError::InterleavedMessage),
        (&[0x88, 0x01, 0x03], FrameError::CloseTruncated),
    ];
    for (bytes, error) in cases {
        check(bytes, &[], Some(error));
        assert_eq!(error.close_code(), 1002, "{error}");
    }
}

// covers: V19
#[test]
fn text_that_is_not_utf8_closes_with_1007_once_the_message_is_complete() {
    let mut bytes = server_frame(0x81, b"good");
    bytes.extend(server_frame(0x81, &[0xC3, 0x28]));
    check(
        &bytes,
        &[(FrameKind::Text, b"good")],
        Some(FrameError::InvalidUtf8),
    );
    let mut fragmented = server_frame(0x01, &[0xED, 0xA0]);
    check(&fragmented, &[], None);
    fragmented.extend(server_frame(0x80, &[0x80]));
    check(&fragmented, &[], Some(FrameError::InvalidUtf8));
    check(
        &server_frame(0x88, &[0x03, 0xE8, 0xFF]),
        &[],
        Some(FrameError::InvalidUtf8),
    );
    assert_eq!(FrameError::InvalidUtf8.close_code(), 1007);
}

// covers: V19
#[test]
fn a_message_over_the_limit_is_refused_at_its_header_with_1009() {
    let largest = vec![7; MAX_PAYLOAD_BYTES];
    let frame = server_frame(0x82, &largest);
    let (seen, error) = read_in_pieces(MAX_PAYLOAD_BYTES, &frame, 4_096);
    assert_eq!((seen, error), (vec![(FrameKind::Binary, largest)], None));

    let mut header_only = vec![0x82, 127];
    header_only.extend((MAX_PAYLOAD_BYTES as u64 + 1).to_be_bytes());
    let too_long = |found_bytes, limit_bytes| FrameError::MessageTooLong {
        found_bytes,
        limit_bytes,
    };
    check(
        &header_only,
        &[],
        Some(too_long(MAX_PAYLOAD_BYTES as u64 + 1, MAX_PAYLOAD_BYTES)),
    );
    assert_eq!(too_long(9, 8).close_code(), 1009);

    let mut fragments = server_frame(0x02, &[1; 6]);
    fragments.extend(server_frame(0x89, &[0; 125]));
    fragments.extend([0x00, 0x03]);
    let (seen, error) = read_in_pieces(8, &fragments, 1);
    assert_eq!(
        seen.len(),
        1,
        "a control frame is not bounded by the message limit"
    );
    assert_eq!(error, Some(too_long(9, 8)));
}

// covers: V19
#[test]
fn endless_empty_fragments_are_cut_off_with_1009() {
    let mut bytes = server_frame(0x01, b"");
    for _ in 1..MAX_FRAGMENTS {
        bytes.extend(server_frame(0x00, b""));
    }
    assert_eq!(read_in_pieces(64, &bytes, bytes.len()), (vec![], None));
    bytes.extend(server_frame(0x00, b""));
    let (seen, error) = read_in_pieces(64, &bytes, bytes.len());
    assert_eq!((seen, error), (vec![], Some(FrameError::TooManyFragments)));
    assert_eq!(FrameError::TooManyFragments.close_code(), 1009);
}

#[test]
fn close_codes_of_venues_pass_and_codes_that_must_not_be_sent_are_refused() {
    for code in [1000, 1001, 1009, 1011, 3000, 4001, 4004, 4999u16] {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend(b"why");
        let mut reader = FrameReader::new(64);
        let bytes = server_frame(0x88, &payload);
        reader.feed_space()[..bytes.len()].copy_from_slice(&bytes);
        reader.advance(bytes.len());
        let frame = reader.next().unwrap().unwrap();
        assert_eq!(
            (frame.close_code(), frame.close_reason()),
            (Some(code), "why")
        );
    }
    for found in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, u16::MAX] {
        let error = FrameError::CloseCodeInvalid { found };
        check(&server_frame(0x88, &found.to_be_bytes()), &[], Some(error));
        assert_eq!(error.close_code(), 1002);
    }
}

#[test]
fn nothing_behind_a_close_frame_is_read_until_the_reader_is_reset() {
    let mut bytes = server_frame(0x88, b"");
    bytes.extend(server_frame(0x81, b"late"));
    check(&bytes, &[(FrameKind::Close, b"")], None);

    let mut reader = FrameReader::new(64);
    reader.feed_space()[..2].copy_from_slice(&[0x88, 0x00]);
    reader.advance(2);
    let frame = reader.next().unwrap().unwrap();
    assert_eq!((frame.close_code(), frame.close_reason()), (None, ""));
    assert!(reader.is_closed());
    for _ in 0..10 {
        let space = reader.feed_space();
        assert!(
            space.len() >= FEED_BYTES,
            "what comes late is discarded, memory stays"
        );
        space.fill(0x81);
        let filled = space.len();
        reader.advance(filled);
        assert_eq!(reader.next(), Ok(None));
    }
    reader.reset();
    let bytes = server_frame(0x81, b"new link");
    reader.feed_space()[..bytes.len()].copy_from_slice(&bytes);
    reader.advance(bytes.len());
    assert_eq!(reader.next().unwrap().unwrap().payload, b"new link");
}

#[test]
fn a_payload_may_be_rewritten_in_place_without_touching_the_next_frame() {
    let mut bytes = server_frame(0x81, b"{\"a\":1}");
    bytes.extend(server_frame(0x81, b"{\"b\":2}"));
    let mut reader = FrameReader::new(1_024);
    reader.feed_space()[..bytes.len()].copy_from_slice(&bytes);
    reader.advance(bytes.len());
    reader.next().unwrap().unwrap().payload.fill(0xFF);
    assert_eq!(reader.next().unwrap().unwrap().payload, b"{\"b\":2}");
}

#[test]
#[should_panic(expected = "advance beyond the feed space")]
fn advancing_beyond_the_space_given_is_a_bug() {
    let mut reader = FrameReader::new(16);
    let space = reader.feed_space().len();
    reader.advance(space + 1);
}

#[test]
fn a_batch_holds_frames_of_every_header_size_without_gaps() {
    let sizes = [0, 1, 125, 126, 65_535, 65_536];
    let total: usize = sizes.iter().map(|size| header_bytes(*size) + size).sum();
    let mut keys = MaskSequence::new(9);
    let mut expected = Vec::new();
    // Room beyond the frames is only needed while a payload is written before its size is known.
    let mut batch = FrameBatch::new(total + MAX_HEADER_BYTES);
    for size in sizes {
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let key = keys.next_key();
        batch.payload_space()[..size].copy_from_slice(&payload);
        let place = batch.finish_frame(FrameKind::Binary, size, key).unwrap();
        let mut alone = vec![0; header_bytes(size) + size];
        assert_eq!(
            encode_frame(FrameKind::Binary, &payload, key, &mut alone),
            Ok(alone.len())
        );
        assert_eq!(batch.bytes()[place], alone);
        expected.extend(alone);
    }
    assert_eq!(batch.bytes(), expected);
    batch.clear();
    assert!(batch.is_empty());
    assert_eq!(batch.bytes(), b"");
}

#[test]
fn a_refused_frame_leaves_the_batch_as_it_was() {
    let mut batch = FrameBatch::new(40);
    batch.push(FrameKind::Text, b"ping", [1, 2, 3, 4]).unwrap();
    let before = batch.bytes().to_vec();
    assert_eq!(
        batch.push(FrameKind::Text, &[b'x'; 25], [0; 4]),
        Err(EncodeError::NoRoom {
            needed_bytes: 31,
            free_bytes: 30
        })
    );
    assert_eq!(
        batch.finish_frame(FrameKind::Text, 23, [0; 4]),
        Err(EncodeError::NoRoom {
            needed_bytes: 31,
            free_bytes: 30
        })
    );
    assert_eq!(
        batch.push(FrameKind::Ping, &[0; 126], [0; 4]),
        Err(EncodeError::ControlTooLong { found_bytes: 126 })
    );
    assert_eq!(
        batch.finish_frame(FrameKind::Text, MAX_PAYLOAD_BYTES + 1, [0; 4]),
        Err(EncodeError::PayloadTooLong {
            found_bytes: MAX_PAYLOAD_BYTES + 1
        })
    );
    assert_eq!(
        encode_frame(FrameKind::Text, b"ping", [0; 4], &mut [0; 9]),
        Err(EncodeError::NoRoom {
            needed_bytes: 10,
            free_bytes: 9
        })
    );
    assert_eq!(batch.bytes(), before);
    let mut full = FrameBatch::new(3);
    assert_eq!(full.payload_space(), b"");
    assert_eq!(full.free_bytes(), 3);
}

#[test]
fn a_close_reason_is_cut_at_a_character_within_125_bytes() {
    let mut out = [0; MAX_CONTROL_BYTES];
    assert_eq!(encode_close_payload(1002, "bad frame", &mut out), 11);
    assert_eq!(&out[..11], b"\x03\xEAbad frame");
    let reason = format!("{}€", "x".repeat(121));
    assert_eq!(encode_close_payload(1009, &reason, &mut out), 123);
}

#[test]
fn the_keys_of_a_seed_repeat_and_differ_from_each_other() {
    let keys = |seed| {
        let mut sequence = MaskSequence::new(seed);
        std::array::from_fn::<_, 64, _>(|_| sequence.next_key())
    };
    assert_eq!(keys(1), keys(1));
    assert_ne!(keys(1), keys(2));
    let distinct: std::collections::BTreeSet<_> = keys(3).into_iter().collect();
    assert_eq!(distinct.len(), 64);
}
