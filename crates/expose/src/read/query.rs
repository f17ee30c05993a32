//! Questions, and how they are read from a query string.

use driftline_events::{EventTime, ModelId};
use driftline_http::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

const MOST_WINDOWS: usize = 1_000;
const TIME: &str = "an RFC 3339 time such as 2026-01-01T10:00:00Z, or milliseconds since 1970";
const SEGMENT: &str = "`tag=value`; empty for all rows together; `*` for these and every segment";

/// Which segments' reports are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SegmentFilter {
    /// All rows together: `segment=` or no parameter.
    #[default]
    Whole,
    /// One segment: `segment=country=BE`.
    One {
        /// The tag.
        tag: String,
        /// Its value.
        value: String,
    },
    /// All rows together, and every segment: `segment=*`.
    Any,
}

/// Which of a model's windows are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsQuery {
    /// The model.
    pub model: ModelId,
    /// The window's name; all if none.
    pub window: Option<String>,
    /// Windows that end after this.
    pub from: Option<EventTime>,
    /// Windows that start before this.
    pub to: Option<EventTime>,
    /// The segments.
    pub segment: SegmentFilter,
    /// The version; all if none.
    pub version: Option<String>,
    /// At most so many reports.
    pub limit: usize,
    /// Where the page before ended: what its [`crate::Page::next`] was.
    pub cursor: Option<String>,
    /// Only the newest report of each window, version and segment.
    pub latest: bool,
}

/// What is to be compared with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareQuery {
    /// The model.
    pub model: ModelId,
    /// The period in question.
    pub current: Period,
    /// What it is compared with.
    pub reference: ReferencePeriod,
    /// The segment of both; never [`SegmentFilter::Any`].
    pub segment: SegmentFilter,
    /// The version of the current period; all versions together if none.
    pub version: Option<String>,
    /// The version of the reference period, where that is another one.
    pub reference_version: Option<String>,
}

/// A time of which a report is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    /// `[from, to)`; the service widens it to whole panes.
    Range {
        /// Start, included.
        from: EventTime,
        /// End, excluded.
        to: EventTime,
    },
    /// The newest final window of this name.
    Window(String),
}

/// What a period is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferencePeriod {
    /// The model's reference: `reference=reference` or no parameter.
    Reference,
    /// Another period.
    Period(Period),
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowsParameters {
    /// The window's name; all if absent.
    #[param(example = "1h")]
    window: Option<String>,
    /// Windows that end after this: RFC 3339, or milliseconds since 1970.
    #[param(example = "2026-01-01T00:00:00Z")]
    from: Option<String>,
    /// Windows that start before this: RFC 3339, or milliseconds since 1970.
    #[param(example = "2026-01-02T00:00:00Z")]
    to: Option<String>,
    /// `tag=value`; absent or empty for all rows together; `*` for these and every segment.
    #[param(example = "country=BE")]
    segment: Option<String>,
    /// The model's version; all if absent.
    #[param(example = "3")]
    version: Option<String>,
    /// At most so many reports, 1 to 1000 (default 100).
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Only the newest report of each window, version and segment.
    #[param(value_type = Option<bool>)]
    latest: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompareParameters {
    /// `from..to`, or a window's name for its newest final window.
    #[param(example = "2026-01-01T00:00:00Z..2026-01-02T00:00:00Z")]
    current: Option<String>,
    /// `from..to`, a window's name, or `reference` for the model's own (default).
    #[param(example = "reference")]
    reference: Option<String>,
    /// `tag=value`; absent or empty for all rows together.
    #[param(example = "country=BE")]
    segment: Option<String>,
    /// The model's version; all together if absent.
    #[param(example = "3")]
    version: Option<String>,
    /// The version of the reference period, where that is another one.
    #[param(example = "2")]
    reference_version: Option<String>,
}

impl WindowsParameters {
    pub(crate) fn query(self, model: &str) -> Result<WindowsQuery, Problem> {
        let query = WindowsQuery {
            model: model_id(model)?,
            window: self.window,
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
            segment: segment(self.segment.as_deref())?,
            version: self.version,
            limit: limit(self.limit.as_deref())?,
            cursor: self.cursor,
            latest: flag("latest", self.latest.as_deref())?,
        };
        if let (Some(from), Some(to)) = (query.from, query.to)
            && from >= to
        {
            return Err(Problem::bad_parameter("to", &to.to_string(), &format!("a time after from={from}")));
        }
        Ok(query)
    }
}

impl CompareParameters {
    pub(crate) fn query(self, model: &str) -> Result<CompareQuery, Problem> {
        let current = match self.current.as_deref() {
            Some(text) => period("current", text)?,
            None => return Err(Problem::bad_parameter("current", "", "`from..to`, or a window's name")),
        };
        let reference = match self.reference.as_deref() {
            None | Some("" | "reference") => ReferencePeriod::Reference,
            Some(text) => ReferencePeriod::Period(period("reference", text)?),
        };
        let segment = match segment(self.segment.as_deref())? {
            SegmentFilter::Any => {
                return Err(Problem::bad_parameter(
                    "segment",
                    "*",
                    "one `tag=value`, or nothing for all rows",
                ));
            }
            segment => segment,
        };
        let (version, reference_version) = (self.version, self.reference_version);
        Ok(CompareQuery { model: model_id(model)?, current, reference, segment, version, reference_version })
    }
}

pub(crate) fn model_id(text: &str) -> Result<ModelId, Problem> {
    ModelId::try_new(text).map_err(|error| Problem::bad_parameter("model", text, &error.to_string()))
}

fn time(name: &str, text: Option<&str>) -> Result<Option<EventTime>, Problem> {
    text.map(|text| parse_time(text).ok_or_else(|| Problem::bad_parameter(name, text, TIME))).transpose()
}

fn parse_time(text: &str) -> Option<EventTime> {
    // A plus sign of an offset that was not percent-encoded arrives as a blank.
    let text = text.replace(' ', "+");
    text.parse().map(EventTime::from_millis).ok().or_else(|| EventTime::parse(&text))
}

fn segment(text: Option<&str>) -> Result<SegmentFilter, Problem> {
    match text {
        None | Some("") => Ok(SegmentFilter::Whole),
        Some("*") => Ok(SegmentFilter::Any),
        Some(text) => match text.split_once('=') {
            Some((tag, value)) if !tag.is_empty() => {
                Ok(SegmentFilter::One { tag: tag.to_owned(), value: value.to_owned() })
            }
            _ => Err(Problem::bad_parameter("segment", text, SEGMENT)),
        },
    }
}

fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(100) };
    text.parse()
        .ok()
        .filter(|limit| (1..=MOST_WINDOWS).contains(limit))
        .ok_or_else(|| Problem::bad_parameter("limit", text, "a whole number from 1 to 1000"))
}

fn flag(name: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(text) => Err(Problem::bad_parameter(name, text, "true or false")),
    }
}

fn period(name: &str, text: &str) -> Result<Period, Problem> {
    let accepted =
        "`from..to` with RFC 3339 times or milliseconds since 1970, from before to; or a window's name";
    let refused = || Problem::bad_parameter(name, text, accepted);
    match text.split_once("..") {
        Some((from, to)) => {
            let (from, to) = parse_time(from).zip(parse_time(to)).ok_or_else(refused)?;
            if from < to { Ok(Period::Range { from, to }) } else { Err(refused()) }
        }
        None if text.is_empty() => Err(refused()),
        None => Ok(Period::Window(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
