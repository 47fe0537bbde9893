//! The dead man's switch: cancel-all-after timers and the task that fires them.
//!
//! Invariants: a timer without tag covers every open order of the account, one with a tag only
//! those with that tag; what it cancels carries `cancelSource` 20. Docs: "POST / Cancel All After".

use std::sync::Arc;
use std::time::Duration;

use crate::matching::{CancelSource, OrderName};
use crate::okx::error_code::VenueError;
use crate::okx::json_object::JsonObject;
use crate::okx::parameters::text;
use crate::okx::publish::publish_updates;
use crate::okx::rest_router::RestRequest;
use crate::okx::rest_trade::body_object;
use crate::okx::venue::{Shared, Venue};

const TAG_BOUND: usize = 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Sets, renews or (with 0) clears a timer.
pub(crate) fn arm(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let body = body_object(request)?;
    let seconds: i64 = text(&body, "timeOut")
        .and_then(|written| written.parse().ok())
        .filter(|seconds| *seconds == 0 || (10..=120).contains(seconds))
        .ok_or_else(|| VenueError::parameter("timeOut"))?;
    let tag = text(&body, "tag").unwrap_or_default();
    let now_ms = shared.clock.now_ms();
    let mut venue = shared.venue();
    let key = (request.account, tag.clone());
    let timers = &mut venue.cancel_all_after;
    let trigger_s = if seconds == 0 {
        timers.remove(&key);
        0
    } else {
        let own = timers
            .keys()
            .filter(|(account, _)| *account == request.account)
            .count();
        if own >= TAG_BOUND && !timers.contains_key(&key) {
            return Err(VenueError::new(
                "51071",
                "You've reached the maximum limit for tag level cancel all after timers.",
            ));
        }
        timers.insert(key, now_ms + seconds * 1_000);
        now_ms / 1_000 + seconds
    };
    let mut json = JsonObject::new();
    json.integer("triggerTime", trigger_s)
        .text("tag", &tag)
        .integer("ts", now_ms / 1_000);
    Ok(vec![json.finish()])
}

/// Fires due timers for ever.
pub(crate) async fn run_timers(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let mut venue = shared.venue();
        if !venue.cancel_all_after.is_empty() {
            fire_due(&shared, &mut venue);
        }
    }
}

fn fire_due(shared: &Shared, venue: &mut Venue) {
    let now_ms = shared.clock.now_ms();
    let due: Vec<(usize, String)> = venue
        .cancel_all_after
        .iter()
        .filter(|(_, at_ms)| **at_ms <= now_ms)
        .map(|(key, _)| key.clone())
        .collect();
    for key in due {
        venue.cancel_all_after.remove(&key);
        let (account, tag) = key;
        let open: Vec<u64> = venue
            .exchange
            .open_orders_of(account)
            .filter(|order| tag.is_empty() || *order.new.tag == *tag)
            .map(|order| order.order_id)
            .collect();
        for order_id in open {
            let name = OrderName::OrderId(order_id);
            // An order may have ended with one cancelled before it; that is not an error.
            let _ = venue
                .exchange
                .cancel(now_ms, account, name, CancelSource::CANCEL_ALL_AFTER);
        }
        publish_updates(shared, venue);
    }
}
