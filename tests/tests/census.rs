//! The census data through the replay: every chunk against what nannyml, scipy and numpy got.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;

use driftline::config::Config;
use driftline::reference_files::build;
use driftline::replay::{ReplayCounts, ReplayInput, ReplaySink, replay};
use driftline_evaluate::{FeatureReport, Figure, WindowReport};
use driftline_events::EventTime;
use driftline_tables::{RowRejection, Table};
use driftline_tests::census::{CHUNK_ROWS, FIRST_DAY_MILLIS, golden, prepare, project};

/// What is exact differs by rounding only.
const EXACT: f64 = 1e-9;
/// KS: the widest gap between value and upper bound that 1,000 cells may leave.
const KS_GAP: f64 = 0.002;
const AUC: f64 = 1e-3;

/// The reports of both periods by chunk.
static REPORTS: LazyLock<BTreeMap<(&'static str, usize), WindowReport>> = LazyLock::new(replay_census);

/// Keeps what a replay hands out.
#[derive(Default)]
struct Kept {
    reports: Vec<WindowReport>,
    rejected: Vec<RowRejection>,
}

impl ReplaySink for Kept {
    fn report(&mut self, report: &WindowReport) -> std::io::Result<()> {
        self.reports.push(report.clone());
        Ok(())
    }

    fn rejected(&mut self, _what: &'static str, row: &RowRejection) {
        self.rejected.push(row.clone());
    }

    fn progress(&mut self, _counts: &ReplayCounts) {}
}

fn replay_census() -> BTreeMap<(&'static str, usize), WindowReport> {
    let files = prepare();
    let config =
        Config::load(&project().join("tests/golden/census/driftline.toml"), std::iter::empty()).unwrap();
    let model = &config.models[0];
    let created = EventTime::from_millis(FIRST_DAY_MILLIS);
    let reference = build(model, &[&files.reference], created, &mut |_| ()).unwrap();
    assert_eq!(reference.rows, 68_785);
    let reference = Arc::new(reference);
    let mut reports = BTreeMap::new();
    for period in &files.periods {
        let predictions = Table::open([&period.predictions]).unwrap();
        let labels = Table::open([&period.labels]).unwrap();
        assert_eq!(predictions.rows(), Some(period.rows as u64));
        let input = ReplayInput {
            model,
            reference: Some(Arc::clone(&reference)),
            predictions: &predictions,
            labels: Some(&labels),
            pending_predictions: period.rows,
        };
        let mut kept = Kept::default();
        let counts = replay(&input, &mut kept).unwrap();
        assert_eq!(kept.rejected, []);
        assert_eq!((counts.predictions, counts.labels), (period.rows as u64, period.rows as u64));
        assert_eq!((counts.duplicates, counts.labels_unmatched), (0, 0));
        // In the week after the last chunk come labels alone.
        let (with_rows, labels_only): (Vec<_>, Vec<_>) =
            kept.reports.into_iter().partition(|report| report.rows > 0);
        let chunks = period.rows.div_ceil(CHUNK_ROWS);
        assert_eq!((with_rows.len(), labels_only.len()), (chunks, 7), "{}: a window a day", period.name);
        for report in with_rows {
            let day = (report.window.start.as_millis() - FIRST_DAY_MILLIS) / 86_400_000;
            assert!(
                report.is_final && report.labels.mature,
                "{} {day}: {} {:?}",
                period.name,
                report.is_final,
                report.labels
            );
            reports.insert((period.name, day as usize), report);
        }
    }
    reports
}

/// A line of a golden file that speaks of a column of a chunk.
struct Golden {
    place: String,
    report: &'static WindowReport,
    fields: Vec<String>,
}

impl Golden {
    /// The lines of a file; each begins with period and chunk.
    fn lines(file: &str) -> Vec<Self> {
        let lines = golden(file);
        assert!(!lines.is_empty());
        let line = |fields: Vec<String>| {
            let chunk: usize = fields[1].parse().unwrap();
            let period = if fields[0] == "reference" { "reference" } else { "analysis" };
            let place = format!("{file}: {}", fields.join(","));
            Self { place, report: &REPORTS[&(period, chunk)], fields }
        };
        lines.into_iter().map(line).collect()
    }

    fn feature(&self) -> &'static FeatureReport {
        let report = match self.fields[2].as_str() {
            "prediction" => self.report.prediction.as_ref(),
            "predicted_probability" => self.report.score.as_ref(),
            name => self.report.features.iter().find(|feature| feature.name == name),
        };
        report.unwrap_or_else(|| panic!("{}: not reported", self.place))
    }

    fn number(&self, field: usize) -> f64 {
        self.fields[field].parse().unwrap()
    }

    /// A figure that must be there and be what the golden file says.
    fn exactly(&self, figure: Option<f64>, field: usize) {
        let expected = self.number(field);
        let got = figure.unwrap_or_else(|| panic!("{}: absent", self.place));
        assert!(close(got, expected), "{}: got {got}", self.place);
    }
}

