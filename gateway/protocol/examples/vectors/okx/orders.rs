//! The objects PLACE, CANCEL and AMEND of the operations, with texts of their own.

use millrun_protocol::venue::okx::order_terms::{
    AmendTerms, AttachedAlgo, CancelTerms, InstrumentRef, OrderRef, OrderTerms, PlaceTerms,
};

use crate::args::Args;
use crate::schema::Unknown;

/// The orders of an operation.
pub(super) struct OwnedOrders {
    orders: Vec<OwnedOrder>,
    /// Through the batch operation.
    pub(super) batch: bool,
}

enum OwnedInstrument {
    Code(u64),
    Symbol(String),
}

/// Which order is meant.
pub(super) enum OwnedOrderRef {
    VenueOrderId(String),
    ClientOrderId(String),
}

impl OwnedOrderRef {
    /// As the encoder takes it.
    pub(super) fn borrow(&self) -> OrderRef<'_> {
        match self {
            Self::VenueOrderId(id) => OrderRef::VenueOrderId(id),
            Self::ClientOrderId(id) => OrderRef::ClientOrderId(id),
        }
    }
}

struct OwnedOrder {
    instrument: OwnedInstrument,
    body: OwnedBody,
    algos: Vec<[Option<String>; 4]>,
}

enum OwnedBody {
    Place(Box<OwnedPlace>),
    Cancel(OwnedOrderRef),
    Amend(Box<OwnedAmend>),
}

struct OwnedPlace {
    td_mode: String,
    side: String,
    ord_type: String,
    sz: String,
    px: Option<String>,
    cl_ord_id: Option<String>,
    pos_side: Option<String>,
    tgt_ccy: Option<String>,
    stp_mode: Option<String>,
    tag: Option<String>,
    reduce_only: Option<bool>,
}

struct OwnedAmend {
    order: OwnedOrderRef,
    new_sz: Option<String>,
    new_px: Option<String>,
    req_id: Option<String>,
    cxl_on_fail: Option<bool>,
}

/// `…_place_order` has `order`, `…_batch_place` has `orders`; the rest of the name says which kind.
pub(super) fn orders(
    operation: &str,
    args: &mut Args,
    by_code: bool,
) -> Result<OwnedOrders, Unknown> {
    let batch = operation.contains("_batch_");
    let objects = if batch {
        args.objects("orders", true)?
    } else {
        vec![args.object("order")?]
    };
    let read = |mut object: Args| {
        let order = read_order(operation, &mut object, by_code)?;
        object.finish()?;
        Ok(order)
    };
    let orders = objects.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(OwnedOrders { orders, batch })
}

fn read_order(operation: &str, args: &mut Args, by_code: bool) -> Result<OwnedOrder, Unknown> {
    let instrument = if by_code {
        OwnedInstrument::Code(args.integer("inst_id_code")?)
    } else {
        OwnedInstrument::Symbol(args.id("inst_id")?)
    };
    let mut algos = Vec::new();
    let body = if operation.contains("place") {
        for mut algo in args.objects("attach_algo_ords", false)? {
            algos.push([
                algo.optional_decimal("tp_trigger_px")?,
                algo.optional_decimal("tp_ord_px")?,
                algo.optional_decimal("sl_trigger_px")?,
                algo.optional_decimal("sl_ord_px")?,
            ]);
            algo.finish()?;
        }
        OwnedBody::Place(Box::new(read_place(args)?))
    } else if operation.contains("cancel") {
        OwnedBody::Cancel(order_ref(args)?)
    } else {
        OwnedBody::Amend(Box::new(OwnedAmend {
            order: order_ref(args)?,
            new_sz: args.optional_decimal("new_sz")?,
            new_px: args.optional_decimal("new_px")?,
            req_id: args.optional_id("req_id")?,
            cxl_on_fail: args.optional_flag("cxl_on_fail")?,
        }))
    };
    Ok(OwnedOrder {
        instrument,
        body,
        algos,
    })
}

