//! OKX: operations to messages, through the library's own encoders and signer.

mod orders;

use millrun_protocol::frame::MAX_PAYLOAD_BYTES;
use millrun_protocol::venue::okx::credentials::{Credentials, SIGNATURE_BYTES};
use millrun_protocol::venue::okx::encode::{encode_mass_cancel, encode_terms};
use millrun_protocol::venue::okx::login::{
    ChannelTerms, MAX_SESSION_MESSAGE_BYTES, encode_login, encode_subscribe,
};
use millrun_protocol::venue::okx::rest::{ListFilter, RestCall, RestRequest, RestSigner};
use model::UnixNs;
use model::time::{NS_PER_MS, NS_PER_S};

use self::orders::{OwnedOrderRef, OwnedOrders, order_ref, orders};
use crate::args::Args;
use crate::schema::Unknown;

/// Members of `expected` that OKX messages have; `url` and `prior_gets` are for reading.
pub(crate) const EXPECTED_MEMBERS: &[&str] = &[
    "method",
    "path",
    "query",
    "query_pairs",
    "url",
    "headers",
    "body",
    "body_json",
    "frame",
    "frame_json",
    "string_to_sign",
    "signature",
    "prior_gets",
];
/// Checks that OKX messages can pass.
pub(crate) const CHECKS: &[&str] = &["signature", "encode"];
/// The header of which only presence is compared.
pub(crate) const SIGNATURE_HEADER: &str = "OK-ACCESS-SIGN";

/// What we would send; an encoder's or signer's refusal in words.
pub(crate) type Encoded = Result<Message, String>;

/// A message of ours.
pub(crate) enum Message {
    /// An HTTP request.
    Http(RestRequest),
    /// WebSocket text.
    Frame(String),
}

/// What an operation gives: the message, and the signer if it has keys.
pub(crate) struct Built {
    /// The message.
    pub(crate) encoded: Encoded,
    /// Who signs; `Err` says why the keys cannot be used.
    pub(crate) signer: Option<Result<Credentials, String>>,
}

impl Built {
    /// The signature of a text by the vector's keys.
    pub(crate) fn sign(&self, text: &str) -> Result<[u8; SIGNATURE_BYTES], String> {
        match &self.signer {
            None => Err("the operation has no keys".to_owned()),
            Some(Err(reason)) => Err(reason.clone()),
            Some(Ok(credentials)) => Ok(credentials.sign(&[text.as_bytes()])),
        }
    }
}

/// Builds the message of `operation` from `args` alone.
pub(crate) fn build(operation: &str, mut args: Args) -> Result<Built, Unknown> {
    let built = if operation.starts_with("rest_") {
        build_rest(operation, &mut args)?
    } else {
        build_websocket(operation, &mut args)?
    };
    args.finish()?;
    Ok(built)
}

fn build_rest(operation: &str, args: &mut Args) -> Result<Built, Unknown> {
    let known = rest_operation(operation).ok_or_else(|| unknown_operation(operation))?;
    let credentials = credentials(args)?;
    let now = UnixNs(args.integer("timestamp_ms")?.saturating_mul(NS_PER_MS));
    let simulated = args.flag("simulated_trading")?;
    let owned = known(operation, args)?;
    let encoded = credentials.clone().and_then(|credentials| {
        let signer = RestSigner::new(credentials, simulated);
        owned.with_call(|call| {
            signer
                .request(call, now, None)
                .map_err(|error| error.to_string())
        })
    });
    Ok(Built {
        encoded: encoded.map(Message::Http),
        signer: Some(credentials),
    })
}

/// Reads the arguments of one REST operation.
type RestReader = fn(&str, &mut Args) -> Result<OwnedCall, Unknown>;

fn rest_operation(operation: &str) -> Option<RestReader> {
    Some(match operation {
        "rest_get_balance" => |_, args| Ok(OwnedCall::Balance(args.optional_text("ccy")?)),
        "rest_get_positions" => |_, args| {
            Ok(OwnedCall::Positions(
                args.optional_text("inst_type")?,
                args.optional_id("inst_id")?,
            ))
        },
        "rest_get_order" => |_, args| {
            let inst_id = args.id("inst_id")?;
            Ok(OwnedCall::Order(inst_id, order_ref(args)?))
        },
        "rest_get_open_orders" | "rest_get_order_history" | "rest_get_fills" => read_list,
        "rest_place_order" | "rest_batch_place" | "rest_cancel_order" | "rest_batch_cancel"
        | "rest_amend_order" | "rest_batch_amend" => {
            |operation, args| Ok(OwnedCall::Orders(orders(operation, args, false)?))
        }
        "rest_cancel_all_after" => |_, args| {
            let timeout = args.optional_small("timeout_s")?;
            let timeout = timeout.ok_or_else(|| args.missing("timeout_s"))?;
            Ok(OwnedCall::CancelAllAfter(
                timeout,
                args.optional_text("tag")?,
            ))
        },
        _ => return None,
    })
}

fn read_list(operation: &str, args: &mut Args) -> Result<OwnedCall, Unknown> {
    let fills = operation == "rest_get_fills";
    let inst_type = if operation == "rest_get_order_history" {
        Some(args.text("inst_type")?)
    } else {
        args.optional_text("inst_type")?
    };
    let list = OwnedList {
        inst_type,
        inst_id: args.optional_id("inst_id")?,
        state: if fills {
            None
        } else {
            args.optional_text("state")?
        },
        begin_ms: if fills {
            args.optional_integer("begin_ms")?
        } else {
            None
        },
        limit: args.optional_small("limit")?,
    };
    Ok(OwnedCall::List(operation.to_owned(), list))
}

