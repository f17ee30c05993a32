//! The service over HTTP: durable before each answer.

use driftline_tests::process::ServiceProcess;

use crate::client::{Pace, Requests, Sent, send};
use crate::data::MODEL;
use crate::files::batches;
use crate::folder::Folder;
use crate::inference::{BATCH, stream};
use crate::ndjson::payloads;
use crate::options::{Options, figure};

const PREDICTIONS: &str = "/v1/predictions";
/// Requests at the same time: of many rows, and of one.
pub(crate) const CONNECTIONS: usize = 8;
pub(crate) const SINGLE_CONNECTIONS: usize = 64;

/// The rows in requests of one form.
pub(crate) fn requests(folder: &Folder, form: &str, rows: u64) -> Requests {
    match form {
        "ndjson" => {
            let text = folder.read("current.ndjson");
            Requests::new(PREDICTIONS, "application/x-ndjson", payloads(&text, rows as usize), BATCH as u64)
        }
        "single" => {
            let text = folder.read("current.ndjson");
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(rows as usize);
            Requests::new(PREDICTIONS, "application/json", lines, 1)
        }
        "arrow" => {
            let bodies: Vec<Vec<u8>> = batches(rows).map(|batch| stream(&batch)).collect();
            let bodies = bodies.iter().map(Vec::as_slice);
            Requests::new(PREDICTIONS, "application/vnd.apache.arrow.stream", bodies, BATCH as u64)
        }
        other => panic!("{other:?}: write ndjson, arrow or single"),
    }
}

/// How many connections a form is sent over.
pub(crate) fn connections(options: &Options, form: &str) -> usize {
    options.number("connections", if form == "single" { SINGLE_CONNECTIONS } else { CONNECTIONS })
}

/// A service with the model and its reference.
pub(crate) async fn service(folder: &Folder, config: &str, model: &str) -> ServiceProcess {
    let mut service = ServiceProcess::new(&format!("{config}\n{}", folder.model(model)));
    folder.give_reference(&service.state(), [MODEL]);
    service.start().await;
    service
}

pub(crate) fn address(service: &ServiceProcess) -> &str {
    service.url.trim_start_matches("http://")
}

/// The first twentieth of the requests until files, caches and connections are there; then the rest.
pub(crate) async fn warm(address: &str, requests: &Requests, connections: usize) -> (Sent, Sent) {
    let (first, rest) = requests.split(requests.requests.len() / 20);
    let warm = send(address, &first, connections, Pace::default()).await;
    (warm, send(address, &rest, connections, Pace::default()).await)
}

pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let form = options.text("form", "ndjson");
    let requests = requests(folder, form, options.number("rows", 1_000_000));
    let mut service = service(folder, "", "").await;
    let (warm, mut sent) = warm(address(&service), &requests, connections(options, form)).await;
    sent.tell(&format!("http.{form}"));
    let accepted = service.metric("driftline_events_accepted_total", "").await;
    assert_eq!(accepted, Some((warm.rows + sent.rows) as f64), "what was acknowledged is counted");
    figure(&format!("http.{form}.memory"), service.memory("VmHWM") as f64 / 1e6, "MB");
    service.stop();
}

/// Sends the lines of a file, one a request, to any server: for peers.
pub(crate) async fn send_file(folder: &Folder, options: &Options) {
    let text = folder.read(options.text("file", "bodies"));
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let requests =
        Requests::new(options.text("path", "/"), "application/json", lines, options.number("batch", 1));
    let address = options.text("address", "127.0.0.1:8080");
    let (_, mut sent) = warm(address, &requests, options.number("connections", CONNECTIONS)).await;
    sent.tell(options.text("name", "sent"));
}
