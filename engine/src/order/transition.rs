//! The one place that says which status follows which. A pure, total function: no `_`, no state.
//!
//! `OrderStatus` is what is *proved*. Commands under way stand beside it and never change it: a
//! partial fill while a cancel is pending leaves the cancel pending.

use model::OrderStatus;

/// What was learned about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stimulus {
    /// Every check passed.
    Validate,
    /// A check did not.
    Deny,
    /// The intent of the new order is journaled.
    Submit,
    /// The venue has the order.
    Accept,
    /// The venue refused the order.
    Refuse,
    /// An execution that leaves some open.
    FillSome,
    /// The execution that leaves nothing open.
    FillAll,
    /// The venue says that the order is done, filled or closed out.
    FinishFilled,
    /// The venue ended it before it was filled.
    Cancel,
    /// Its time at the venue ended.
    Expire,
    /// Proved: it never reached the venue, or never left.
    Fail,
}

impl Stimulus {
    /// Every stimulus, for tests that walk the whole table.
    pub const ALL: &'static [Self] = &[
        Self::Validate,
        Self::Deny,
        Self::Submit,
        Self::Accept,
        Self::Refuse,
        Self::FillSome,
        Self::FillAll,
        Self::FinishFilled,
        Self::Cancel,
        Self::Expire,
        Self::Fail,
    ];
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The order has this status now.
    To(OrderStatus),
    /// Known already, or overtaken by something that proves more: nothing changes.
    Stale,
    /// An execution after the end: booked, flagged, the status stays.
    LateFill,
    /// This cannot be: nothing changes, and a person should know.
    Violation,
}

/// The status that follows `status` when `stimulus` is learned.
pub const fn transition(status: OrderStatus, stimulus: Stimulus) -> Step {
    use OrderStatus as S;
    use Step::{LateFill, Stale, To, Violation};
    use Stimulus as E;
    match (status, stimulus) {
        (S::Created, E::Validate) => To(S::Validated),
        (S::Created | S::Validated, E::Deny) => To(S::Denied),
        (S::Validated, E::Submit) => To(S::Submitted),

        (S::Submitted, E::Accept) => To(S::Acknowledged),
        // "Accepted" can mean "received": a refusal may follow it, until something is filled.
        (S::Submitted | S::Acknowledged, E::Refuse) => To(S::Rejected),
        (S::Submitted, E::Fail) => To(S::Failed),
        (S::Submitted | S::Acknowledged | S::PartiallyFilled, E::FillSome) => {
            To(S::PartiallyFilled)
        }
        (S::Submitted | S::Acknowledged | S::PartiallyFilled, E::FillAll | E::FinishFilled) => {
            To(S::Filled)
        }
        (S::Submitted | S::Acknowledged | S::PartiallyFilled, E::Cancel) => To(S::Cancelled),
        (S::Submitted | S::Acknowledged | S::PartiallyFilled, E::Expire) => To(S::Expired),

        // The ack behind the fill, the push behind the reply.
        (S::Acknowledged | S::PartiallyFilled, E::Accept) => Stale,
        // What is ended stays ended, however often it is said and in whatever order.
        (S::Filled | S::Cancelled | S::Expired, E::Accept) | (S::Rejected, E::Refuse) => Stale,
        (
            S::Filled | S::Cancelled | S::Expired | S::Rejected | S::Failed,
            E::FinishFilled | E::Cancel | E::Expire,
        ) => Stale,
        // Position is truth: an execution is booked whenever it comes.
        (
            S::Filled | S::Cancelled | S::Expired | S::Rejected | S::Failed | S::Denied,
            E::FillSome | E::FillAll,
        ) => LateFill,

        // The venue has what it refused, or what was proved not to be there.
        (S::Rejected | S::Failed, E::Accept) => Violation,
        (S::PartiallyFilled | S::Filled | S::Cancelled | S::Expired | S::Failed, E::Refuse) => {
            Violation
        }
        (S::Acknowledged | S::PartiallyFilled | S::Filled | S::Cancelled, E::Fail) => Violation,
        (S::Expired | S::Rejected | S::Failed | S::Denied, E::Fail) => Violation,
        // Nothing was sent, so the venue cannot know it.
        (
            S::Created | S::Validated | S::Denied,
            E::Accept | E::Refuse | E::FinishFilled | E::Cancel | E::Expire,
        ) => Violation,
        (S::Created | S::Validated, E::FillSome | E::FillAll | E::Fail) => Violation,
        // Our own steps, out of order.
        (S::Created, E::Submit) | (S::Validated, E::Validate) => Violation,
        (
            S::Submitted
            | S::Acknowledged
            | S::PartiallyFilled
            | S::Filled
            | S::Cancelled
            | S::Rejected
            | S::Denied
            | S::Failed
            | S::Expired,
            E::Validate | E::Deny | E::Submit,
        ) => Violation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: OK1
    #[test]
    fn every_ended_order_stays_ended_whatever_is_said() {
        for status in OrderStatus::ALL
            .iter()
            .filter(|status| status.is_terminal())
        {
            for stimulus in Stimulus::ALL {
                assert!(
                    !matches!(transition(*status, *stimulus), Step::To(_)),
                    "{status} left its end by {stimulus:?}"
                );
            }
        }
    }

    #[test]
    fn the_way_of_an_order_that_fills_is_open() {
        let mut status = OrderStatus::Created;
        let steps = [
            (Stimulus::Validate, OrderStatus::Validated),
            (Stimulus::Submit, OrderStatus::Submitted),
            (Stimulus::Accept, OrderStatus::Acknowledged),
            (Stimulus::FillSome, OrderStatus::PartiallyFilled),
            (Stimulus::FillAll, OrderStatus::Filled),
        ];
        for (stimulus, expected) in steps {
            assert_eq!(transition(status, stimulus), Step::To(expected));
            status = expected;
        }
    }

    // covers: V03 V04
    #[test]
    fn an_ack_behind_a_fill_is_stale_and_a_fill_before_the_ack_counts() {
        assert_eq!(
            transition(OrderStatus::Submitted, Stimulus::FillAll),
            Step::To(OrderStatus::Filled)
        );
        assert_eq!(
            transition(OrderStatus::Filled, Stimulus::Accept),
            Step::Stale
        );
    }

    #[test]
    fn an_order_that_was_refused_or_never_arrived_cannot_come_alive() {
        for status in [OrderStatus::Rejected, OrderStatus::Failed] {
            assert_eq!(transition(status, Stimulus::Accept), Step::Violation);
        }
    }
}