fn close(got: f64, expected: f64) -> bool {
    (got - expected).abs() <= EXACT * expected.abs().max(1.0)
}

fn of(figure: Option<&Figure>) -> Option<f64> {
    figure.and_then(Figure::value)
}

#[test]
fn every_chunk_is_a_window() {
    for ((period, chunk), report) in REPORTS.iter() {
        let rows = match (*period, chunk) {
            ("reference", 13) => 3_785,
            ("analysis", 41) => 3_892,
            _ => 5_000,
        };
        assert_eq!((report.rows, report.labels.count), (rows, rows), "{period} {chunk}");
    }
    assert_eq!(REPORTS.len(), 14 + 42);
}

#[test]
fn psi_is_numpys() {
    for line in Golden::lines("psi.csv") {
        line.exactly(line.feature().psi.value.value(), 3);
    }
}

#[test]
fn distances_of_categories_are_nannymls() {
    for line in Golden::lines("distances.csv") {
        let feature = line.feature();
        let figure = match line.fields[3].as_str() {
            "jensen_shannon" => feature.js,
            "hellinger" => feature.hellinger,
            "l_infinity" => feature.linf,
            other => panic!("unknown method {other}"),
        };
        line.exactly(figure.value(), 4);
    }
}

#[test]
fn chi2_is_that_of_the_counts() {
    // Counts by category of each chunk, and of the whole reference.
    let mut chunks: BTreeMap<(String, String, String), BTreeMap<String, f64>> = BTreeMap::new();
    let mut reference: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for line in golden("counts.csv") {
        let [period, chunk, column, category, count] = <[String; 5]>::try_from(line).unwrap();
        let count: f64 = count.parse().unwrap();
        let of = match period.as_str() {
            "reference_all" => reference.entry(column).or_default(),
            _ => chunks.entry((period, chunk, column)).or_default(),
        };
        of.insert(category, count);
    }
    assert_eq!(chunks.len(), 56 * 16);
    for ((period, chunk, column), counts) in chunks {
        let (expected, dof) = chi2(&reference[&column], &counts);
        let fields = vec![period, chunk, column];
        let key = if fields[0] == "reference" { "reference" } else { "analysis" };
        let report = &REPORTS[&(key, fields[1].parse().unwrap())];
        let line = Golden { place: format!("counts.csv: {}", fields.join(",")), report, fields };
        let got = &line.feature().chi2;
        let value = got.value.value().unwrap_or_else(|| panic!("{}: absent", line.place));
        assert!(close(value, expected), "{}: got {value}, not {expected}", line.place);
        assert_eq!(got.dof.value(), Some(dof), "{}", line.place);
    }
}

/// Pearson's chi² of two samples over the categories that either has, without Yates' correction, and its degrees
/// of freedom.
fn chi2(reference: &BTreeMap<String, f64>, current: &BTreeMap<String, f64>) -> (f64, f64) {
    let (n, m) = (reference.values().sum::<f64>(), current.values().sum::<f64>());
    let categories: std::collections::BTreeSet<&String> = reference.keys().chain(current.keys()).collect();
    let (mut sum, mut cells) = (0.0, 0);
    for category in categories {
        let r = reference.get(category).copied().unwrap_or_default();
        let c = current.get(category).copied().unwrap_or_default();
        if r + c > 0.0 {
            cells += 1;
            for (observed, rows) in [(r, n), (c, m)] {
                let expected = (r + c) * rows / (n + m);
                sum += (observed - expected).powi(2) / expected;
            }
        }
    }
    (sum, f64::from(cells - 1))
}