/// A call whose texts are its own.
enum OwnedCall {
    Balance(Option<String>),
    Positions(Option<String>, Option<String>),
    Order(String, OwnedOrderRef),
    List(String, OwnedList),
    Orders(OwnedOrders),
    CancelAllAfter(u16, Option<String>),
}

struct OwnedList {
    inst_type: Option<String>,
    inst_id: Option<String>,
    state: Option<String>,
    begin_ms: Option<u64>,
    limit: Option<u16>,
}

impl OwnedCall {
    fn with_call<R>(&self, use_call: impl FnOnce(&RestCall<'_>) -> R) -> R {
        match self {
            Self::Balance(ccy) => use_call(&RestCall::Balance {
                ccy: ccy.as_deref(),
            }),
            Self::Positions(inst_type, inst_id) => use_call(&RestCall::Positions {
                inst_type: inst_type.as_deref(),
                inst_id: inst_id.as_deref(),
            }),
            Self::Order(inst_id, order) => use_call(&RestCall::Order {
                inst_id,
                order: order.borrow(),
            }),
            Self::List(operation, list) => {
                let filter = ListFilter {
                    inst_type: list.inst_type.as_deref(),
                    inst_id: list.inst_id.as_deref(),
                    state: list.state.as_deref(),
                    begin_ms: list.begin_ms,
                    limit: list.limit,
                    ..ListFilter::default()
                };
                use_call(&match operation.as_str() {
                    "rest_get_open_orders" => RestCall::OrdersPending(filter),
                    "rest_get_order_history" => RestCall::OrdersHistory(filter),
                    _ => RestCall::Fills(filter),
                })
            }
            Self::Orders(orders) => orders.with_terms(|terms| {
                use_call(&RestCall::Orders {
                    terms,
                    batch: orders.batch,
                })
            }),
            Self::CancelAllAfter(timeout_s, tag) => use_call(&RestCall::CancelAllAfter {
                timeout_s: *timeout_s,
                tag: tag.as_deref(),
            }),
        }
    }
}

fn build_websocket(operation: &str, args: &mut Args) -> Result<Built, Unknown> {
    let mut out = vec![0; MAX_PAYLOAD_BYTES];
    let written = match operation {
        "ws_login" => return build_login(args),
        "ws_subscribe" => {
            let request_id = args.id("request_id")?;
            let channels = channels(args)?;
            let terms: Vec<_> = channels.iter().map(OwnedChannel::borrow).collect();
            encode_subscribe(&mut out, &request_id, &terms)
                .map_err(|short| format!("longer than {} bytes", short.found_bytes))
        }
        "ws_mass_cancel" => {
            let request_id = args.id("request_id")?;
            let inst_type = args.text("inst_type")?;
            let inst_family = args.text("inst_family")?;
            encode_mass_cancel(&mut out, &request_id, &inst_type, &inst_family)
                .map_err(|error| error.to_string())
        }
        "ws_place_order" | "ws_batch_place" | "ws_cancel_order" | "ws_batch_cancel"
        | "ws_amend_order" | "ws_batch_amend" => {
            let request_id = args.id("request_id")?;
            let orders = orders(operation, args, true)?;
            let encoded = orders
                .with_terms(|terms| encode_terms(&mut out, &request_id, terms, orders.batch, None));
            encoded.map_err(|error| error.to_string())
        }
        _ => return Err(unknown_operation(operation)),
    };
    Ok(Built {
        encoded: frame(out, written),
        signer: None,
    })
}

fn build_login(args: &mut Args) -> Result<Built, Unknown> {
    let credentials = credentials(args)?;
    let now = UnixNs(args.integer("timestamp_s")?.saturating_mul(NS_PER_S));
    let mut out = vec![0; MAX_SESSION_MESSAGE_BYTES];
    let written = credentials
        .as_ref()
        .map_err(String::clone)
        .and_then(|keys| {
            encode_login(&mut out, keys, now)
                .map(|(length, _)| length)
                .map_err(|short| format!("longer than {} bytes", short.found_bytes))
        });
    Ok(Built {
        encoded: frame(out, written),
        signer: Some(credentials),
    })
}

fn frame(mut out: Vec<u8>, written: Result<usize, String>) -> Encoded {
    out.truncate(written?);
    String::from_utf8(out)
        .map(Message::Frame)
        .map_err(|error| error.to_string())
}

fn unknown_operation(operation: &str) -> Unknown {
    Unknown(format!("operation {operation}"))
}

fn credentials(args: &mut Args) -> Result<Result<Credentials, String>, Unknown> {
    let mut keys = args.object("credentials")?;
    let api_key = keys.text("api_key")?;
    let api_secret = keys.text("api_secret")?;
    let passphrase = keys.text("passphrase")?;
    keys.finish()?;
    Ok(Credentials::new(&api_key, &api_secret, &passphrase).map_err(|bad| bad.to_string()))
}

struct OwnedChannel {
    channel: String,
    inst_type: Option<String>,
    inst_id: Option<String>,
}

impl OwnedChannel {
    fn borrow(&self) -> ChannelTerms<'_> {
        ChannelTerms {
            channel: &self.channel,
            inst_type: self.inst_type.as_deref(),
            inst_id: self.inst_id.as_deref(),
            extra_params: None,
        }
    }
}

fn channels(args: &mut Args) -> Result<Vec<OwnedChannel>, Unknown> {
    let mut channels = Vec::new();
    for mut channel in args.objects("channels", true)? {
        channels.push(OwnedChannel {
            channel: channel.text("channel")?,
            inst_type: channel.optional_text("inst_type")?,
            inst_id: channel.optional_id("inst_id")?,
        });
        channel.finish()?;
    }
    Ok(channels)
}
