//! Reading a list page by page until it ends.
//!
//! Invariant: success means that every page was read and every row that may be ours could be; a
//! page shorter than asked for is the last. Must not know: what rows mean. Threads: none.

use std::ops::ControlFlow;

use model::UnixNs;
use model::execution_report::QuarantineReason;
use model::identifiers::Text;
use protocol::venue::okx::rest::answer::{Page, RestAnswers, RestError};
use protocol::venue::okx::rest::{ListFilter, RestCall};

use super::asker::Asker;
use super::query_error::QueryError;

/// A list to read: the call that asks for one page, its path, and which rows.
pub(super) struct List<'a> {
    call: fn(ListFilter<'_>) -> RestCall<'_>,
    path: &'static str,
    filter: ListFilter<'a>,
}

impl<'a> List<'a> {
    /// Open orders.
    pub(super) fn pending(filter: ListFilter<'a>) -> Self {
        Self {
            call: |filter| RestCall::OrdersPending(filter),
            path: "/api/v5/trade/orders-pending",
            filter,
        }
    }

    /// Ended orders.
    pub(super) fn history(filter: ListFilter<'a>) -> Self {
        Self {
            call: |filter| RestCall::OrdersHistory(filter),
            path: "/api/v5/trade/orders-history",
            filter,
        }
    }

    /// Fills.
    pub(super) fn fills(filter: ListFilter<'a>) -> Self {
        Self {
            call: |filter| RestCall::Fills(filter),
            path: "/api/v5/trade/fills",
            filter,
        }
    }
}

/// How a list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListRead {
    /// Pages asked for.
    pub(super) pages: u32,
    /// When the first page was asked for; our UTC. Nothing is older.
    pub(super) first_left_at: UnixNs,
}

/// Reads pages into `on_page` until the list ends or `on_page` has found what it wants.
pub(super) fn read_list<T, const N: usize>(
    asker: &mut Asker,
    list: &List<'_>,
    mut read: impl FnMut(&mut RestAnswers, u16, &mut [u8]) -> Result<Page<T, Text<N>>, RestError>,
    mut on_page: impl FnMut(&mut Asker, Vec<T>) -> ControlFlow<()>,
) -> Result<ListRead, QueryError> {
    let limits = asker.limits();
    let mut after: Option<Text<N>> = None;
    let mut read_so_far: Option<ListRead> = None;
    for pages in 1..=limits.pages_max {
        let filter = ListFilter {
            after: after.as_ref().map(Text::as_str),
            limit: Some(limits.page_rows),
            ..list.filter
        };
        let answered = asker.ask(&(list.call)(filter), &mut read)?;
        let so_far = read_so_far.get_or_insert(ListRead {
            pages,
            first_left_at: answered.left_at,
        });
        so_far.pages = pages;
        let so_far = *so_far;
        let page = answered.value;
        let next = page.next_after(limits.page_rows).copied();
        let hole = hole_of(&page, list.path);
        if on_page(asker, page.rows).is_break() {
            return Ok(so_far);
        }
        hole.map_or(Ok(()), Err)?;
        let Some(next) = next else {
            return Ok(so_far);
        };
        if after.is_some_and(|after| !is_older(&next, &after)) {
            return Err(QueryError::PagingStuck {
                path: list.path,
                after: next.as_str().to_owned(),
            });
        }
        after = Some(next);
    }
    Err(QueryError::TooManyPages {
        path: list.path,
        pages_max: limits.pages_max,
    })
}

/// The first row that may be ours and cannot be read.
pub(super) fn hole_of<T, Cursor>(page: &Page<T, Cursor>, path: &'static str) -> Option<QueryError> {
    if page.is_complete() {
        return None;
    }
    let foreign = QuarantineReason::UnknownInstrument;
    let skipped = page.skipped.iter().find(|it| it.reason != foreign)?;
    Some(QueryError::UnreadableRow {
        path,
        row: skipped.row,
        reason: skipped.reason,
    })
}

/// Ids of orders and bookings are decimal numbers that grow; pages go from new to old.
fn is_older<const N: usize>(next: &Text<N>, after: &Text<N>) -> bool {
    let number = |id: &Text<N>| id.as_str().parse::<u128>();
    match (number(next), number(after)) {
        (Ok(next), Ok(after)) => next < after,
        _ => next != after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_must_begin_behind_the_one_before_it() {
        let id = |text: &str| Text::<31>::new(text.as_bytes()).unwrap();
        assert!(is_older(&id("99"), &id("100")));
        assert!(!is_older(&id("100"), &id("100")));
        assert!(!is_older(&id("101"), &id("100")));
        assert!(is_older(&id("a"), &id("b")));
        assert!(!is_older(&id("a"), &id("a")));
    }
}
