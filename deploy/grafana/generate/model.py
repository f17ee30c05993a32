"""Model: one version of one model, from its alerts down to the bins of a feature; then its segments and versions."""

from dashboard import Layout, annotation, as_json, job_and_instance, link, query_variable
from figures import OURS, basis_variable, failed_ratio, figure_variable, firing, latency
from panels import (
    ALERT_STATES,
    CRITICAL,
    CURRENT,
    MAJOR,
    MINOR,
    OK,
    REFERENCE,
    UNKNOWN,
    VERDICTS,
    Column,
    bars,
    fixed,
    heatmap,
    override,
    stat,
    state_timeline,
    states,
    table,
    targets,
    thresholds,
    timeseries,
)

MODEL = f'{OURS}, model="$model"'
WINDOW = f'{MODEL}, window="$window"'
VERSION = f'{WINDOW}, version="$version"'
WHOLE = f'{VERSION}, segment=""'
TRAFFIC = f'{MODEL}, version="$version"'
# The model service's own metrics, seen from outside: another job than Driftline's.
SERVICE = 'model="$model", version="$version"'
SEGMENTS = f'{VERSION}, segment!=""'
VERSIONS = f'{WINDOW}, segment=""'
FIGURE = 'basis="$basis", class=""'
# The default thresholds of excess PSI: drifted, drifted much.
PSI_STEPS = thresholds((0.1, MAJOR), (0.25, CRITICAL), base="transparent")

TO_FEATURE = {
    "title": "Show the distribution of ${__data.fields.Feature}",
    "url": "/d/driftline-model?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${model:queryparam}"
    "&${version:queryparam}&${window:queryparam}&${figure:queryparam}&${basis:queryparam}"
    "&var-feature=${__data.fields.Feature}&${__url_time_range}",
    "targetBlank": False,
}


def worst(metric, most=10, measure="driftline_feature_psi_excess"):
    """A figure of the features that drifted most in the time shown: the same ones at every point of a line."""
    ranked = f"topk({most}, max by (feature) (max_over_time({measure}{{{WHOLE}}}[$__range] @ end())))"
    return f"max by (feature) ({metric}{{{WHOLE}}}) and on (feature) {ranked}"


def one(metric, more=""):
    return f"max({metric}{{{WHOLE}{more}}})"


def now(layout):
    def add(*args, **kwargs):
        layout.add(stat(*args, **kwargs), 3, 4)

    add(
        "Alert state",
        "The gravest alert of the model that fires.",
        "short",
        f"max({firing(MODEL)})",
        mappings=states(ALERT_STATES),
        graph=False,
        background=True,
    )
    add("Rows", "Predictions in the latest closed window.", "short", one("driftline_window_rows"))
    add(
        "Failed requests",
        "Share of the window's requests that ended in error or timeout.",
        "percentunit",
        one("driftline_window_error_ratio"),
        decimals=2,
        steps=thresholds((0.01, MINOR), (0.05, CRITICAL)),
    )
    add(
        "Latency p95",
        "The 0.95 quantile of the window's latencies.",
        "s",
        one("driftline_window_latency_seconds", ', quantile="0.95"'),
        decimals=1,
    )
    add(
        "Drifted features",
        "Features that drifted in the latest closed window, in effect and evidence.",
        "short",
        one("driftline_drifted_features"),
        decimals=0,
        steps=thresholds((1, MINOR)),
    )
    add("$figure", "The chosen performance figure of the latest closed window.", "short", one("driftline_$figure", f", {FIGURE}"), decimals=3)
    add(
        "Label coverage",
        "Share of the window's predictions that have their label. Green from 80 %, the default at which performance by "
        "prediction time counts as known.",
        "percentunit",
        one("driftline_label_coverage_ratio"),
        decimals=0,
        steps=thresholds((0.8, OK), base="#6e7fae"),
    )
    add(
        "Window ended",
        "When the latest closed window ended, in event time. All figures of windows on this page are of it.",
        "dateTimeFromNow",
        f"1000 * {one('driftline_window_end_timestamp_seconds')}",
        graph=False,
    )