#[test]
fn ks_holds_scipys_between_value_and_upper_bound() {
    let mut widest: f64 = 0.0;
    for line in Golden::lines("scipy.csv") {
        let exact = line.number(5);
        let ks = line.feature().ks.as_ref().unwrap_or_else(|| panic!("{}: absent", line.place));
        let (value, upper) = (ks.value.value().unwrap(), ks.upper.value().unwrap());
        // Sums of shares round in the last digits.
        assert!(value <= exact + 1e-12 && exact <= upper + 1e-12, "{}: {value} to {upper}", line.place);
        assert!(upper - value <= KS_GAP, "{}: {value} to {upper}", line.place);
        if line.fields[2] == "AGEP" {
            // Every value of it is a cell.
            assert!(close(value, exact) && close(upper, exact), "{}: {value} to {upper}", line.place);
        }
        widest = widest.max(upper - value);
    }
    println!("widest KS bound: {widest:.6}");
}

#[test]
fn wasserstein_is_scipys_within_its_bound() {
    let mut widest: f64 = 0.0;
    for line in Golden::lines("scipy.csv") {
        let exact = line.number(7);
        let report = line.feature().wasserstein.as_ref().unwrap_or_else(|| panic!("{}: absent", line.place));
        let (value, bound) = (report.value.value().unwrap(), report.bound.value().unwrap());
        let slack = EXACT * exact.max(1.0);
        assert!((value - exact).abs() <= bound + slack, "{}: {value} ± {bound}", line.place);
        widest = widest.max(bound / exact);
    }
    println!("widest Wasserstein bound, of the distance itself: {widest:.6}");
}

#[test]
fn performance_is_nannymls() {
    let (mut widest, mut farthest): (f64, f64) = (0.0, 0.0);
    for line in Golden::lines("performance.csv") {
        let metric = line.fields[2].as_str();
        let performance = &line.report.performance;
        let estimate = performance.metrics.get(metric).and_then(|estimate| estimate.interval());
        match metric {
            "accuracy" | "precision" | "recall" | "f1" | "specificity" => {
                line.exactly(estimate.map(|estimate| estimate.value), 3);
            }
            "roc_auc" => {
                let estimate = estimate.unwrap_or_else(|| panic!("{}: absent", line.place));
                let off = (estimate.value - line.number(3)).abs();
                farthest = farthest.max(off);
                assert!(off <= AUC.max(estimate.bound.unwrap_or(0.0)), "{}: got {estimate:?}", line.place);
                if let Some(bound) = estimate.bound {
                    assert!(off <= bound + 1e-12, "{}: got {estimate:?}", line.place);
                    widest = widest.max(bound);
                }
            }
            // Its value here is scikit-learn's step sum; there is no figure of the issue to hold it to.
            "average_precision" => {}
            other => panic!("unknown metric {other}"),
        }
    }
    println!("widest ROC AUC bound: {widest:.6}, farthest from scikit-learn's: {farthest:.6}");
}

#[test]
fn confusion_is_nannymls() {
    for line in Golden::lines("confusion.csv") {
        let confusion = line.report.performance.confusion.as_ref().unwrap();
        assert_eq!(confusion.classes, ["0", "1"]);
        let (actual, predicted) = match line.fields[2].as_str() {
            "true_negative" => (0, 0),
            "false_positive" => (0, 1),
            "false_negative" => (1, 0),
            "true_positive" => (1, 1),
            other => panic!("unknown metric {other}"),
        };
        assert_eq!(confusion.counts[actual][predicted], line.number(3), "{}", line.place);
    }
}

#[test]
fn quality_and_moments_are_nannymls() {
    for line in Golden::lines("missing.csv") {
        line.exactly(line.feature().missing.ratio.value(), 3);
    }
    for line in Golden::lines("unseen.csv") {
        let unseen = line.feature().unseen.as_ref().unwrap_or_else(|| panic!("{}: absent", line.place));
        line.exactly(unseen.ratio.value(), 3);
    }
    for line in Golden::lines("mean.csv") {
        line.exactly(of(line.feature().mean.as_ref()), 3);
    }
    for line in Golden::lines("std.csv") {
        line.exactly(of(line.feature().variance.as_ref()).map(f64::sqrt), 3);
    }
}
