"""Fleet: how every model is, on one page."""

from dashboard import Layout, annotation, as_json, job_and_instance, link, query_variable
from figures import OURS, basis_variable, failed_ratio, figure_variable, firing, latency, stale
from panels import (
    ALERT_STATES,
    CRITICAL,
    MAJOR,
    MINOR,
    OK,
    Column,
    stat,
    state_timeline,
    states,
    table,
    targets,
    thresholds,
    timeseries,
)

MODELS = f'{OURS}, model=~"$model"'
WINDOWS = f'{MODELS}, window=~"$window"'
WHOLE = f'{WINDOWS}, segment=""'
KEY = "model, version, window"

TO_MODEL = {
    "title": "Open ${__data.fields.Model}",
    "url": "/d/driftline-model?${datasource:queryparam}&var-model=${__data.fields.Model}"
    "&var-window=${__data.fields.Window}&${__url_time_range}",
    "targetBlank": False,
}
# Where no model sends a version there is no such column, and its name in a link would stay as it is.
TO_VERSION = {
    "title": "Open version ${__data.fields.Version} of ${__data.fields.Model}",
    "url": TO_MODEL["url"] + "&var-version=${__data.fields.Version}",
    "targetBlank": False,
}
SERIES_TO_MODEL = {
    "title": "Open ${__field.labels.model}",
    "url": "/d/driftline-model?${datasource:queryparam}&var-model=${__field.labels.model}&${__url_time_range}",
    "targetBlank": False,
}


def by_key(metric, more=""):
    return f"max by ({KEY}) ({metric}{{{WHOLE}{more}}})"


def firing_sum(severity):
    return f'sum(driftline_firing_alerts{{{MODELS}, severity="{severity}"}})'


def now(layout):
    layout.add(
        stat("Models", "Models that sent predictions or labels.", "short", f"count(max by (model) (driftline_panes{{{MODELS}}}))", graph=False),
        3,
        4,
    )
    for severity, colour, means in (
        ("critical", CRITICAL, "Performance, errors, latency, silence, or a feature gone: look now."),
        ("major", MAJOR, "Output drift, a fall of traffic, labels that stopped: look today."),
        ("minor", MINOR, "Inputs drifted: look when there is time."),
    ):
        title = f"{severity.capitalize()} alerts"
        layout.add(
            stat(title, f"Alerts of that severity that fire. {means}", "short", firing_sum(severity), steps=thresholds((1, colour)), background=True),
            3,
            4,
        )
    drifted = f'count(max by (model) (driftline_drifted_features{{{WHOLE}}}) > 0) or vector(0)'
    layout.add(
        stat("Models with drift", "Models of which a feature drifted in the latest closed window.", "short", drifted, steps=thresholds((1, MINOR))),
        3,
        4,
    )
    old = f"count({stale(WINDOWS, 'model')} > 0) or vector(0)"
    layout.add(
        stat(
            "Stale models",
            "Models whose latest closed window ended more than two of its lengths and 15 minutes ago: no traffic, or "
            "Driftline is behind.",
            "short",
            old,
            steps=thresholds((1, MAJOR)),
        ),
        3,
        4,
    )
    rate = f"sum(rate(driftline_predictions_total{{{MODELS}}}[$__rate_interval]))"
    layout.add(stat("Requests", "Requests of all watched models, as they arrive.", "reqps", rate, decimals=1), 3, 4)
    layout.add(
        stat(
            "Failed requests",
            "Share of requests that ended in error or timeout, as they arrive.",
            "percentunit",
            failed_ratio(MODELS),
            decimals=2,
            steps=thresholds((0.01, MINOR), (0.05, CRITICAL)),
        ),
        3,
        4,
    )


