//! The session stepped by hand: real frames in, frames and verdicts out, a clock that we turn.

use millrun_protocol::frame::FrameKind;
use millrun_protocol::session::{CloseReason, FrameVerdict, SessionEvent, SessionState, Transmit};
use millrun_protocol::venue::okx::credentials::Credentials;
use millrun_protocol::venue::okx::decode::{MAX_REPORTS, OkxDecoder};
use millrun_protocol::venue::okx::instrument_table::InstrumentTable;
use millrun_protocol::venue::okx::login::MAX_SESSION_MESSAGE_BYTES;
use millrun_protocol::venue::okx::session::{OkxSession, SessionTimes};
use model::execution_report::{QuarantineReason, ReplyOutcome};
use model::input::LinkReason;
use model::time::NS_PER_S;
use model::{MonotonicNs, UnixNs, VenueReport};

use crate::instruments::table;

const API_KEY: &str = "canary-key-77aa";
const API_SECRET: &str = "CANARYSECRET99";
const PASSPHRASE: &str = "Canary\"Pass/1";

/// A session with everything that its caller holds.
struct Driver {
    session: OkxSession,
    decoder: OkxDecoder,
    table: InstrumentTable,
    reports: Vec<VenueReport>,
    now: MonotonicNs,
}

fn start() -> Driver {
    let keys = Credentials::new(API_KEY, API_SECRET, PASSPHRASE).unwrap();
    let now = MonotonicNs(5 * NS_PER_S);
    Driver {
        session: OkxSession::new(keys, SessionTimes::default(), now),
        decoder: OkxDecoder::new(),
        table: table(),
        reports: Vec::with_capacity(MAX_REPORTS),
        now,
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/venue/okx/fixtures");
    std::fs::read(format!("{folder}/{name}.json")).unwrap()
}

impl Driver {
    fn transmit(&mut self) -> Option<(FrameKind, String)> {
        let mut out = [0; MAX_SESSION_MESSAGE_BYTES];
        let utc = UnixNs(1_760_000_000_999_000_000);
        let Transmit { kind, length_bytes } =
            self.session.poll_transmit(self.now, utc, &mut out)?;
        Some((
            kind,
            String::from_utf8_lossy(&out[..length_bytes]).into_owned(),
        ))
    }

    fn receive(&mut self, kind: FrameKind, mut payload: Vec<u8>) -> FrameVerdict {
        let frame = self.session.mask(kind, &mut payload);
        self.session.handle_frame(
            self.now,
            frame,
            &mut self.decoder,
            &self.table,
            &mut self.reports,
        )
    }

    fn receive_fixture(&mut self, name: &str) -> FrameVerdict {
        self.receive(FrameKind::Text, fixture(name))
    }

    fn log_in(&mut self) {
        assert!(self.transmit().unwrap().1.contains("\"op\":\"login\""));
        let verdict = self.receive_fixture("event_login");
        assert_eq!(verdict, FrameVerdict::Consumed(SessionEvent::LoggedIn));
    }

    fn make_ready(&mut self) {
        self.log_in();
        assert!(self.transmit().unwrap().1.contains("\"op\":\"subscribe\""));
        for name in ["orders", "account"] {
            let verdict = self.receive_fixture(&format!("event_subscribe_{name}"));
            assert_eq!(verdict, FrameVerdict::Consumed(SessionEvent::Nothing));
            assert_eq!(self.session.state(), SessionState::Subscribing);
        }
        let verdict = self.receive_fixture("event_subscribe_positions");
        assert_eq!(verdict, FrameVerdict::Consumed(SessionEvent::Ready));
        assert_eq!(self.session.state(), SessionState::Ready);
        assert_eq!(self.transmit(), None);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after_ns(seconds * NS_PER_S);
    }
}

#[test]
fn it_logs_in_then_subscribes_and_only_then_is_ready() {
    let mut driver = start();
    assert_eq!(driver.session.state(), SessionState::LoggingIn);
    let (kind, login) = driver.transmit().unwrap();
    assert_eq!(kind, FrameKind::Text);
    let json: serde_json::Value = serde_json::from_str(&login).unwrap();
    assert_eq!(json["args"][0]["apiKey"], API_KEY);
    assert_eq!(json["args"][0]["passphrase"], PASSPHRASE);
    assert_eq!(json["args"][0]["timestamp"], "1760000000");
    assert_eq!(json["args"][0]["sign"].as_str().unwrap().len(), 44);
    assert_eq!(
        driver.transmit(),
        None,
        "nothing is subscribed before the login is answered"
    );
    driver.receive_fixture("event_login");
    assert_eq!(
        driver.transmit(),
        Some((
            FrameKind::Text,
            concat!(
                r#"{"id":"s1","op":"subscribe","args":[{"channel":"orders","instType":"ANY"},"#,
                r#"{"channel":"account","extraParams":"{\"updateInterval\":\"0\"}"},"#,
                r#"{"channel":"positions","instType":"ANY","#,
                r#""extraParams":"{\"updateInterval\":\"0\"}"}]}"#
            )
            .to_owned()
        ))
    );
    let mut driver = start();
    driver.make_ready();
}

// covers: V23
#[test]
fn a_refused_login_ends_the_session_with_the_venues_code_and_is_not_repeated() {
    let mut driver = start();
    driver.transmit();
    let reason = CloseReason::LoginRefused { code: 60_009 };
    assert_eq!(
        driver.receive_fixture("event_login_failed"),
        FrameVerdict::Close(reason)
    );
    assert_eq!(reason.link_reason(), LinkReason::LoginRefused);
    assert_eq!(driver.session.last_error().as_str(), "Login failed.");
    assert_eq!(
        driver.transmit(),
        Some((FrameKind::Close, "\u{3}\u{fffd}".to_owned()))
    );
    assert_eq!(driver.transmit(), None);
    assert_eq!(driver.session.poll_timeout(), MonotonicNs::NEVER);
}

#[test]
fn an_answer_to_a_login_that_was_not_sent_is_a_protocol_error() {
    let mut driver = start();
    let verdict = driver.receive_fixture("event_login");
    assert_eq!(verdict, FrameVerdict::Close(CloseReason::ProtocolError));
}

#[test]
fn a_refused_or_dead_subscription_ends_the_session() {
    let mut driver = start();
    driver.log_in();
    let code = 60_018;
    assert_eq!(
        driver.receive_fixture("event_wrong_channel"),
        FrameVerdict::Close(CloseReason::SubscriptionRefused { code })
    );
    let mut driver = start();
    driver.make_ready();
    assert_eq!(
        driver.receive_fixture("event_connection_count"),
        FrameVerdict::Consumed(SessionEvent::Nothing)
    );
    assert_eq!(
        driver.receive_fixture("event_connection_count_error"),
        FrameVerdict::Close(CloseReason::SubscriptionRefused { code: 0 })
    );
}

// covers: V21
#[test]
fn a_login_or_subscription_without_an_answer_ends_as_silence() {
    for logged_in in [false, true] {
        let mut driver = start();
        if logged_in {
            driver.log_in();
        }
        let deadline = driver.session.poll_timeout();
        assert_eq!(deadline, driver.now.after_ns(10 * NS_PER_S));
        driver.wait(9);
        assert_eq!(driver.session.handle_timeout(driver.now), None);
        driver.wait(1);
        assert_eq!(
            driver.session.handle_timeout(driver.now),
            Some(CloseReason::Silent)
        );
    }
}

// covers: V21
#[test]
fn a_quiet_venue_is_pinged_after_20_s_and_given_up_5_s_later() {
    let mut driver = start();
    driver.make_ready();
    assert_eq!(
        driver.session.poll_timeout(),
        driver.now.after_ns(20 * NS_PER_S)
    );
    driver.wait(19);
    assert_eq!(driver.session.handle_timeout(driver.now), None);
    assert_eq!(driver.transmit(), None);
    driver.wait(1);
    assert_eq!(driver.session.handle_timeout(driver.now), None);
    assert_eq!(
        driver.transmit(),
        Some((FrameKind::Text, "ping".to_owned()))
    );
    assert_eq!(driver.transmit(), None);
    driver.wait(4);
    let pong = driver.receive(FrameKind::Text, b"pong".to_vec());
    assert_eq!(pong, FrameVerdict::Consumed(SessionEvent::Nothing));
    driver.wait(20);
    assert_eq!(driver.session.handle_timeout(driver.now), None);
    assert!(driver.transmit().is_some());
    driver.wait(5);
    assert_eq!(
        driver.session.handle_timeout(driver.now),
        Some(CloseReason::Silent)
    );
    assert_eq!(CloseReason::Silent.link_reason(), LinkReason::Silent);
}

#[test]
fn a_protocol_ping_is_answered_with_its_payload() {
    let mut driver = start();
    driver.make_ready();
    driver.receive(FrameKind::Ping, b"still there?".to_vec());
    assert_eq!(
        driver.transmit(),
        Some((FrameKind::Pong, "still there?".to_owned()))
    );
    assert_eq!(driver.transmit(), None);
}

// covers: V17
#[test]
fn a_service_upgrade_is_announced_and_the_session_goes_on_until_the_venue_closes() {
    let mut driver = start();
    driver.make_ready();
    assert_eq!(
        driver.receive_fixture("event_service_upgrade"),
        FrameVerdict::Consumed(SessionEvent::ServiceUpgrade)
    );
    assert_eq!(driver.session.state(), SessionState::Ready);
    assert_eq!(
        driver.receive_fixture("orders_live"),
        FrameVerdict::ForEngine
    );
    let code = 4_004;
    assert_eq!(
        driver.receive(FrameKind::Close, code_bytes(code)),
        FrameVerdict::Close(CloseReason::PeerClosed { code })
    );
}

fn code_bytes(code: u16) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}

