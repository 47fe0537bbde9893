//! What is known of one strategy: its numbers, and the answers to its last requests.

use super::digest::CanonicalHash;
use super::state_bytes::{ANSWER_WINDOW_MAX, check_capacity};
use crate::risk::message_rate::MessageRate;
use model::canonical_bytes::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, put_count, take_count,
};
use model::input::RequestInput;
use model::time::NS_PER_S;
use model::{ClientOrderId, MonotonicNs, RejectReason, Request, RequestId, canonical_struct};

/// What was answered to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// It was taken; a new order has this id.
    Taken(Option<ClientOrderId>),
    /// It was refused.
    Refused(RejectReason),
}

canonical_struct! {
    /// One remembered request.
    #[derive(Debug, Clone, Copy)]
    struct Remembered {
        request_id: RequestId,
        content_hash: u64,
        answer: Answer,
    }
}

impl CanonicalBytes for Answer {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::None => sink.put(&[0]),
            Self::Taken(order) => {
                sink.put(&[1]);
                order.put(sink);
            }
            Self::Refused(reason) => {
                sink.put(&[2]);
                reason.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            0 => Ok(Self::None),
            1 => CanonicalBytes::take(source).map(Self::Taken),
            2 => CanonicalBytes::take(source).map(Self::Refused),
            other => Err(BytesError::Invalid {
                what: "answer",
                found: other.into(),
            }),
        }
    }
}

/// How a request id relates to the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestNovelty {
    /// Higher than every one before.
    New,
    /// Used before with the same content, and answered so.
    Repeated(Answer),
    /// Used before with other content.
    Different,
    /// Below the highest, and not remembered.
    Forgotten,
}

/// One strategy.
#[derive(Debug)]
pub struct StrategyState {
    /// True while a process is attached.
    pub attached: bool,
    /// The attachment's number.
    pub generation: u64,
    /// Number of the next event.
    pub next_event_seq: u64,
    /// The highest request id so far.
    pub last_request_id: RequestId,
    /// Open orders.
    pub open_orders: u32,
    /// New orders of the last second.
    pub(crate) order_rate: MessageRate,
    answers: Vec<Remembered>,
}

impl StrategyState {
    /// A strategy of which nothing is known; `answer_window` is a power of two.
    pub fn new(answer_window: u32, orders_per_s_max: u32) -> Self {
        assert!(
            answer_window.is_power_of_two(),
            "the answer window is a power of two"
        );
        let blank = Remembered {
            request_id: RequestId(0),
            content_hash: 0,
            answer: Answer::None,
        };
        let size = usize::try_from(answer_window).expect("a u32 fits a usize");
        Self {
            attached: false,
            generation: 0,
            next_event_seq: 1,
            last_request_id: RequestId(0),
            open_orders: 0,
            order_rate: MessageRate::new(orders_per_s_max, NS_PER_S),
            answers: vec![blank; size],
        }
    }

    /// Another order rate over the same past.
    pub(crate) fn set_order_rate(&mut self, orders_per_s_max: u32) {
        if !self.order_rate.allows(orders_per_s_max) {
            self.order_rate = self.order_rate.changed(orders_per_s_max, NS_PER_S);
        }
    }

    pub(crate) fn begin_run(&mut self, now: MonotonicNs) {
        self.attached = false;
        self.order_rate.assume_full(now);
    }

    /// How this request id relates to the ones before it. Ask before [`Self::note_request`].
    pub fn novelty(&self, request_id: RequestId, request: &Request) -> RequestNovelty {
        let remembered = &self.answers[self.place(request_id)];
        if remembered.request_id == request_id {
            if remembered.content_hash == content_hash(request) {
                return RequestNovelty::Repeated(remembered.answer);
            }
            return RequestNovelty::Different;
        }
        if request_id > self.last_request_id {
            RequestNovelty::New
        } else {
            RequestNovelty::Forgotten
        }
    }

    /// Remembers a request that is new.
    pub(crate) fn note_request(&mut self, request: &RequestInput) {
        if request.request_id <= self.last_request_id {
            return;
        }
        self.last_request_id = request.request_id;
        let at = self.place(request.request_id);
        self.answers[at] = Remembered {
            request_id: request.request_id,
            content_hash: content_hash(&request.request),
            answer: Answer::None,
        };
    }

    /// Remembers the first answer to a request.
    pub(crate) fn note_answer(&mut self, request_id: RequestId, answer: Answer) {
        let at = self.place(request_id);
        let remembered = &mut self.answers[at];
        if request_id.0 != 0
            && remembered.request_id == request_id
            && remembered.answer == Answer::None
        {
            remembered.answer = answer;
        }
    }

    /// The recorded answer to a request.
    pub fn answer(&self, request_id: RequestId) -> Answer {
        let remembered = &self.answers[self.place(request_id)];
        if remembered.request_id == request_id {
            remembered.answer
        } else {
            Answer::None
        }
    }

    /// The order that came of a request, while it is remembered.
    pub fn order_of_request(&self, request_id: RequestId) -> Option<ClientOrderId> {
        match self.answer(request_id) {
            Answer::Taken(id) => id,
            Answer::None | Answer::Refused(_) => None,
        }
    }

    pub(super) fn put(&self, sink: &mut impl ByteSink) {
        let Self {
            attached,
            generation,
            next_event_seq,
            last_request_id,
            open_orders,
            order_rate,
            answers,
        } = self;
        attached.put(sink);
        generation.put(sink);
        next_event_seq.put(sink);
        last_request_id.put(sink);
        open_orders.put(sink);
        order_rate.put(sink);
        put_count(answers.len(), sink);
        let known = || answers.iter().filter(|known| known.request_id.0 != 0);
        put_count(known().count(), sink);
        for remembered in known() {
            remembered.put(sink);
        }
    }

    /// Takes a strategy with a rate of `orders_per_s_max`.
    pub(super) fn take(
        orders_per_s_max: u32,
        source: &mut ByteSource<'_>,
    ) -> Result<Self, BytesError> {
        let attached = CanonicalBytes::take(source)?;
        let generation = CanonicalBytes::take(source)?;
        let next_event_seq = CanonicalBytes::take(source)?;
        let last_request_id = CanonicalBytes::take(source)?;
        let open_orders = CanonicalBytes::take(source)?;
        let order_rate = MessageRate::take(orders_per_s_max, NS_PER_S, source)?;
        let window = u32::take(source)?;
        check_capacity("answer window", window, ANSWER_WINDOW_MAX)?;
        let mut strategy = Self {
            attached,
            generation,
            next_event_seq,
            last_request_id,
            open_orders,
            order_rate,
            ..Self::new(window, 0)
        };
        for _ in 0..take_count(source)? {
            let remembered = Remembered::take(source)?;
            let at = strategy.place(remembered.request_id);
            strategy.answers[at] = remembered;
        }
        Ok(strategy)
    }

    fn place(&self, request_id: RequestId) -> usize {
        usize::try_from(request_id.0).unwrap_or(0) & self.answers.len().wrapping_sub(1)
    }
}

/// A 64-bit hash of a request's canonical bytes, the same on every run and machine.
fn content_hash(request: &Request) -> u64 {
    let mut hash = CanonicalHash::default();
    request.put(&mut hash);
    hash.0
}
