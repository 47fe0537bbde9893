//! The members of OKX place, cancel and amend objects, and the one writer of each.
//!
//! The WebSocket and REST have the same objects; only the instrument is named otherwise (integer
//! `instIdCode` against `instId`; okx.com/docs-v5, "WS / Place order", "Place order"). Values are
//! opaque text here, so ids and words that we would never choose encode too. Must not know: our
//! orders, envelopes, signatures. Threads: none.

use crate::byte_writer::ByteWriter;

/// How a message names an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentRef<'a> {
    /// `instIdCode`: what the WebSocket takes.
    Code(u64),
    /// `instId`: what REST takes.
    Symbol(&'a str),
}

/// How a message names an order. When both are there the venue looks at `ordId` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRef<'a> {
    /// `ordId`.
    VenueOrderId(&'a str),
    /// `clOrdId`.
    ClientOrderId(&'a str),
}

/// Take-profit and stop-loss that begin with a fill (`attachAlgoOrds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachedAlgo<'a> {
    /// `tpTriggerPx`.
    pub tp_trigger_px: Option<&'a str>,
    /// `tpOrdPx`; `-1` = market.
    pub tp_ord_px: Option<&'a str>,
    /// `slTriggerPx`.
    pub sl_trigger_px: Option<&'a str>,
    /// `slOrdPx`; `-1` = market.
    pub sl_ord_px: Option<&'a str>,
}

/// A new order, member by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceTerms<'a> {
    /// What to trade.
    pub instrument: InstrumentRef<'a>,
    /// `tdMode`.
    pub td_mode: &'a str,
    /// `side`.
    pub side: &'a str,
    /// `ordType`, which holds the time in force too.
    pub ord_type: &'a str,
    /// `sz`: contracts, or base currency for spot unless `tgtCcy` says otherwise.
    pub sz: &'a str,
    /// `px`.
    pub px: Option<&'a str>,
    /// `clOrdId`: 1 to 32 letters and digits.
    pub cl_ord_id: Option<&'a str>,
    /// `posSide`; absent = `net`.
    pub pos_side: Option<&'a str>,
    /// `tgtCcy`: the unit of a spot market order's `sz`.
    pub tgt_ccy: Option<&'a str>,
    /// `stpMode`.
    pub stp_mode: Option<&'a str>,
    /// `tag`.
    pub tag: Option<&'a str>,
    /// `reduceOnly`.
    pub reduce_only: Option<bool>,
    /// `attachAlgoOrds`.
    pub attach_algo_ords: &'a [AttachedAlgo<'a>],
}

/// The end of an order, member by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelTerms<'a> {
    /// What is traded.
    pub instrument: InstrumentRef<'a>,
    /// Which order.
    pub order: OrderRef<'a>,
}

/// Other terms for an order, member by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmendTerms<'a> {
    /// What is traded.
    pub instrument: InstrumentRef<'a>,
    /// Which order.
    pub order: OrderRef<'a>,
    /// `newSz`: the new total, what is filled included.
    pub new_sz: Option<&'a str>,
    /// `newPx`.
    pub new_px: Option<&'a str>,
    /// `reqId`: comes back with the push that says what became of the amendment.
    pub req_id: Option<&'a str>,
    /// `cxlOnFail`: the order is cancelled when the amendment fails.
    pub cxl_on_fail: Option<bool>,
}

/// One order's part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderTerms<'a> {
    /// A new order.
    Place(PlaceTerms<'a>),
    /// A cancel.
    Cancel(CancelTerms<'a>),
    /// An amendment.
    Amend(AmendTerms<'a>),
}

impl OrderTerms<'_> {
    /// Writes the object.
    pub fn write(&self, out: &mut ByteWriter<'_>) {
        match self {
            Self::Place(terms) => write_place(out, terms),
            Self::Cancel(terms) => {
                write_instrument(out, terms.instrument);
                write_order(out, terms.order);
            }
            Self::Amend(terms) => write_amend(out, terms),
        }
        out.put(b"}");
    }
}

fn write_place(out: &mut ByteWriter<'_>, terms: &PlaceTerms<'_>) {
    write_instrument(out, terms.instrument);
    write_text(out, b",\"tdMode\":", Some(terms.td_mode));
    write_text(out, b",\"side\":", Some(terms.side));
    write_text(out, b",\"ordType\":", Some(terms.ord_type));
    write_text(out, b",\"sz\":", Some(terms.sz));
    write_text(out, b",\"px\":", terms.px);
    write_text(out, b",\"clOrdId\":", terms.cl_ord_id);
    write_text(out, b",\"posSide\":", terms.pos_side);
    write_text(out, b",\"tgtCcy\":", terms.tgt_ccy);
    write_text(out, b",\"stpMode\":", terms.stp_mode);
    write_text(out, b",\"tag\":", terms.tag);
    write_flag(out, b",\"reduceOnly\":", terms.reduce_only);
    if !terms.attach_algo_ords.is_empty() {
        out.put(b",\"attachAlgoOrds\":[");
        for (place, algo) in terms.attach_algo_ords.iter().enumerate() {
            if place > 0 {
                out.put(b",");
            }
            write_algo(out, algo);
        }
        out.put(b"]");
    }
}

fn write_algo(out: &mut ByteWriter<'_>, algo: &AttachedAlgo<'_>) {
    let members: [(&[u8], Option<&str>); 4] = [
        (b"\"tpTriggerPx\":", algo.tp_trigger_px),
        (b"\"tpOrdPx\":", algo.tp_ord_px),
        (b"\"slTriggerPx\":", algo.sl_trigger_px),
        (b"\"slOrdPx\":", algo.sl_ord_px),
    ];
    let mut before: &[u8] = b"{";
    for (name, value) in members {
        if value.is_some() {
            out.put(before);
            write_text(out, name, value);
            before = b",";
        }
    }
    out.put(if before == b"{" { b"{}" } else { b"}" });
}

fn write_amend(out: &mut ByteWriter<'_>, terms: &AmendTerms<'_>) {
    write_instrument(out, terms.instrument);
    write_order(out, terms.order);
    write_text(out, b",\"newSz\":", terms.new_sz);
    write_text(out, b",\"newPx\":", terms.new_px);
    write_text(out, b",\"reqId\":", terms.req_id);
    write_flag(out, b",\"cxlOnFail\":", terms.cxl_on_fail);
}

fn write_instrument(out: &mut ByteWriter<'_>, instrument: InstrumentRef<'_>) {
    match instrument {
        InstrumentRef::Code(code) => {
            out.put(b"{\"instIdCode\":");
            out.put_integer(code);
        }
        InstrumentRef::Symbol(symbol) => write_text(out, b"{\"instId\":", Some(symbol)),
    }
}

fn write_order(out: &mut ByteWriter<'_>, order: OrderRef<'_>) {
    match order {
        OrderRef::VenueOrderId(id) => write_text(out, b",\"ordId\":", Some(id)),
        OrderRef::ClientOrderId(id) => write_text(out, b",\"clOrdId\":", Some(id)),
    }
}

#[inline(always)]
fn write_text(out: &mut ByteWriter<'_>, name: &[u8], value: Option<&str>) {
    if let Some(text) = value {
        out.put(name);
        out.put_json_text(text.as_bytes());
    }
}

fn write_flag(out: &mut ByteWriter<'_>, name: &[u8], value: Option<bool>) {
    if let Some(flag) = value {
        out.put(name);
        out.put(if flag { b"true" } else { b"false" });
    }
}