def every_model(layout):
    rows = f"max by ({KEY}) (driftline_window_rows{{{WHOLE}}})"
    fires = f"({rows} * 0 + on (model) group_left () {firing(MODELS)})"
    is_stale = f"({stale(WINDOWS, KEY)} * 4)"
    state = f"({fires} > {is_stale}) or {is_stale}"
    alerts = f"{rows} * 0 + on (model) group_left () sum by (model) (driftline_firing_alerts{{{MODELS}}})"
    basis = ', basis="$basis", class=""'
    columns = [
        Column("State", "short", expr=state, mappings=states(ALERT_STATES), background=True, width=90),
        Column("Model", "string", label="model", links=[TO_MODEL]),
        Column("Version", "string", label="version", width=90, links=[TO_VERSION]),
        Column("Window", "string", label="window", width=90),
        Column("Alerts", "short", expr=alerts, decimals=0, steps=thresholds((1, MINOR), base="text"), width=75),
        Column("Rows", "short", expr=rows, width=80),
        Column("Traffic", "reqps", expr=by_key("driftline_window_requests_per_second"), decimals=1, width=100),
        Column(
            "Failed",
            "percentunit",
            expr=by_key("driftline_window_error_ratio"),
            decimals=2,
            steps=thresholds((0.01, MINOR), (0.05, CRITICAL), base="text"),
            width=85,
        ),
        Column(
            "Latency p95",
            "s",
            expr=by_key("driftline_window_latency_seconds", ', quantile="0.95"'),
            decimals=1,
            width=105,
        ),
        Column(
            "Drifted features",
            "percentunit",
            expr=by_key("driftline_drifted_features_ratio"),
            decimals=0,
            gauge=(0, 1),
            steps=thresholds((0.01, MINOR), (0.25, MAJOR), (0.5, CRITICAL)),
            width=160,
        ),
        Column("${figure}", "short", expr=by_key("driftline_$figure", basis), decimals=3, width=105),
        Column("Low", "short", expr=by_key("driftline_${figure}_low", basis), decimals=3, width=75),
        Column("High", "short", expr=by_key("driftline_${figure}_high", basis), decimals=3, width=75),
        Column(
            "Labelled",
            "percentunit",
            expr=by_key("driftline_label_coverage_ratio"),
            decimals=0,
            gauge=(0, 1),
            steps=thresholds((0.8, OK), base="#6e7fae"),
            width=140,
        ),
        Column(
            "Window ended",
            "dateTimeFromNow",
            expr=f"1000 * {by_key('driftline_window_end_timestamp_seconds')}",
            width=140,
        ),
    ]
    layout.add(
        table(
            "Every model",
            "A row for each model, version and window, with the figures of its latest closed window. Performance is $figure "
            "with its 95 % interval; Labelled is how many of the window's predictions have their label, green from 80 %, "
            "the default at which performance by prediction time counts as known. Click a model or a version to open it.",
            columns,
            sort="State",
        ),
        24,
        10,
    )


def over_time(layout):
    layout.add(
        state_timeline(
            "Alert state",
            "The gravest alert of each model that fires.",
            targets((firing(MODELS), "{{model}}")),
            ALERT_STATES,
        ),
        24,
        6,
    )
    traffic = f"sum by (model) (rate(driftline_predictions_total{{{MODELS}}}[$__rate_interval]))"
    layout.add(timeseries("Traffic", "Requests of each model, as they arrive.", "reqps", targets((traffic, "{{model}}")), low=0), 8, 8)
    layout.add(
        timeseries(
            "Failed requests",
            "Share of each model's requests that ended in error or timeout, as they arrive.",
            "percentunit",
            targets((failed_ratio(MODELS, "model"), "{{model}}")),
            low=0,
        ),
        8,
        8,
    )
    layout.add(
        timeseries(
            "Latency p95",
            "The 0.95 quantile of each model's latency, as it arrives; from a histogram's buckets.",
            "s",
            targets((latency(MODELS, 0.95, "model"), "{{model}}")),
            low=0,
        ),
        8,
        8,
    )
    drifted = f"max by (model, window) (driftline_drifted_features_ratio{{{WHOLE}}})"
    layout.add(
        timeseries(
            "Drifted features",
            "Share of each model's features that drifted in the latest closed window; of several versions the worst.",
            "percentunit",
            targets((drifted, "{{model}} {{window}}")),
            low=0,
            window=True,
        ),
        8,
        8,
    )
    performance = f'driftline_$figure{{{WHOLE}, basis="$basis", class=""}}'
    layout.add(
        timeseries(
            "Performance: $figure",
            "The chosen figure of each model and version in the latest closed window.",
            "short",
            targets((f"max by ({KEY}) ({performance})", "{{model}} {{version}} {{window}}")),
            decimals=3,
            window=True,
        ),
        8,
        8,
    )
    coverage = f"max by ({KEY}) (driftline_label_coverage_ratio{{{WHOLE}}})"
    layout.add(
        timeseries(
            "Label coverage",
            "Share of the latest closed window's predictions that have their label. It grows as labels come.",
            "percentunit",
            targets((coverage, "{{model}} {{version}} {{window}}")),
            low=0,
            high=1,
            window=True,
        ),
        8,
        8,
    )


def link_series(layout):
    for panel in layout.panels:
        if panel["type"] in ("timeseries", "state-timeline"):
            panel["fieldConfig"]["defaults"]["links"] = [SERIES_TO_MODEL]


def dashboard():
    layout = Layout()
    layout.row("Now")
    now(layout)
    every_model(layout)
    layout.row("Over time")
    over_time(layout)
    link_series(layout)
    variables = [
        *job_and_instance("driftline_build_info"),
        query_variable("model", "Model", f"label_values(driftline_panes{{{OURS}}}, model)", multi=True, all_value=".+"),
        query_variable(
            "window", "Window", f"label_values(driftline_window_rows{{{MODELS}}}, window)", multi=True, all_value=".+"
        ),
        figure_variable(WINDOWS),
        basis_variable(),
    ]
    alerts = annotation(
        "Prometheus alerts",
        'ALERTS{alertstate="firing", model=~"$model"}',
        "red",
        title="{{alertname}}",
        text="{{model}} ({{severity}})",
        tags="severity,model",
    )
    return as_json(
        "driftline-fleet",
        "Driftline / Fleet",
        "How every watched model is: alerts, traffic, errors, latency, drift, performance. Click a model to open it.",
        layout,
        variables=variables,
        annotations=[alerts],
        links=[link("Driftline's own health", "driftline-service"), link("Host", "driftline-host")],
        time="now-6h",
    )


