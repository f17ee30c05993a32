//! Memory of many models with segments and three open windows each.

use driftline::config::ModelConfig;
use driftline::reference_files::{build, source_by_command};
use driftline_events::{EventTime, ModelId};
use driftline_store::ReferenceFolder;
use driftline_tests::process::ServiceProcess;

use crate::client::{Pace, Requests, send};
use crate::data::{CATEGORIES, NUMBERS, Part, Row, rows};
use crate::files::write;
use crate::folder::{Folder, config, model};
use crate::http::{CONNECTIONS, address};
use crate::inference::{START_MILLIS, country, event};
use crate::options::{Options, figure};

/// Rows of the reference of each model.
const REFERENCE_ROWS: u64 = 20_000;
const SEGMENTS: u64 = 10;
const MINUTE: i64 = 60_000;

pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let models: u64 = options.number("models", 100);
    let panes: u64 = options.number("panes", 60);
    let per_cell: u64 = options.number("rows_per_cell", 10);
    let names: Vec<String> = (0..models).map(|number| format!("m{number:03}")).collect();
    // Three windows are the default: 5 minutes, an hour, a day.
    let reference = format!("kind = \"file\", path = {:?}", folder.path("countries.parquet"));
    let table = |name: &str| model(name, &reference, "segments = [\"country\"]");
    let mut service = ServiceProcess::new(&names.iter().map(|name| table(name)).collect::<String>());
    // In a thread of its own, since the table reader does not run inside this runtime.
    let stored = ReferenceFolder::of(&service.state());
    std::thread::scope(|scope| {
        scope.spawn(|| references(folder, &config(&table("m")), &names, &stored)).join()
    })
    .expect("the references can be made");
    service.start().await;
    let before = service.memory("VmRSS") as f64;
    let rows: Vec<Row> = rows(Part::Current, SEGMENTS * per_cell).collect();
    for pane in 0..panes {
        let bodies: Vec<String> = names.iter().map(|name| minute(name, pane, &rows)).collect();
        let bodies = bodies.iter().map(String::as_bytes);
        let requests = Requests::new("/v1/predictions", "application/x-ndjson", bodies, rows.len() as u64);
        send(address(&service), &requests, CONNECTIONS, Pace::default()).await;
    }
    let all = (models * panes) as f64;
    service
        .wait_for("a pane for every minute of every model", || async {
            (service.metric("driftline_panes", "").await == Some(all)).then_some(())
        })
        .await;
    // Every window is evaluated at least once more.
    tokio::time::sleep(std::time::Duration::from_secs(options.number("settle", 20))).await;
    figure("memory.start", before / 1e6, "MB");
    figure("memory.end", service.memory("VmRSS") as f64 / 1e6, "MB");
    figure("memory.peak", service.memory("VmHWM") as f64 / 1e6, "MB");
    // The rows of all countries together are kept beside each country's.
    let cells = models * panes * (SEGMENTS + 1) * (NUMBERS + CATEGORIES.len()) as u64;
    let grown = service.memory("VmRSS") as f64 - before;
    figure("memory.feature_and_pane", grown / cells as f64, "bytes");
    service.stop();
}

/// One reference with all segments, stored for each model.
fn references(folder: &Folder, model: &ModelConfig, names: &[String], to: &ReferenceFolder) {
    write(Part::Reference, REFERENCE_ROWS, folder, "countries.parquet", true);
    let path = folder.path("countries.parquet");
    let built = build(model, &[&path], EventTime::from_millis(START_MILLIS), &mut |_| {});
    let mut reference = built.expect("the table makes a reference");
    reference.source = source_by_command(&[&path]);
    for name in names {
        to.save(&ModelId::try_new(name).expect("a good name"), &reference)
            .expect("the folder can be written");
    }
}

/// What a model is sent in a minute.
fn minute(name: &str, pane: u64, rows: &[Row]) -> String {
    let mut text = String::new();
    for (place, row) in (0..).zip(rows) {
        let tags = format!(r#","tags":{{"country":"{}"}}"#, country(place));
        let number = pane * rows.len() as u64 + place;
        event(&mut text, name, number, START_MILLIS + pane as i64 * MINUTE, row, &tags);
        text.push('\n');
    }
    text
}