fn read_place(args: &mut Args) -> Result<OwnedPlace, Unknown> {
    Ok(OwnedPlace {
        td_mode: args.text("td_mode")?,
        side: args.text("side")?,
        ord_type: args.text("ord_type")?,
        sz: args.decimal("sz")?,
        px: args.optional_decimal("px")?,
        cl_ord_id: args.optional_id("cl_ord_id")?,
        pos_side: args.optional_text("pos_side")?,
        tgt_ccy: args.optional_text("tgt_ccy")?,
        stp_mode: args.optional_text("stp_mode")?,
        tag: args.optional_text("tag")?,
        reduce_only: args.optional_flag("reduce_only")?,
    })
}

/// Exactly one of `ord_id` and `cl_ord_id`.
pub(super) fn order_ref(args: &mut Args) -> Result<OwnedOrderRef, Unknown> {
    match (args.optional_id("ord_id")?, args.optional_id("cl_ord_id")?) {
        (Some(id), None) => Ok(OwnedOrderRef::VenueOrderId(id)),
        (None, Some(id)) => Ok(OwnedOrderRef::ClientOrderId(id)),
        (None, None) => Err(args.missing("ord_id | cl_ord_id")),
        (Some(_), Some(_)) => Err(Unknown("arg ord_id beside cl_ord_id".to_owned())),
    }
}

impl OwnedOrders {
    /// As the encoder takes them.
    pub(super) fn with_terms<R>(&self, use_terms: impl FnOnce(&[OrderTerms<'_>]) -> R) -> R {
        let algos: Vec<Vec<AttachedAlgo<'_>>> =
            self.orders.iter().map(OwnedOrder::borrow_algos).collect();
        let terms: Vec<OrderTerms<'_>> = self
            .orders
            .iter()
            .zip(&algos)
            .map(|(order, algos)| order.borrow(algos))
            .collect();
        use_terms(&terms)
    }
}

impl OwnedOrder {
    fn borrow_algos(&self) -> Vec<AttachedAlgo<'_>> {
        let mut algos = Vec::new();
        for [tp_trigger_px, tp_ord_px, sl_trigger_px, sl_ord_px] in &self.algos {
            algos.push(AttachedAlgo {
                tp_trigger_px: tp_trigger_px.as_deref(),
                tp_ord_px: tp_ord_px.as_deref(),
                sl_trigger_px: sl_trigger_px.as_deref(),
                sl_ord_px: sl_ord_px.as_deref(),
            });
        }
        algos
    }

    fn borrow<'a>(&'a self, attach_algo_ords: &'a [AttachedAlgo<'a>]) -> OrderTerms<'a> {
        let instrument = match &self.instrument {
            OwnedInstrument::Code(code) => InstrumentRef::Code(*code),
            OwnedInstrument::Symbol(symbol) => InstrumentRef::Symbol(symbol),
        };
        match &self.body {
            OwnedBody::Cancel(order) => OrderTerms::Cancel(CancelTerms {
                instrument,
                order: order.borrow(),
            }),
            OwnedBody::Amend(amend) => OrderTerms::Amend(AmendTerms {
                instrument,
                order: amend.order.borrow(),
                new_sz: amend.new_sz.as_deref(),
                new_px: amend.new_px.as_deref(),
                req_id: amend.req_id.as_deref(),
                cxl_on_fail: amend.cxl_on_fail,
            }),
            OwnedBody::Place(place) => OrderTerms::Place(PlaceTerms {
                instrument,
                td_mode: &place.td_mode,
                side: &place.side,
                ord_type: &place.ord_type,
                sz: &place.sz,
                px: place.px.as_deref(),
                cl_ord_id: place.cl_ord_id.as_deref(),
                pos_side: place.pos_side.as_deref(),
                tgt_ccy: place.tgt_ccy.as_deref(),
                stp_mode: place.stp_mode.as_deref(),
                tag: place.tag.as_deref(),
                reduce_only: place.reduce_only,
                attach_algo_ords,
            }),
        }
    }
}