// covers: V23
#[test]
fn a_close_because_of_the_key_counts_as_a_refused_login() {
    for code in [4_001, 4_007] {
        let mut driver = start();
        driver.make_ready();
        let reason = CloseReason::LoginRefused {
            code: u32::from(code),
        };
        assert_eq!(
            driver.receive(FrameKind::Close, code_bytes(code)),
            FrameVerdict::Close(reason)
        );
    }
}

#[test]
fn orders_replies_and_statements_are_for_the_engine_and_repetitions_are_not() {
    let mut driver = start();
    driver.make_ready();
    for (name, count) in [
        ("orders_partial_fill", 1),
        ("reply_batch_mixed", 3),
        ("positions_net", 1),
        ("positions_net", 1),
        ("account_snapshot", 1),
    ] {
        assert_eq!(driver.receive_fixture(name), FrameVerdict::ForEngine);
        assert_eq!(driver.reports.len(), count, "{name}");
    }
    for name in ["account_snapshot", "positions_snapshot"] {
        let verdict = driver.receive_fixture(name);
        assert_eq!(verdict, FrameVerdict::Consumed(SessionEvent::Data));
        assert!(driver.reports.is_empty());
    }
}

#[test]
fn an_illegal_request_is_the_refusal_of_the_command_that_it_quotes_or_is_set_aside() {
    let mut driver = start();
    driver.make_ready();
    assert_eq!(
        driver.receive_fixture("event_illegal_request"),
        FrameVerdict::ForEngine
    );
    assert!(matches!(
        driver.reports.as_slice(),
        [VenueReport::Reply(reply)] if reply.outcome == ReplyOutcome::Refused
    ));
    assert_eq!(
        driver.receive_fixture("event_illegal_request_without_id"),
        FrameVerdict::ForEngine
    );
    assert_eq!(
        driver.reports,
        [VenueReport::Quarantined(QuarantineReason::UnknownRequest)]
    );
    assert_eq!(
        driver.receive_fixture("event_wrong_channel"),
        FrameVerdict::Consumed(SessionEvent::VenueError { code: 60_018 })
    );
}

