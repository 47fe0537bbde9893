//! `millrun order`: place, cancel and list orders from the command line.
//!
//! Placing and cancelling go through the same rings as any strategy's requests: this process
//! attaches as
//! the strategy that `--as` names. Listing and showing read the journal and need no engine.

mod journal_view;

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use millrun_client::{
    Client, ClientOrderId, NewOrderSpec, OrderEvent, OrderEventKind, RequestId, Resume, Side,
    TimeInForce,
};
use serde_json::json;
use std::time::{Duration, Instant};

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millrun order place --symbol BTC-USDT-SWAP --side buy --quantity 0.1 --price 64000.5 --post-only
  millrun order cancel --order 504403158265495553
  millrun order cancel-all
  millrun order list --all --json
  millrun order show --order 504403158265495553

place, cancel and cancel-all attach as the strategy named by --as (default: operator), which the
configuration must have.")]
pub struct OrderArgs {
    #[command(subcommand)]
    command: OrderCommand,
    #[command(flatten)]
    file: ConfigFile,
    /// The strategy to act as.
    #[arg(long = "as", default_value = "operator", global = true)]
    strategy: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// How long to wait for the venue's answer, milliseconds.
    #[arg(long, default_value_t = 5_000, global = true)]
    wait_ms: u64,
}

#[derive(Debug, Subcommand)]
enum OrderCommand {
    /// Place a limit order and wait for the venue's answer.
    Place(PlaceArgs),
    /// Cancel one of the strategy's orders and wait for its end.
    Cancel {
        /// The order's id.
        #[arg(long)]
        order: u64,
    },
    /// Cancel every open order of the strategy.
    CancelAll,
    /// List orders from the journal: open ones, or with --all every one that is remembered.
    List {
        /// Ended orders too.
        #[arg(long)]
        all: bool,
    },
    /// Show one order with everything that happened to it.
    Show {
        /// The order's id.
        #[arg(long)]
        order: u64,
    },
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// What to trade, as the venue names it.
    #[arg(long)]
    symbol: String,
    /// Which way.
    #[arg(long)]
    side: SideWord,
    /// How much, decimal text.
    #[arg(long)]
    quantity: String,
    /// The limit price, decimal text.
    #[arg(long)]
    price: String,
    /// How long it stands.
    #[arg(long, default_value = "gtc")]
    time_in_force: TimeInForceWord,
    /// Refused by the venue rather than taking.
    #[arg(long)]
    post_only: bool,
    /// Only ever makes the position smaller.
    #[arg(long)]
    reduce_only: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideWord {
    Buy,
    Sell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TimeInForceWord {
    Gtc,
    Ioc,
    Fok,
}

/// Runs the command.
///
/// # Errors
/// An engine that is not there, a journal that cannot be read, an order that is not there.
pub fn run(arguments: &OrderArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    match &arguments.command {
        OrderCommand::List { all } => journal_view::list(&settings, *all, arguments.json),
        OrderCommand::Show { order } => journal_view::show(&settings, *order, arguments.json),
        OrderCommand::Place(place) => {
            let mut client = attach(arguments, &settings)?;
            let request = client.place(&order_spec(place))?;
            follow(arguments, &mut client, request, place_is_answered)
        }
        OrderCommand::Cancel { order } => {
            let mut client = attach(arguments, &settings)?;
            let id =
                ClientOrderId::from_integer(*order).context("an order id is a positive number")?;
            let request = client.cancel(id)?;
            follow_with(arguments, &mut client, request, |event| {
                // The order's end carries the order's own request, not the cancel's.
                event.client_order_id == Some(id) && cancel_is_answered(event)
            })
        }
        OrderCommand::CancelAll => {
            let mut client = attach(arguments, &settings)?;
            let request = client.cancel_all(None)?;
            follow(arguments, &mut client, request, |event| {
                event.kind == OrderEventKind::CancelAllAccepted
            })
        }
    }
}

fn order_spec(place: &PlaceArgs) -> NewOrderSpec<'_> {
    let side = match place.side {
        SideWord::Buy => Side::Buy,
        SideWord::Sell => Side::Sell,
    };
    let mut spec = NewOrderSpec::limit(
        place.symbol.as_str(),
        side,
        place.quantity.as_str(),
        place.price.as_str(),
    )
    .time_in_force(match place.time_in_force {
        TimeInForceWord::Gtc => TimeInForce::GoodTillCancel,
        TimeInForceWord::Ioc => TimeInForce::ImmediateOrCancel,
        TimeInForceWord::Fok => TimeInForce::FillOrKill,
    });
    if place.post_only {
        spec = spec.post_only();
    }
    if place.reduce_only {
        spec = spec.reduce_only();
    }
    spec
}

fn attach(arguments: &OrderArgs, settings: &Settings) -> Result<Client> {
    if !settings
        .strategies
        .iter()
        .any(|strategy| strategy.name == arguments.strategy)
    {
        bail!(
            "the configuration has no strategy {:?}: add [[strategy]] name = {:?}, or choose --as",
            arguments.strategy,
            arguments.strategy
        );
    }
    let attached = Client::attach(
        &settings.attach.socket,
        &arguments.strategy,
        Resume::FROM_NOW,
    )?;
    Ok(attached.client)
}

fn place_is_answered(event: &OrderEvent) -> bool {
    event.status.is_some_and(|status| status.is_terminal())
        || matches!(
            event.kind,
            OrderEventKind::OrderAcknowledged
                | OrderEventKind::OrderPartiallyFilled
                | OrderEventKind::OrderFilled
        )
}

fn cancel_is_answered(event: &OrderEvent) -> bool {
    event.kind == OrderEventKind::CancelRejected
        || event.status.is_some_and(|status| status.is_terminal())
}

fn follow(
    arguments: &OrderArgs,
    client: &mut Client,
    request: RequestId,
    is_answer: impl Fn(&OrderEvent) -> bool,
) -> Result<Exit> {
    follow_with(arguments, client, request, |event| {
        event.request_id == request && is_answer(event)
    })
}

/// Prints events until the request is answered or the wait is over.
fn follow_with(
    arguments: &OrderArgs,
    client: &mut Client,
    request: RequestId,
    mut is_answer: impl FnMut(&OrderEvent) -> bool,
) -> Result<Exit> {
    let deadline = Instant::now() + Duration::from_millis(arguments.wait_ms);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!(
                "no final answer within {} ms: the order stands as the last line says; see \
                 `millrun order show`",
                arguments.wait_ms
            );
        }
        let Some(event) = client.next_event(left)? else {
            continue;
        };
        let answers = is_answer(&event);
        if answers || event.request_id == request {
            print_event(client, &event, arguments.json);
        }
        if event.kind == OrderEventKind::RequestRefused && event.request_id == request {
            return Ok(Exit::Refused);
        }
        if answers {
            let refused = matches!(
                event.kind,
                OrderEventKind::OrderRejected
                    | OrderEventKind::OrderFailed
                    | OrderEventKind::CancelRejected
            );
            return Ok(if refused { Exit::Refused } else { Exit::Ok });
        }
    }
}

