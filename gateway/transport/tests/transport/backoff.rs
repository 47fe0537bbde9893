//! Reconnect storms stay within cap and budget.

use millrun_transport::backoff::{BUDGET_WINDOW_NS, Backoff, BackoffRules};

const MS: u64 = 1_000_000;
const RULES: BackoffRules = BackoffRules {
    base_ns: 100 * MS,
    cap_ns: 5_000 * MS,
    attempts_per_minute: 20,
};

// covers: V25
#[test]
fn a_thousand_closes_keep_the_cap_and_the_budget_of_every_minute() {
    for (seed, succeeds_each) in [(1, u64::MAX), (2, 1), (3, 4)] {
        let mut backoff = Backoff::new(RULES, seed);
        let (mut now_ns, mut begun_at_ns) = (0, Vec::new());
        for close in 0..1_000u64 {
            let at_ns = backoff.next_attempt_at_ns(now_ns);
            assert!(at_ns >= now_ns + RULES.base_ns / 2);
            // Put off further only by the budget.
            if begun_at_ns.len() < 20 {
                assert!(at_ns <= now_ns + RULES.cap_ns);
            }
            begun_at_ns.push(at_ns);
            now_ns = at_ns;
            if close % succeeds_each == 0 {
                backoff.succeeded();
            }
        }
        for window in begun_at_ns.windows(21) {
            assert!(
                window[20] - window[0] >= BUDGET_WINDOW_NS,
                "21 attempts in a minute"
            );
        }
    }
}

#[test]
fn waits_double_to_the_cap_and_start_again_after_a_success() {
    let rules = BackoffRules {
        attempts_per_minute: 1_000,
        ..RULES
    };
    let mut backoff = Backoff::new(rules, 7);
    let (mut now_ns, mut whole_ns) = (0, rules.base_ns);
    for failures in 0..200 {
        assert_eq!(backoff.failures(), failures);
        let at_ns = backoff.next_attempt_at_ns(now_ns);
        let wait_ns = at_ns - now_ns;
        assert!(
            (whole_ns.div_ceil(2)..=whole_ns).contains(&wait_ns),
            "{wait_ns} of {whole_ns}"
        );
        whole_ns = (2 * whole_ns).min(rules.cap_ns);
        // Far apart, so that the budget has no say.
        now_ns = at_ns + BUDGET_WINDOW_NS;
    }
    backoff.succeeded();
    assert!(backoff.next_attempt_at_ns(now_ns) - now_ns <= rules.base_ns);
}

#[test]
fn the_same_seed_waits_the_same_and_another_does_not() {
    let waits = |seed| {
        let mut backoff = Backoff::new(RULES, seed);
        std::array::from_fn::<_, 12, _>(|_| backoff.next_attempt_at_ns(0))
    };
    assert_eq!(waits(11), waits(11));
    assert_ne!(waits(11), waits(12));
}

#[test]
#[should_panic(expected = "cap must not be below")]
fn a_cap_below_the_base_is_a_bug() {
    Backoff::new(
        BackoffRules {
            base_ns: 2,
            cap_ns: 1,
            attempts_per_minute: 1,
        },
        0,
    );
}
