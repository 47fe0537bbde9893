//! OKX result codes as what they prove about a command.
//!
//! The classes are those of the venue's error list (okx.com/docs-v5, "Error Code"): a code that may
//! hide an execution is never called a refusal. Texts are for people; nothing here reads them.
//! Must not know: frames, orders. Threads: none.

use model::execution_report::ReplyOutcome;
use model::order_request::CommandKind;

/// The venue does not say whether it acted: ask by our id. 50001 service unavailable, 50004
/// endpoint timeout, 50013 busy, 50026 system error, 51054 timed out, 51149 order timed out, 51412
/// cancel timed out, 63999 internal error, 64007 internal error of the WebSocket.
const UNKNOWN_OUTCOME: &[u32] = &[
    50_001, 50_004, 50_013, 50_026, 51_054, 51_149, 51_412, 63_999, 64_007,
];

/// The id is taken by a pending order or a repeated request: an order with it may well be there.
const DUPLICATE: &[u32] = &[50_042, 51_011, 51_016];

/// A cancel or amendment of an order that is filled, cancelled, being cancelled or not known; one
/// code stands for several of these, so the order must be read before anything is concluded.
const ALREADY_GONE: &[u32] = &[
    51_400, 51_401, 51_402, 51_410, 51_416, 51_503, 51_509, 51_510, 51_603,
];

/// What `code` proves about a command of this kind. Zero is acceptance *for processing*.
pub fn reply_outcome(code: u32, command: CommandKind) -> ReplyOutcome {
    if code == 0 {
        return ReplyOutcome::Accepted;
    }
    if UNKNOWN_OUTCOME.contains(&code) || DUPLICATE.contains(&code) {
        return ReplyOutcome::Unknown;
    }
    if ALREADY_GONE.contains(&code) {
        return match command {
            CommandKind::Cancel | CommandKind::Replace => ReplyOutcome::AlreadyGone,
            // Makes no sense for a new order, so it proves nothing about one.
            CommandKind::New => ReplyOutcome::Unknown,
        };
    }
    ReplyOutcome::Refused
}

/// What kind of failure a code is, for queries and logins, where no order is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Keys, permissions, environment: a person must act; asking again cannot help.
    Credentials,
    /// Our clock is off; measure the offset, then ask again.
    ClockSkew,
    /// Too many requests; wait.
    RateLimited,
    /// The venue is busy, frozen or down; wait.
    Unavailable,
    /// The order asked for is not there.
    NotFound,
    /// The request itself is wrong.
    BadRequest,
}

/// The class of a code other than zero.
pub fn failure_class(code: u32) -> FailureClass {
    match code {
        50_102 | 50_112 | 60_004 | 60_006 => FailureClass::ClockSkew,
        50_011 | 50_040 | 50_061 | 60_014 => FailureClass::RateLimited,
        50_001 | 50_004 | 50_013 | 50_017..=50_023 | 50_026 | 51_149 | 63_999 | 64_007 => {
            FailureClass::Unavailable
        }
        51_603 | 51_400 | 51_401 | 51_402 => FailureClass::NotFound,
        50_030 | 50_100..=50_121 | 60_005 | 60_007 | 60_009 | 60_024 | 60_027 | 60_032 => {
            FailureClass::Credentials
        }
        _ => FailureClass::BadRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_may_hide_an_execution_is_never_a_refusal() {
        for code in UNKNOWN_OUTCOME.iter().chain(DUPLICATE) {
            for command in CommandKind::ALL {
                assert_eq!(
                    reply_outcome(*code, *command),
                    ReplyOutcome::Unknown,
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn already_gone_is_said_of_cancels_and_replaces_only() {
        for code in ALREADY_GONE {
            let of = |command| reply_outcome(*code, command);
            assert_eq!(of(CommandKind::Cancel), ReplyOutcome::AlreadyGone);
            assert_eq!(of(CommandKind::Replace), ReplyOutcome::AlreadyGone);
            assert_eq!(of(CommandKind::New), ReplyOutcome::Unknown);
        }
    }

    // covers: V16
    #[test]
    fn rate_limits_and_passed_deadlines_are_definite_refusals() {
        for code in [
            50_011, 50_061, 60_014, 50_036, 50_037, 51_008, 51_020, 60_012, 60_013,
        ] {
            assert_eq!(
                reply_outcome(code, CommandKind::New),
                ReplyOutcome::Refused,
                "{code}"
            );
        }
        assert_eq!(failure_class(50_011), FailureClass::RateLimited);
    }

    #[test]
    fn failures_of_queries_say_what_to_do() {
        let table = [
            (50_102, FailureClass::ClockSkew),
            (50_113, FailureClass::Credentials),
            (50_105, FailureClass::Credentials),
            (50_026, FailureClass::Unavailable),
            (51_603, FailureClass::NotFound),
            (51_000, FailureClass::BadRequest),
        ];
        for (code, class) in table {
            assert_eq!(failure_class(code), class, "{code}");
        }
    }
}