fn print_event(client: &Client, event: &OrderEvent, as_json: bool) {
    let instrument = client.instruments().by_id(event.instrument);
    let (symbol, price_scale, quantity_scale) = match instrument {
        Some(instrument) => (
            instrument.symbol.to_string(),
            instrument.price_scale,
            instrument.quantity_scale,
        ),
        None => (String::new(), 0, 0),
    };
    let line = json!({
        "event": event.kind.name(),
        "order": event.client_order_id.map(|id| id.to_string()),
        "status": event.status.map(|status| status.name()),
        "reason": event.reason.map(|reason| reason.name()),
        "symbol": symbol,
        "quantity": event.order_quantity.text(quantity_scale).to_string(),
        "price": event.limit_price.text(price_scale).to_string(),
        "filled": event.cum_quantity.text(quantity_scale).to_string(),
        "venue_code": event.venue_code,
        "text": event.text.as_str(),
    });
    if as_json {
        println!("{line}");
        return;
    }
    let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
    let reason = match event.reason {
        Some(reason) => format!(" {reason}"),
        None => String::new(),
    };
    println!(
        "{:22} order {} {} {} @ {} filled {} {}{reason} {}",
        event.kind.name(),
        word("order"),
        symbol,
        word("quantity"),
        word("price"),
        word("filled"),
        word("status"),
        event.text
    );
}
