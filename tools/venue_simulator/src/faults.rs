//! Faults on demand: what goes wrong, when, and how often.
//!
//! Invariants: a rule fires only where its kind applies; random rules draw from one seeded stream,
//! so the same requests in the same order meet the same faults. Threads: one mutex around the
//! script.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One thing that goes wrong. In JSON: `{"kind":"delay_ack","ms":50}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The operation is carried out; its reply never comes.
    DropAck,
    /// The reply comes late.
    DelayAck {
        /// Milliseconds.
        ms: u64,
    },
    /// The reply comes after the order's first fill or end, or after `ms` at the latest.
    AckAfterFill {
        /// Milliseconds.
        ms: u64,
    },
    /// The operation is carried out late, and checked against `expTime` only then (50037).
    DelayAcceptance {
        /// Milliseconds.
        ms: u64,
    },
    /// The reply of every leg is this code (50004, 51149, …), whether or not it was carried out.
    Answer {
        /// Venue code of the reply.
        code: String,
        /// Whether the operation is carried out all the same.
        executes: bool,
        /// Put the code at the top of the reply, with empty `data`, instead of on each leg.
        #[serde(default)]
        at_top: bool,
    },
    /// The connection breaks when the operation arrives: before (not carried out) or after it.
    Disconnect {
        /// Whether the operation is carried out first.
        executes: bool,
    },
    /// The connection breaks after that many more ciphertext bytes were written to the client.
    DisconnectAtByte {
        /// Bytes from now.
        bytes: u32,
    },
    /// The connection falls silent without closing; the operation is carried out or not.
    Stall {
        /// Whether the operation is carried out first.
        executes: bool,
    },
    /// Writes to the client come in pieces of at most this many bytes.
    Dribble {
        /// Bytes per write.
        bytes: u32,
    },
    /// Notice 64008, then the connection is closed.
    ServiceNotice {
        /// Milliseconds from notice to close.
        close_after_ms: u64,
    },
    /// An order push comes again, with a later `uTime`.
    DuplicatePush {
        /// Milliseconds later.
        after_ms: u64,
    },
    /// A push is lost.
    DropPush,
    /// A push comes late, after whatever follows it.
    DelayPush {
        /// Milliseconds.
        ms: u64,
    },
    /// A final fill is pushed as `partially_filled`, then `filled` with `fillSz` 0.
    SplitFinalFill,
    /// A cancel is acked with 0, but the order fills instead.
    FillInsteadOfCancel,
    /// An amend is acked with 0, but fails (`amendResult` -1, or 1 when cancel-on-fail).
    AmendFails,
    /// Login is refused with this code and the connection closed with 4001.
    RejectLogin {
        /// Venue code.
        code: String,
    },
    /// REST answers with this HTTP status and a JSON error; a trade request is carried out or not.
    RestStatus {
        /// HTTP status.
        status: u16,
        /// Venue code in the body.
        code: String,
        /// Whether the request is carried out all the same.
        executes: bool,
    },
    /// REST never answers (the connection stays open for `ms`, then breaks).
    RestTimeout {
        /// Milliseconds.
        ms: u64,
        /// Whether the request is carried out all the same.
        executes: bool,
    },
    /// REST order and fill queries show the state of that long ago.
    RestStale {
        /// Milliseconds.
        lag_ms: i64,
    },
    /// The venue's clock jumps to this distance from real time. Acts at once.
    ClockSkew {
        /// Milliseconds; positive is ahead.
        ms: i64,
    },
}

/// Where a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPoint {
    Operation,
    Push,
    Login,
    Rest,
}

impl Fault {
    pub(crate) fn point(&self) -> FaultPoint {
        match self {
            Self::DuplicatePush { .. }
            | Self::DropPush
            | Self::DelayPush { .. }
            | Self::SplitFinalFill => FaultPoint::Push,
            Self::RejectLogin { .. } => FaultPoint::Login,
            Self::RestStatus { .. } | Self::RestTimeout { .. } | Self::RestStale { .. } => {
                FaultPoint::Rest
            }
            _ => FaultPoint::Operation,
        }
    }
}

/// When a fault strikes: all given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultTrigger {
    /// API key of the account.
    pub api_key: Option<String>,
    /// Operation (`order`, `batch-orders`, `cancel-order`, …), channel of a push, or REST path end.
    pub on: Option<String>,
    /// Client order id (of any leg).
    pub client_order_id: Option<String>,
    /// State in an order push (`live`, `partially_filled`, `filled`, `canceled`).
    pub state: Option<String>,
    /// Only the nth match, counted from 1.
    pub nth: Option<u64>,
    /// Chance per match, 0 to 1000 per mille.
    pub per_mille: Option<u32>,
    /// How many times it strikes; 0 is without end. Absent: once, or without end if `per_mille` is
    /// given.
    pub times: Option<u64>,
}

/// A fault and its trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// When.
    #[serde(default)]
    pub when: FaultTrigger,
}

/// What is known of the moment at which faults are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultMoment<'a> {
    pub(crate) point: FaultPoint,
    pub(crate) api_key: &'a str,
    pub(crate) on: &'a str,
    pub(crate) client_order_ids: &'a [&'a str],
    pub(crate) state: &'a str,
}

