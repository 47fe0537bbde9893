//! Venue codes and their texts (OKX v5 documentation, "Error Code").
//!
//! Invariants: a code is what the documentation lists for that situation. Must not know:
//! transports.

use crate::matching::Refusal;
use crate::okx::json_object::plain;

/// A venue code with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VenueError {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) sub_code: &'static str,
}

impl VenueError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            sub_code: "",
        }
    }

    /// A code from a fault script, with the documented text where there is one.
    pub(crate) fn known(code: &str) -> Self {
        Self::new(code, text_of(code))
    }

    pub(crate) fn parameter(name: &str) -> Self {
        Self::new("51000", format!("Parameter {name} error"))
    }

    pub(crate) fn rate_limit() -> Self {
        Self::known("50011")
    }
}

/// Texts of codes that carry no values.
fn text_of(code: &str) -> &'static str {
    match code {
        "50001" => "Service temporarily unavailable. Please try again later",
        "50004" => {
            "API endpoint request timeout (does not mean that the request was successful or \
             failed, please check the request result)."
        }
        "50005" => "API is offline or unavailable.",
        "50011" => {
            "Rate limit reached. Please refer to API documentation and throttle requests \
             accordingly."
        }
        "50013" => "Systems are busy. Please try again later.",
        "50026" => "System error. Please try again later.",
        "50036" => {
            "The expTime can't be earlier than the current system time. Please adjust the \
             expTime and try again."
        }
        "50037" => "The order expired.",
        "50061" => "Order rate limit of the sub-account reached. Please throttle requests.",
        "51001" => "Instrument ID, Instrument ID code, or Spread ID doesn't exist.",
        "51016" => "Client order ID already exists.",
        "51054" => "Request timed out. Please try again.",
        "51149" => "Order timed out. Please try again.",
        "51400" => "Cancellation failed as the order has been filled, canceled or does not exist.",
        "51410" => "Cancellation failed as the order is already in canceling status or pending.",
        "51412" => "Cancellation timed out, please try again later.",
        "51503" => "Your order has already been filled or canceled.",
        "51513" => "Number of modification requests in progress for an order cannot exceed 3.",
        "51603" => "Order does not exist",
        "60009" => "Login failed.",
        "60032" => "API key doesn't exist.",
        "63999" => "Login failed due to internal error. Please try again later.",
        "64007" => "Operation failed due to internal error. Please try again later.",
        _ => "Operation failed.",
    }
}

impl From<Refusal> for VenueError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InstrumentSuspended => Self::new("51022", "Contract suspended."),
            Refusal::InstrumentTakesPostOnly => {
                Self::new("51028", "The instrument only takes post-only orders now.")
            }
            Refusal::BelowMinimum { minimum } => Self::new(
                "51020",
                format!("Your order should meet or exceed the minimum order amount {minimum}."),
            ),
            Refusal::NotLotMultiple { lot } => Self::new(
                "51121",
                format!(
                    "Order quantity must be a multiple of the lot size {}.",
                    plain(lot)
                ),
            ),
            Refusal::NotTickMultiple { tick } => Self::new(
                "51150",
                format!(
                    "The precision of the number of trades or the price exceeds the limit ({}).",
                    plain(tick)
                ),
            ),
            Refusal::QuantityAboveLimit { limit } => Self::new(
                "51005",
                format!(
                    "Your order amount exceeds the max order amount {}.",
                    plain(limit)
                ),
            ),
            Refusal::MarketQuantityAboveLimit { limit } => Self::new(
                "51202",
                format!(
                    "Market order amount exceeds the maximum amount {}.",
                    plain(limit)
                ),
            ),
            Refusal::PriceOutsideBand {
                highest_buy,
                lowest_sell,
            } => Self::new(
                "51006",
                format!(
                    "Order price is not within the price limit (Maximum buy price: {}, minimum \
                     sell price: {})",
                    plain(highest_buy),
                    plain(lowest_sell)
                ),
            ),
            Refusal::ClientOrderIdPending => Self::known("51016"),
            Refusal::InsufficientBalance { currency } => Self {
                code: "51008".to_owned(),
                message: format!("Order failed. Insufficient {currency} balance in account"),
                sub_code: "1000",
            },
            Refusal::NoPositionToReduce => Self::new(
                "51169",
                "Order failed because you don't have any positions in this direction for this \
                 contract to reduce or close.",
            ),
            Refusal::CancelTargetGone => Self::known("51400"),
            Refusal::AmendTargetGone => Self::known("51503"),
            other => amendment_error(other),
        }
    }
}

/// Codes that only amendments meet.
fn amendment_error(refusal: Refusal) -> VenueError {
    match refusal {
        Refusal::AmendBanned => VenueError::parameter("banAmend"),
        Refusal::NothingToAmend => {
            VenueError::new("51500", "You must enter a price, quantity, or TP/SL")
        }
        Refusal::AmendWouldTake => VenueError::new(
            "51511",
            "Operation failed as the order price doesn't meet the requirement for Post Only.",
        ),
        _ => VenueError::known("51000"),
    }
}
