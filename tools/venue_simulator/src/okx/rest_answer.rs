//! REST envelopes: `{"code","msg","data"}`, and `inTime`/`outTime` on order entry.

use crate::okx::error_code::VenueError;
use crate::okx::json_object::JsonObject;

/// An HTTP answer before it is one.
#[derive(Clone, Debug)]
pub(crate) struct RestAnswer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl RestAnswer {
    /// Success with the elements of `data`.
    pub(crate) fn data(elements: &[String]) -> Self {
        Self::envelope(200, "0", "", &format!("[{}]", elements.join(",")))
    }

    /// A business error, HTTP 200.
    pub(crate) fn error(error: &VenueError) -> Self {
        Self::envelope(200, &error.code, &error.message, "[]")
    }

    pub(crate) fn envelope(status: u16, code: &str, message: &str, data: &str) -> Self {
        let mut json = JsonObject::new();
        json.text("code", code)
            .text("msg", message)
            .raw("data", data);
        Self {
            status,
            body: json.finish(),
        }
    }

    /// An order entry answer with gateway times in microseconds.
    pub(crate) fn timed(
        code: &str,
        message: &str,
        data: &str,
        received_us: i64,
        now_us: i64,
    ) -> Self {
        let mut json = JsonObject::new();
        json.text("code", code)
            .text("msg", message)
            .raw("data", data);
        json.integer("inTime", received_us)
            .integer("outTime", now_us);
        Self {
            status: 200,
            body: json.finish(),
        }
    }
}

impl From<Result<Vec<String>, VenueError>> for RestAnswer {
    fn from(result: Result<Vec<String>, VenueError>) -> Self {
        match result {
            Ok(elements) => Self::data(&elements),
            Err(error) => Self::error(&error),
        }
    }
}