// covers: V18
#[test]
fn a_message_that_is_not_json_is_set_aside_and_the_connection_stays() {
    let mut driver = start();
    driver.make_ready();
    let verdict = driver.receive(FrameKind::Text, b"{\"arg\":{\"channel\":".to_vec());
    assert_eq!(verdict, FrameVerdict::ForEngine);
    assert_eq!(
        driver.reports,
        [VenueReport::Quarantined(QuarantineReason::Malformed)]
    );
    assert_eq!(driver.session.state(), SessionState::Ready);
    assert_eq!(
        driver.receive_fixture("orders_live"),
        FrameVerdict::ForEngine
    );
}

#[test]
fn a_binary_message_is_a_protocol_error_and_a_closing_session_reads_nothing_more() {
    let mut driver = start();
    driver.make_ready();
    let ended = FrameVerdict::Close(CloseReason::ProtocolError);
    assert_eq!(driver.receive(FrameKind::Binary, vec![1, 2, 3]), ended);
    assert_eq!(driver.receive_fixture("orders_live"), ended);
    assert!(driver.reports.is_empty());
    driver.session.close(CloseReason::Stopping);
    assert_eq!(
        driver.session.state(),
        SessionState::Closing {
            reason: CloseReason::ProtocolError
        }
    );
}

#[test]
fn a_lost_login_ends_a_ready_session() {
    let mut driver = start();
    driver.make_ready();
    let code = 60_011;
    let lost = br#"{"event":"error","code":"60011","msg":"Please log in.","connId":"a4d3ae55"}"#;
    assert_eq!(
        driver.receive(FrameKind::Text, lost.to_vec()),
        FrameVerdict::Close(CloseReason::LoginLost { code })
    );
}

// covers: P15
#[test]
fn secrets_that_the_venue_quotes_are_masked_before_anything_sees_them() {
    let mut driver = start();
    let (_, login) = driver.transmit().unwrap();
    let sign = serde_json::from_str::<serde_json::Value>(&login).unwrap()["args"][0]["sign"]
        .as_str()
        .unwrap()
        .to_owned();
    let quoted = serde_json::json!({
        "event": "error", "code": "60012", "msg": format!("Illegal request: {login}"),
        "connId": "a4d3ae55",
    });
    for ready in [false, true] {
        if ready {
            driver = start();
            driver.make_ready();
        }
        let mut payload = quoted.to_string().into_bytes();
        let length = payload.len();
        let frame = driver.session.mask(FrameKind::Text, &mut payload);
        let seen = String::from_utf8(frame.bytes().to_vec()).unwrap();
        assert_eq!(seen.len(), length);
        for secret in [API_KEY, API_SECRET, PASSPHRASE, "Canary", "Pass/1", &sign] {
            assert!(!seen.contains(secret), "{secret} in {seen}");
        }
        driver.session.handle_frame(
            driver.now,
            frame,
            &mut driver.decoder,
            &driver.table,
            &mut driver.reports,
        );
        let said = format!("{:?} {:?}", driver.session.last_error(), driver.reports);
        assert!(!said.to_lowercase().contains("canary"), "{said}");
    }
}
