//! What is asked of a Prometheus.

use std::time::Duration;

use serde_json::Value;

use crate::api::{Api, encode};

/// The time that dashboards show, and how finely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) step: f64,
}

impl Range {
    /// The time up to now.
    pub(super) fn until_now(length: Duration) -> Self {
        let end = driftline::now().as_seconds();
        // As many points as a panel has pixels to show, about.
        let step = (length.as_secs_f64() / 200.0).max(1.0);
        Self { start: end - length.as_secs_f64(), end, step }
    }
}

async fn get(api: &Api, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
    let query: Vec<String> =
        query.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    let (status, body) = api.get(&format!("{path}?{}", query.join("&"))).await;
    let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    if status != 200 || answer["status"] != "success" {
        return Err(format!("{status}: {}", answer["error"].as_str().unwrap_or(&body)));
    }
    Ok(answer["data"].clone())
}

/// The values of a label among the series that a selector names.
pub(super) async fn label_values(
    api: &Api,
    selector: &str,
    label: &str,
    range: Range,
) -> Result<Vec<String>, String> {
    let (start, end) = (range.start.to_string(), range.end.to_string());
    let path = format!("/api/v1/label/{label}/values");
    let data = get(api, &path, &[("match[]", selector), ("start", &start), ("end", &end)]).await?;
    let values = data.as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(values.map(str::to_owned).collect())
}

/// What a query gives at the range's end: the series' labels, in the answer's order.
pub(super) async fn instant(api: &Api, expr: &str, range: Range) -> Result<Vec<Value>, String> {
    let data = get(api, "/api/v1/query", &[("query", expr), ("time", &range.end.to_string())]).await?;
    let series = data["result"].as_array().into_iter().flatten();
    Ok(series.filter(|series| is_number(&series["value"])).map(|series| series["metric"].clone()).collect())
}

/// How many series a query gives over the range that have a number somewhere.
pub(super) async fn over_range(api: &Api, expr: &str, range: Range) -> Result<usize, String> {
    let (start, end, step) = (range.start.to_string(), range.end.to_string(), range.step.to_string());
    let query = [("query", expr), ("start", &start), ("end", &end), ("step", &step)];
    let data = get(api, "/api/v1/query_range", &query).await?;
    let series = data["result"].as_array().into_iter().flatten();
    Ok(series
        .filter(|series| series["values"].as_array().is_some_and(|all| all.iter().any(is_number)))
        .count())
}

/// A sample that a panel can draw.
fn is_number(sample: &Value) -> bool {
    sample[1].as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}
