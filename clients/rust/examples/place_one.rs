//! Places one post-only order, shows what becomes of it, and cancels it again.
//!
//! `cargo run -p millrun-client --example place_one -- \
//!     data/attach.sock grid BTC-USDT-SWAP buy 0.01 50000`

use std::time::Duration;

use millrun_client::{Client, NewOrderSpec, OrderEvent, OrderEventKind, Resume, Side};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, strategy, symbol, side, quantity, price] = arguments.as_slice() else {
        return Err("usage: place_one SOCKET STRATEGY SYMBOL buy|sell QUANTITY PRICE".into());
    };
    let side = match side.as_str() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(format!("side {other:?} is neither buy nor sell").into()),
    };
    let mut client = Client::attach(socket, strategy, Resume::FROM_NOW)?.client;
    let order = NewOrderSpec::limit(symbol.as_str(), side, quantity.as_str(), price.as_str());
    let request = client.place(&order.post_only())?;
    println!("request {request} is written");
    while let Some(event) = client.next_event(Duration::from_secs(5))? {
        show(&event);
        if event.kind == OrderEventKind::OrderAcknowledged && event.request_id == request {
            client.cancel_request(request)?;
        }
        let refused = event.kind == OrderEventKind::RequestRefused;
        if refused || event.status.is_some_and(|status| status.is_terminal()) {
            break;
        }
    }
    Ok(())
}

fn show(event: &OrderEvent) {
    let reason = event.reason.map_or("", |reason| reason.name());
    println!(
        "event {}: {} request {} {reason}{}",
        event.event_seq, event.kind, event.request_id, event.text
    );
}
