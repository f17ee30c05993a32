//! Arrow IPC streams: bytes to record batches, with every declared length checked before it is believed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{MessageHeader, root_as_message};

use crate::PayloadError;

/// Gives each record batch of a stream to `take`.
pub(super) fn read_stream(
    payload: &[u8],
    mut take: impl FnMut(&RecordBatch) -> Result<(), PayloadError>,
) -> Result<(), PayloadError> {
    check_messages(payload).map_err(PayloadError::Arrow)?;
    let mut buffer = Buffer::from(payload);
    let mut decoder = StreamDecoder::new();
    loop {
        // The reader asserts what a broken file can violate, such as the number of buffers of a column.
        let next = catch_unwind(AssertUnwindSafe(|| decoder.decode(&mut buffer)));
        match next.unwrap_or_else(|_| Err(broken("a message contradicts its schema"))) {
            Ok(Some(batch)) => take(&batch)?,
            Ok(None) if buffer.is_empty() => break,
            Ok(None) => {}
            Err(error) => return Err(PayloadError::Arrow(error)),
        }
    }
    decoder.finish().map_err(PayloadError::Arrow)
}

fn broken(why: &str) -> ArrowError {
    ArrowError::IpcError(why.to_owned())
}

const CONTINUATION: [u8; 4] = [0xff; 4];

/// Walks over the messages: the reader allocates what a message says that its parts are long, and skips what it
/// cannot name.
/// <https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format>
fn check_messages(payload: &[u8]) -> Result<(), ArrowError> {
    let cut = || broken("the stream breaks off");
    let mut rest = payload;
    if rest.is_empty() {
        return Err(broken("the stream is empty"));
    }
    while !rest.is_empty() {
        rest = rest.strip_prefix(&CONTINUATION).unwrap_or(rest);
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| broken("a negative length"))?;
        if length == 0 {
            return if after.is_empty() {
                Ok(())
            } else {
                Err(broken("something follows the end of the stream"))
            };
        }
        let metadata = after.get(..length).ok_or_else(cut)?;
        let message = root_as_message(metadata).map_err(|error| broken(&format!("bad message: {error}")))?;
        // The reader skips such a message, and with it the rows of one that was broken.
        if message.header_type() == MessageHeader::NONE {
            return Err(broken("a message without a header"));
        }
        let body = usize::try_from(message.bodyLength()).map_err(|_| broken("a negative length"))?;
        rest = after[length..].get(body..).ok_or_else(cut)?;
    }
    Ok(())
}