def golden_signals(layout):
    log = f"sum(rate(driftline_predictions_total{{{TRAFFIC}}}[$__rate_interval]))"
    outside = f"sum(rate(model_server_requests_total{{{SERVICE}}}[$__rate_interval]))"
    layout.add(
        timeseries(
            "Traffic",
            "Requests by the inference log that Driftline reads, and by the model service's own metrics where it has some. "
            "The two should agree; where the log is below, it loses rows.",
            "reqps",
            targets((log, "inference log"), (outside, "model service")),
            low=0,
            overrides=[override("model service", ("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}), ("custom.fillOpacity", 0))],
        ),
        8,
        8,
    )
    everything = f"sum(rate(model_server_requests_total{{{SERVICE}}}[$__rate_interval]))"
    failed = f'sum(rate(model_server_requests_total{{{SERVICE}, code=~"5.."}}[$__rate_interval]))'
    layout.add(
        timeseries(
            "Failed requests",
            "Share of requests that ended in error or timeout by the inference log, and in a 5xx by the model service.",
            "percentunit",
            targets(
                (failed_ratio(TRAFFIC), "inference log"),
                (f"({failed} or 0 * {everything}) / {everything}", "model service"),
            ),
            low=0,
            overrides=[override("model service", ("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}), ("custom.fillOpacity", 0))],
        ),
        8,
        8,
    )
    in_flight = f"sum(model_server_requests_in_flight{{{SERVICE}}}) / sum(model_server_workers{{{SERVICE}}})"
    layout.add(
        timeseries(
            "Saturation",
            "Requests in flight as a share of what the model service can work on at once: in the window's mean by the "
            "inference log, and now by the model service.",
            "percentunit",
            targets((one("driftline_window_saturation_ratio"), "inference log"), (in_flight, "model service")),
            low=0,
            overrides=[override("model service", ("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}), ("custom.fillOpacity", 0))],
        ),
        8,
        8,
    )
    buckets = f"sum by (le) (rate(model_server_request_duration_seconds_bucket{{{SERVICE}}}[$__rate_interval]))"
    layout.add(
        timeseries(
            "Latency",
            "Quantiles of the latency by the inference log, and the 0.95 quantile by the model service; from histograms' "
            "buckets.",
            "s",
            targets(
                (latency(TRAFFIC, 0.5), "p50"),
                (latency(TRAFFIC, 0.95), "p95"),
                (latency(TRAFFIC, 0.99), "p99"),
                (f"histogram_quantile(0.95, {buckets})", "p95, model service"),
            ),
            low=0,
            fill=0,
            overrides=[override("p95, model service", ("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}))],
        ),
        12,
        8,
    )
    layout.add(
        heatmap(
            "Latencies",
            "How many requests a second had which latency, by the inference log. A second band is a second kind of request.",
            "s",
            f"sum by (le) (rate(driftline_prediction_latency_seconds_bucket{{{TRAFFIC}}}[$__rate_interval]))",
        ),
        12,
        8,
    )


def performance(layout):
    value, low, high = (
        f"max(driftline_{name}{{{WHOLE}, {FIGURE}}})" for name in ("$figure", "${figure}_low", "${figure}_high")
    )
    immature = f"1 - max(driftline_label_mature{{{WHOLE}}})"
    no_line = ("custom.lineWidth", 0)
    layout.add(
        timeseries(
            "$figure with its 95 % interval",
            "The chosen figure of each window with its 95 % interval. Grey: the window's labels are not mature, and "
            "performance by the time of the prediction is of few rows yet; by the time of the label it is of all labels "
            "that arrived in the window.",
            "short",
            targets((value, "$figure"), (low, "low"), (high, "high"), (immature, "labels immature")),
            decimals=3,
            window=True,
            fill=0,
            overrides=[
                override("$figure", fixed(CURRENT), ("custom.lineWidth", 2)),
                override("low", fixed(CURRENT), no_line, ("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})),
                override(
                    "high",
                    fixed(CURRENT),
                    no_line,
                    ("custom.fillBelowTo", "low"),
                    ("custom.fillOpacity", 18),
                    ("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}),
                ),
                override(
                    "labels immature",
                    fixed(UNKNOWN),
                    no_line,
                    ("custom.fillOpacity", 14),
                    ("custom.axisPlacement", "hidden"),
                    ("unit", "bool_yes_no"),
                    ("min", 0),
                    ("max", 1),
                ),
            ],
        ),
        16,
        9,
    )
    coverage = one("driftline_label_coverage_ratio")
    layout.add(
        timeseries(
            "Label coverage",
            "Share of the latest closed window's predictions that have their label. It grows as labels come; from the dashed "
            "line, the default, performance by the time of the prediction counts as known.",
            "percentunit",
            targets((coverage, "labelled")),
            low=0,
            high=1,
            window=True,
            steps=thresholds((0.8, OK), base="transparent"),
        ),
        8,
        9,
    )
    classes = f'{WHOLE}, basis="$basis", class!=""'
    layout.add(
        timeseries(
            "By class",
            "Precision, recall and F1 of each class; of a binary model that of the positive class. None for regression.",
            "short",
            targets(
                (f"max by (class) (driftline_precision{{{classes}}})", "precision {{class}}"),
                (f"max by (class) (driftline_recall{{{classes}}})", "recall {{class}}"),
                (f"max by (class) (driftline_f1{{{classes}}})", "F1 {{class}}"),
            ),
            decimals=3,
            window=True,
            fill=0,
        ),
        8,
        8,
    )
    layout.add(
        timeseries(
            "Label delay",
            "Time from prediction to label, of the window's labels.",
            "s",
            targets((f"max by (quantile) (driftline_label_delay_seconds{{{WHOLE}}})", "quantile {{quantile}}")),
            low=0,
            decimals=0,
            window=True,
            fill=0,
        ),
        8,
        8,
    )
    labels = f"sum by (outcome) (rate(driftline_labels_total{{{MODEL}}}[$__rate_interval]))"
    layout.add(
        timeseries(
            "Labels",
            "Labels of all versions by what became of them: joined a prediction, waited for one, corrected or took back "
            "another, came too late, were never matched.",
            "ops",
            targets((labels, "{{outcome}}")),
            low=0,
            stacked=True,
        ),
        8,
        8,
    )


def drift(layout):
    def figure(name):
        return f"max by (feature) ({name}{{{WHOLE}}})"

    columns = [
        Column("Feature", "string", label="feature", links=[TO_FEATURE]),
        Column(
            "Verdict",
            "short",
            expr=figure("driftline_feature_drift_severity"),
            mappings=states(VERDICTS),
            background=True,
            width=115,
        ),
        Column(
            "Excess PSI",
            "short",
            expr=figure("driftline_feature_psi_excess"),
            decimals=2,
            gauge=(0, 0.5),
            steps=thresholds((0.1, MAJOR), (0.25, CRITICAL)),
        ),
        Column("q-value", "short", expr=figure("driftline_feature_psi_q_value"), decimals=3, width=85),
        Column("KS", "short", expr=figure("driftline_feature_ks"), decimals=2, width=70),
        Column("Mean", "short", expr=figure("driftline_feature_mean"), width=90),
        Column("Missing", "percentunit", expr=figure("driftline_feature_missing_ratio"), decimals=1, width=85),
    ]
    layout.add(
        table(
            "Most drifted features",
            "Every feature, the most drifted first: PSI above its noise floor (drifted from 0.1, much from 0.25, by "
            "default), its q-value over all features, and the Kolmogorov-Smirnov distance. Click one to see its distribution.",
            columns,
            sort="Excess PSI",
        ),
        12,
        11,
    )
    layout.add(
        state_timeline(
            "Verdicts",
            "The verdict on each of the 20 features that drifted most in the time shown, window by window. A gap: no verdict, "
            "for want of rows or of a reference.",
            targets((worst("driftline_feature_drift_severity", 20), "{{feature}}")),
            VERDICTS,
        ),
        12,
        11,
    )
    layout.add(
        timeseries(
            "PSI above noise, by feature",
            "Population stability index less its noise floor, of the ten features that drifted most in the time shown. Dashed: "
            "the default thresholds.",
            "short",
            targets((worst("driftline_feature_psi_excess"), "{{feature}}")),
            low=0,
            decimals=2,
            window=True,
            fill=0,
            steps=PSI_STEPS,
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            "KS distance, by feature",
            "Kolmogorov-Smirnov distance from the reference, of the ten numeric features where it was greatest.",
            "short",
            targets((worst("driftline_feature_ks", measure="driftline_feature_ks"), "{{feature}}")),
            low=0,
            decimals=2,
            window=True,
            fill=0,
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            "Drifted features",
            "Features that drifted, and features with a data-quality finding, of those that are watched.",
            "short",
            targets(
                (one("driftline_drifted_features"), "drifted"),
                (one("driftline_quality_findings"), "with a quality finding"),
                (one("driftline_watched_features"), "watched"),
            ),
            low=0,
            decimals=0,
            window=True,
            overrides=[override("watched", fixed(UNKNOWN), ("custom.fillOpacity", 0))],
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            "Output drift",
            "PSI above its noise floor of what the model answers: predicted class, score or value; and of the labels.",
            "short",
            targets((f"max by (output) (driftline_output_psi_excess{{{WHOLE}}})", "{{output}}")),
            low=0,
            decimals=2,
            window=True,
            fill=0,
            steps=PSI_STEPS,
        ),
        12,
        8,
    )


def distribution(layout):
    feature = f'{WHOLE}, feature="$feature"'
    current = f"max by (bin) (driftline_feature_bin_ratio{{{feature}}})"
    reference = f"max by (bin) (driftline_feature_reference_bin_ratio{{{feature}}})"
    layout.add(
        bars(
            "Distribution of $feature",
            "Share of the values in each bin of the PSI, in the reference and in the latest closed window. The ten features "
            "that drift most have it; choose one above, or click it in the table.",
            "percentunit",
            targets((reference, ""), (current, ""), instant=True, table=True),
            by="bin",
            names=["Reference", "Current"],
            colours=[REFERENCE, CURRENT],
            order="bin",
        ),
        14,
        10,
    )
    layout.add(
        timeseries(
            "PSI of $feature",
            "Population stability index, and what chance would make of it in a window of as many rows (noise floor).",
            "short",
            targets(
                (f"max(driftline_feature_psi{{{feature}}})", "PSI"),
                (f"max(driftline_feature_psi_noise_floor{{{feature}}})", "noise floor"),
            ),
            low=0,
            decimals=2,
            window=True,
            overrides=[override("noise floor", fixed(UNKNOWN), ("custom.fillOpacity", 20)), override("PSI", fixed(CURRENT))],
        ),
        10,
        10,
    )


def quality(layout):
    for title, name, means in (
        ("Missing values", "missing", "Share of rows without a value."),
        ("Invalid values", "invalid", "Share of rows whose value has the wrong type, is NaN or infinite."),
        ("Out of range", "out_of_range", "Share of values below the reference's minimum or above its maximum."),
        ("Unseen categories", "unseen", "Share of values that the reference never had."),
    ):
        metric = f"driftline_feature_{name}_ratio"
        layout.add(
            timeseries(
                title,
                f"{means} The eight features with most in the time shown.",
                "percentunit",
                targets((worst(metric, 8, metric), "{{feature}}")),
                low=0,
                window=True,
                fill=0,
            ),
            6,
            8,
        )


def side_by_side(layout, label, shown, selector, what):
    """A table with a row for each segment or version, and its performance and drift over time."""

    def by(metric, more=""):
        return f"max by ({label}) ({metric}{{{selector}{more}}})"

    figure = f", {FIGURE}"
    columns = [
        Column(shown, "string", label=label),
        Column("Rows", "short", expr=by("driftline_window_rows"), width=80),
        Column("Traffic", "reqps", expr=by("driftline_window_requests_per_second"), decimals=1, width=95),
        Column(
            "Failed",
            "percentunit",
            expr=by("driftline_window_error_ratio"),
            decimals=2,
            steps=thresholds((0.01, MINOR), (0.05, CRITICAL), base="text"),
            width=85,
        ),
        Column("Latency p95", "s", expr=by("driftline_window_latency_seconds", ', quantile="0.95"'), decimals=1, width=105),
        Column(
            "Drifted features",
            "percentunit",
            expr=by("driftline_drifted_features_ratio"),
            decimals=0,
            steps=thresholds((0.01, MINOR), (0.25, MAJOR), (0.5, CRITICAL), base="text"),
            width=135,
        ),
        Column("${figure}", "short", expr=by("driftline_$figure", figure), decimals=3, width=105),
        Column("Low", "short", expr=by("driftline_${figure}_low", figure), decimals=3, width=75),
        Column("High", "short", expr=by("driftline_${figure}_high", figure), decimals=3, width=75),
        Column("Labelled", "percentunit", expr=by("driftline_label_coverage_ratio"), decimals=0, width=85),
    ]
    layout.add(
        table(
            f"{shown}s",
            f"A row for each {what}, with the figures of the latest closed window and the 95 % interval of $figure.",
            columns,
            sort="Rows",
        ),
        24,
        8,
    )
    layout.add(
        timeseries(
            f"$figure by {what}",
            f"The chosen figure of each {what}. Compare with the intervals in the table before calling one worse.",
            "short",
            targets((by("driftline_$figure", figure), f"{{{{{label}}}}}")),
            decimals=3,
            window=True,
            fill=0,
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            f"Drifted features by {what}",
            f"Share of the features that drifted in each {what}.",
            "percentunit",
            targets((by("driftline_drifted_features_ratio"), f"{{{{{label}}}}}")),
            low=0,
            window=True,
            fill=0,
        ),
        12,
        8,
    )


def versions(layout):
    side_by_side(layout, "version", "Version", VERSIONS, "version")
    traffic = f"sum by (version) (rate(driftline_predictions_total{{{MODEL}}}[$__rate_interval]))"
    layout.add(
        timeseries(
            "Traffic by version", "Requests of each version, as they arrive.", "reqps", targets((traffic, "{{version}}")), low=0, stacked=True
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            "Latency p95 by version",
            "The 0.95 quantile of each version's latency, as it arrives.",
            "s",
            targets((latency(MODEL, 0.95, "version"), "{{version}}")),
            low=0,
            fill=0,
        ),
        12,
        8,
    )


def watching(layout):
    layout.add(
        timeseries(
            "Alerts that fire",
            "Driftline's own alerts of the model by severity.",
            "short",
            targets((f"sum by (severity) (driftline_firing_alerts{{{MODEL}}})", "{{severity}}")),
            low=0,
            decimals=0,
            overrides=[
                override("critical", fixed(CRITICAL)),
                override("major", fixed(MAJOR)),
                override("minor", fixed(MINOR)),
            ],
        ),
        8,
        8,
    )
    layout.add(
        timeseries(
            "Rules that cannot tell",
            "Rules, by version and segment, that can say nothing of the latest window, by reason. They neither fire nor end "
            "anything.",
            "short",
            targets((f"sum by (reason) (driftline_undecided_rules{{{MODEL}}})", "{{reason}}")),
            low=0,
            decimals=0,
            stacked=True,
        ),
        8,
        8,
    )
    layout.add(
        timeseries(
            "Rows compared",
            "Predictions of the window, and rows of the reference it is compared with.",
            "short",
            targets((one("driftline_window_rows"), "window"), (one("driftline_window_reference_rows"), "reference")),
            low=0,
            window=True,
            overrides=[override("reference", fixed(REFERENCE)), override("window", fixed(CURRENT))],
        ),
        8,
        8,
    )


def annotations():
    return [
        annotation(
            "Prometheus alerts",
            'ALERTS{alertstate="firing", model="$model"}',
            "red",
            title="{{alertname}}",
            text="{{severity}}",
            tags="severity",
        ),
        annotation(
            "Driftline alerts",
            f"sum by (model, severity) (driftline_firing_alerts{{{MODEL}}}) > 0",
            "orange",
            title="{{severity}} alert",
            text="{{model}}: alerts of this severity fire",
            tags="severity",
        ),
        annotation(
            "Versions",
            f"max by (model, version) (driftline_version_first_window_timestamp_seconds{{{MODEL}}}) * 1000",
            "blue",
            title="Version {{version}}",
            text="The first window that it answered in began.",
            time_is_value=True,
        ),
        annotation(
            "References",
            f"max by (model) (driftline_reference_created_timestamp_seconds{{{MODEL}}}) * 1000",
            "purple",
            title="Reference",
            text="What the windows are compared with was built or learned.",
            time_is_value=True,
        ),
    ]


def variables():
    ranked = f"sort_desc(driftline_feature_psi_excess{{{WHOLE}}} and on (feature) driftline_feature_bin_ratio{{{WHOLE}}})"
    return [
        *job_and_instance("driftline_build_info"),
        query_variable("model", "Model", f"label_values(driftline_panes{{{OURS}}}, model)"),
        query_variable("version", "Version", f"label_values(driftline_window_rows{{{MODEL}}}, version)", sort=4),
        query_variable("window", "Window", f"label_values(driftline_window_rows{{{MODEL}}}, window)"),
        figure_variable(WINDOW),
        basis_variable(),
        query_variable("feature", "Feature", f"query_result({ranked})", regex='/feature="([^"]+)"/', sort=0),
    ]


def dashboard():
    layout = Layout()
    for title, add in (
        ("Latest window", now),
        ("Golden signals", golden_signals),
        ("Performance", performance),
        ("Drift", drift),
        ("Distribution of $feature", distribution),
        ("Data quality", quality),
        ("Segments", lambda layout: side_by_side(layout, "segment", "Segment", SEGMENTS, "segment")),
        ("Versions side by side", versions),
        ("Watching", watching),
    ):
        layout.row(title)
        add(layout)
    return as_json(
        "driftline-model",
        "Driftline / Model",
        "One version of a model: golden signals, performance with its intervals, drift down to a feature's distribution, "
        "data quality, segments, and its versions side by side.",
        layout,
        variables=variables(),
        annotations=annotations(),
        links=[link("Fleet", "driftline-fleet"), link("Driftline's own health", "driftline-service")],
        time="now-6h",
    )
