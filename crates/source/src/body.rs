//! Reading a body, with its limits in force while it comes in.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use driftline_http::Problem;
use http_body_util::BodyExt;

use crate::memory::{Memory, Reservation};

/// A body that does not say its length takes memory in steps of this.
const STEP_BYTES: usize = 64 << 10;

/// How much of a body that is too large is read and thrown away.
const DRAINED_BYTES: usize = 256 << 20;

/// How long its next part may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// Reads a body. Memory for it is reserved before it is read: as much as it says it has, else step by step.
///
/// # Errors
/// 413 if it is longer than `limit`, at once where it says so itself; 503 if there is no memory for it; 408 if it
/// does not come within `timeout`; 400 if the connection breaks.
pub(crate) async fn read(
    body: Body,
    limit: usize,
    timeout: Duration,
    memory: &Memory,
) -> Result<(Vec<u8>, Reservation), Problem> {
    match tokio::time::timeout(timeout, read_all(body, limit, memory)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT)
            .detail(format!("the body was not there after {} seconds", timeout.as_secs_f64()))),
    }
}

async fn read_all(mut body: Body, limit: usize, memory: &Memory) -> Result<(Vec<u8>, Reservation), Problem> {
    let least = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if least > limit {
        drain(&mut body).await;
        return Err(too_large(limit));
    }
    let mut reservation = memory.reserve(least).await?;
    let mut bytes = Vec::with_capacity(least);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "body_broken", "The body could not be read.")
                .detail(error.to_string())
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            drop((bytes, reservation));
            drain(&mut body).await;
            return Err(too_large(limit));
        }
        if length > reservation.bytes() {
            reservation.resize(length.max(reservation.bytes() + STEP_BYTES).min(limit)).await?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, reservation))
}

/// Reads on, into nothing, so that the sender gets to read the answer: a connection that is closed while it still
/// sends shows most clients a broken pipe and no reason. A sender that goes on for long gets just that.
async fn drain(body: &mut Body) {
    let mut left = DRAINED_BYTES;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(DRAIN_PATIENCE, body.frame()).await {
        let length = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(length) {
            Some(less) => left = less,
            None => return,
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
        .detail(format!("the body has more than {limit} bytes; send smaller batches"))
        .with("limit_bytes", limit)
}