struct Armed {
    id: u64,
    rule: FaultRule,
    matches: u64,
    strikes: u64,
}

impl Armed {
    fn applies(&self, moment: &FaultMoment<'_>) -> bool {
        let when = &self.rule.when;
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let named = when
            .client_order_id
            .as_deref()
            .is_none_or(|wanted| moment.client_order_ids.contains(&wanted));
        self.rule.fault.point() == moment.point
            && same(&when.api_key, moment.api_key)
            && when.on.as_deref().is_none_or(|wanted| {
                moment.on == wanted || (moment.on.starts_with('/') && moment.on.ends_with(wanted))
            })
            && same(&when.state, moment.state)
            && named
    }

    fn is_spent(&self) -> bool {
        let default_times = u64::from(self.rule.when.per_mille.is_none());
        let times = self.rule.when.times.unwrap_or(default_times);
        times != 0 && self.strikes >= times
    }
}

/// All armed faults.
pub(crate) struct FaultScript {
    armed: Vec<Armed>,
    random: ChaCha8Rng,
    next_id: u64,
    pub(crate) struck: u64,
}

impl FaultScript {
    pub(crate) fn new(seed: u64, rules: Vec<FaultRule>) -> Self {
        let mut script = Self {
            armed: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed ^ 0x00fa_0175),
            next_id: 0,
            struck: 0,
        };
        for rule in rules {
            script.arm(rule);
        }
        script
    }

    /// Arms a rule and returns its id.
    pub(crate) fn arm(&mut self, rule: FaultRule) -> u64 {
        self.next_id += 1;
        self.armed.push(Armed {
            id: self.next_id,
            rule,
            matches: 0,
            strikes: 0,
        });
        self.next_id
    }

    /// Removes one rule, or all.
    pub(crate) fn disarm(&mut self, id: Option<u64>) {
        self.armed
            .retain(|armed| id.is_some_and(|id| id != armed.id));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// The faults that strike now.
    pub(crate) fn strike(&mut self, moment: &FaultMoment<'_>) -> Vec<Fault> {
        let mut struck = Vec::new();
        for armed in &mut self.armed {
            if armed.is_spent() || !armed.applies(moment) {
                continue;
            }
            armed.matches += 1;
            if armed.rule.when.nth.is_some_and(|nth| nth != armed.matches) {
                continue;
            }
            if let Some(per_mille) = armed.rule.when.per_mille
                && self.random.random_range(0..1_000_u32) >= per_mille
            {
                continue;
            }
            armed.strikes += 1;
            struck.push(armed.rule.fault.clone());
        }
        self.armed.retain(|armed| !armed.is_spent());
        self.struck += struck.len() as u64;
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultMoment, FaultPoint, FaultRule, FaultScript, FaultTrigger};

    fn moment<'a>(on: &'a str, ids: &'a [&'a str]) -> FaultMoment<'a> {
        let point = FaultPoint::Operation;
        FaultMoment {
            point,
            api_key: "k",
            on,
            client_order_ids: ids,
            state: "",
        }
    }

    #[test]
    fn a_rule_for_the_nth_order_strikes_once_and_is_gone() {
        let when = FaultTrigger {
            on: Some("order".into()),
            nth: Some(2),
            ..Default::default()
        };
        let mut script = FaultScript::new(
            1,
            vec![FaultRule {
                fault: Fault::DropAck,
                when,
            }],
        );
        assert!(script.strike(&moment("order", &[])).is_empty());
        assert_eq!(script.strike(&moment("order", &[])), vec![Fault::DropAck]);
        assert!(script.strike(&moment("order", &[])).is_empty());
        assert!(script.is_empty());
    }

    #[test]
    fn a_rule_by_client_order_id_leaves_other_orders_alone() {
        let when = FaultTrigger {
            client_order_id: Some("7".into()),
            ..Default::default()
        };
        let mut script = FaultScript::new(
            1,
            vec![FaultRule {
                fault: Fault::DropAck,
                when,
            }],
        );
        assert!(script.strike(&moment("order", &["8"])).is_empty());
        assert_eq!(script.strike(&moment("batch-orders", &["8", "7"])).len(), 1);
    }

    #[test]
    fn random_faults_repeat_with_the_seed() {
        let run = |seed| {
            let when = FaultTrigger {
                per_mille: Some(300),
                ..Default::default()
            };
            let rules = vec![FaultRule {
                fault: Fault::DropAck,
                when,
            }];
            let mut script = FaultScript::new(seed, rules);
            (0..64)
                .map(|_| script.strike(&moment("order", &[])).len())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn a_rule_reads_from_json() {
        let text = r#"{"fault":{"kind":"answer","code":"51149","executes":true},
            "when":{"on":"order","times":3}}"#;
        let rule: FaultRule = serde_json::from_str(text).expect("a valid rule");
        assert_eq!(
            rule.fault,
            Fault::Answer {
                code: "51149".into(),
                executes: true,
                at_top: false,
            }
        );
        assert_eq!(rule.when.times, Some(3));
    }
}
