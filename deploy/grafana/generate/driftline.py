"""Driftline: the health of the service itself, in the order in which events pass through it."""

from dashboard import Layout, annotation, as_json, job_and_instance, link
from figures import OURS
from panels import CRITICAL, MAJOR, MINOR, OK, UNKNOWN, heatmap, stat, states, targets, thresholds, timeseries, fixed, override

YES_NO = {0: ("No", CRITICAL), 1: ("Yes", OK)}


def rate(metric, by="", more=""):
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}{{{OURS}{more}}}[$__rate_interval]))"


def quantile(metric, at):
    return f"histogram_quantile({at}, sum by (le) (rate({metric}_bucket{{{OURS}}}[$__rate_interval])))"


def of(metric, more=""):
    return f"{metric}{{{OURS}{more}}}"


def driftlines(expr):
    """Of those instances only that are Driftline's: other jobs have metrics of the same name."""
    return f"{expr} and on (job, instance) max_over_time(driftline_build_info{{{OURS}}}[1d])"


def now(layout):
    def add(*args, **kwargs):
        layout.add(stat(*args, **kwargs), 3, 4)

    yes_no = states(YES_NO)
    add("Up", "Whether Prometheus reaches every instance.", "short", f"min({driftlines(of('up'))})", mappings=yes_no, graph=False, background=True)
    add(
        "Storage",
        "Whether the state folder takes what must be kept. While it does not, senders are answered 507 and Kafka is paused.",
        "short",
        f"min({of('driftline_storage_ok')})",
        mappings=yes_no,
        graph=False,
        background=True,
    )
    add(
        "Recovered",
        "Whether the journal of the time before the start has been replayed.",
        "short",
        f"min({of('driftline_recovered')})",
        mappings=yes_no,
        graph=False,
        background=True,
    )
    add("Events", "Predictions and labels that are taken, a second.", "ops", rate("driftline_events_accepted_total"), decimals=1)
    rejected = rate("driftline_events_rejected_total")
    received = rate("driftline_events_received_total")
    add(
        "Rejected",
        "Events that could not be placed, as a share of all. GET /v1/rejected shows the latest.",
        "percentunit",
        f"({rejected} or 0 * {received}) / ({received} + ({rejected} or 0 * {received}))",
        decimals=2,
        steps=thresholds((0.001, MINOR), (0.01, CRITICAL)),
    )
    add(
        "Queue",
        "How full the queue to the pipeline is. Full: HTTP is answered 503, Kafka pauses.",
        "percentunit",
        f"max({of('driftline_queue_depth')} / {of('driftline_queue_capacity')})",
        decimals=0,
        steps=thresholds((0.5, MINOR), (0.9, CRITICAL)),
    )
    add(
        "Lost",
        "Since the start: alerts that no sink was told of, rows that could not be folded, evaluations that failed, and "
        "predictions and labels forgotten early. Anything but 0 is worth a look.",
        "short",
        f"sum({of('driftline_alerts_dropped_total')}) + sum({of('driftline_refused_rows_total')}) + "
        f"sum({of('driftline_failed_evaluations_total')}) + (sum({of('driftline_expired_early_total')}) or vector(0))",
        steps=thresholds((1, CRITICAL)),
        graph=False,
    )
    add("Started", "When the youngest instance started.", "dateTimeFromNow", f"1000 * max({driftlines(of('process_start_time_seconds'))})", graph=False)


def taking_in(layout):
    layout.add(
        timeseries("Events taken", "Predictions and labels that the pipeline took, by model.", "ops", targets((rate("driftline_events_accepted_total", "event, model"), "{{model}}: {{event}}")), low=0, stacked=True),
        8, 8,
    )
    layout.add(
        timeseries(
            "Events not counted",
            "Duplicates, events older than the retention, and rejected ones by reason.",
            "ops",
            targets(
                (rate("driftline_events_duplicate_total"), "duplicate"),
                (rate("driftline_events_too_late_total"), "too late"),
                (rate("driftline_events_rejected_total", "reason"), "rejected: {{reason}}"),
                (rate("driftline_payloads_rejected_total", "reason"), "payload: {{reason}}"),
            ),
            low=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Ingest requests",
            "Requests over HTTP by status. 503: full, send again later; 507: no disk space; 4xx: the sender's mistake.",
            "reqps",
            targets((rate("driftline_ingest_requests_total", "code"), "{{code}}")),
            low=0,
            stacked=True,
            overrides=[
                override("2..", fixed(OK), regexp=True),
                override("4..", fixed(MINOR), regexp=True),
                override("5..", fixed(CRITICAL), regexp=True),
            ],
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Queue to the pipeline",
            "Submissions that wait, and how many may.",
            "short",
            targets((f"sum({of('driftline_queue_depth')})", "waiting"), (f"sum({of('driftline_queue_capacity')})", "may wait")),
            low=0,
            decimals=0,
            overrides=[override("may wait", fixed(UNKNOWN), ("custom.fillOpacity", 0))],
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Bytes in flight",
            "Bytes of bodies and batches that wait for the pipeline, and how many may.",
            "bytes",
            targets(
                (f"sum({of('driftline_ingest_in_flight_bytes')})", "waiting"),
                (f"sum({of('driftline_ingest_in_flight_limit_bytes')})", "may wait"),
            ),
            low=0,
            overrides=[override("may wait", fixed(UNKNOWN), ("custom.fillOpacity", 0))],
        ),
        8, 8,
    )
    layout.add(
        timeseries("Bytes received", "Bytes of ingest bodies over HTTP, as sent.", "Bps", targets((rate("driftline_ingest_received_bytes_total"), "received")), low=0),
        8, 8,
    )


def kafka(layout):
    layout.add(
        timeseries(
            "Lag",
            "Messages of each topic that wait to be read.",
            "short",
            targets((f"sum by (topic) ({of('driftline_kafka_lag')})", "{{topic}}")),
            low=0,
            decimals=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Behind",
            "How long ago the last message that was read had been written, of each topic's slowest partition; 0 when none waits.",
            "s",
            targets((f"max by (topic) ({of('driftline_kafka_behind_seconds')})", "{{topic}}")),
            low=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries("Messages", "Messages by what became of them.", "ops", targets((rate("driftline_kafka_messages_total", "outcome"), "{{outcome}}")), low=0, stacked=True),
        8, 8,
    )
    layout.add(
        timeseries(
            "Connection",
            "1 while a broker answers; 1 while reading waits for the pipeline; partitions that are read.",
            "short",
            targets(
                (f"min({of('driftline_kafka_connected')})", "connected"),
                (f"max({of('driftline_kafka_paused')})", "paused"),
                (f"sum({of('driftline_kafka_assigned_partitions')})", "partitions"),
            ),
            low=0,
            decimals=0,
            fill=0,
        ),
        12, 7,
    )
    trouble = "rebalances", "lost_partitions", "unconfirmed_handovers", "gap_messages", "resets", "commit_failures", "dead_letter_failures"
    layout.add(
        timeseries(
            "Trouble",
            "Rebalances, partitions lost or handed over before a checkpoint, messages deleted before they were read, logs that "
            "were reset, and writes that failed, in the last hour.",
            "short",
            targets(*((f"sum(increase(driftline_kafka_{name}_total{{{OURS}}}[1h]))", name.replace("_", " ")) for name in trouble)),
            low=0,
            decimals=0,
            fill=0,
        ),
        12, 7,
    )


def models(layout):
    layout.add(
        timeseries(
            "Watermark lag",
            "How far each model's watermark is behind the clock. A window closes when the watermark passes its end.",
            "s",
            targets((f"max by (model) ({of('driftline_watermark_lag_seconds')})", "{{model}}")),
            low=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Waiting for labels",
            "Predictions kept for their label and to tell duplicates; labels whose prediction has not come.",
            "short",
            targets(
                (f"sum by (model) ({of('driftline_known_predictions')})", "{{model}}: predictions"),
                (f"sum by (model) ({of('driftline_waiting_labels')})", "{{model}}: labels"),
            ),
            low=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Panes and revisions",
            "Panes that are held, and closed windows that wait to be evaluated again.",
            "short",
            targets(
                (f"sum by (model) ({of('driftline_panes')})", "{{model}}: panes"),
                (f"sum by (model) ({of('driftline_owed_revisions')})", "{{model}}: revisions owed"),
            ),
            low=0,
            decimals=0,
        ),
        8, 8,
    )
    layout.add(
        heatmap(
            "Evaluation",
            "How long rounds of evaluation took. Longer than a tenth of evaluate_every, and they come less often.",
            "s",
            rate("driftline_evaluation_duration_seconds_bucket", "le"),
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Series",
            "Series of window statistics in a scrape, those that the budget cut, and the budget (metrics.max_series). Cut are "
            "distributions first, then segments.",
            "short",
            targets(
                (f"sum({of('driftline_series')})", "shown"),
                (f"sum({of('driftline_series_cut')})", "cut"),
                (f"sum({of('driftline_series_limit')})", "budget"),
            ),
            low=0,
            decimals=0,
            fill=0,
            overrides=[override("cut", fixed(MAJOR)), override("budget", fixed(UNKNOWN))],
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Since the last evaluation",
            "Time since the last round of evaluation ended. It should stay near evaluate_every.",
            "s",
            targets((f"max(time() - {of('driftline_evaluation_last_timestamp_seconds')})", "evaluation")),
            low=0,
        ),
        8, 8,
    )


def keeping(layout):
    layout.add(
        timeseries(
            "Journal writes",
            "How long batches took to become durable: what an HTTP sender waits for.",
            "s",
            targets(
                (quantile("driftline_journal_append_duration_seconds", 0.5), "p50"),
                (quantile("driftline_journal_append_duration_seconds", 0.99), "p99"),
            ),
            low=0,
            fill=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Checkpoints",
            "How long checkpoints took to become durable, and the time since the last one: what a start after a crash replays.",
            "s",
            targets(
                (quantile("driftline_checkpoint_duration_seconds", 0.99), "p99"),
                (f"max(time() - {of('driftline_checkpoint_last_timestamp_seconds')})", "since the last"),
            ),
            low=0,
            fill=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "On disk",
            "Bytes of the journal, and bytes that the last checkpoint changed.",
            "bytes",
            targets((f"sum({of('driftline_journal_bytes')})", "journal"), (f"sum({of('driftline_checkpoint_bytes')})", "checkpoint")),
            low=0,
            fill=0,
        ),
        8, 8,
    )


def telling(layout):
    layout.add(
        timeseries(
            "Alerts delivered",
            "Alert events that each sink has, in the last hour.",
            "short",
            targets((f"sum by (sink) (increase(driftline_alert_sink_delivered_total{{{OURS}}}[1h]))", "{{sink}}")),
            low=0,
            decimals=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Alerts that wait or failed",
            "Alert events that wait, and attempts in the last hour that failed, were refused or were given up, of each sink.",
            "short",
            targets(
                (f"sum by (sink) ({of('driftline_alert_sink_waiting')})", "{{sink}}: waiting"),
                (f"sum by (sink) (increase(driftline_alert_sink_failures_total{{{OURS}}}[1h]))", "{{sink}}: failed"),
                (f"sum by (sink) (increase(driftline_alert_sink_refused_total{{{OURS}}}[1h]))", "{{sink}}: refused"),
                (f"sum by (sink) (increase(driftline_alert_sink_dropped_total{{{OURS}}}[1h]))", "{{sink}}: dropped"),
            ),
            low=0,
            decimals=0,
            fill=0,
        ),
        8, 8,
    )
    layout.add(
        timeseries(
            "Reports published",
            "Window reports that wait for their topic, and attempts in the last hour that failed. Only where [publish] is set.",
            "short",
            targets(
                (f"sum({of('driftline_publish_waiting')})", "waiting"),
                (f"sum(increase(driftline_publish_failures_total{{{OURS}}}[1h]))", "failed"),
            ),
            low=0,
            decimals=0,
            fill=0,
        ),
        8, 8,
    )


def process(layout):
    layout.add(
        timeseries("CPU", "Cores that the process keeps busy.", "short", targets((driftlines(f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])"), "{{instance}}")), low=0, decimals=2),
        6, 8,
    )
    layout.add(
        timeseries("Memory", "Resident memory.", "bytes", targets((driftlines(of("process_resident_memory_bytes")), "{{instance}}")), low=0),
        6, 8,
    )
    layout.add(
        timeseries(
            "File descriptors",
            "Open file descriptors as a share of those that may be open.",
            "percentunit",
            targets((driftlines(f"{of('process_open_fds')} / {of('process_max_fds')}"), "{{instance}}")),
            low=0,
        ),
        6, 8,
    )
    layout.add(
        timeseries(
            "Scrape",
            "How long Prometheus's scrape of the service takes.",
            "s",
            targets((driftlines(of("scrape_duration_seconds")), "{{instance}}")),
            low=0,
        ),
        6, 8,
    )


def dashboard():
    layout = Layout()
    for title, add in (
        ("Now", now),
        ("Taking in", taking_in),
        ("Kafka", kafka),
        ("Models and evaluation", models),
        ("Keeping", keeping),
        ("Telling", telling),
        ("Process", process),
    ):
        layout.row(title)
        add(layout)
    restarts = annotation(
        "Starts",
        driftlines(f"{of('process_start_time_seconds')} * 1000"),
        "blue",
        title="Started",
        text="{{instance}}",
        time_is_value=True,
    )
    alerts = annotation(
        "Prometheus alerts",
        'ALERTS{alertstate="firing", tier="service"}',
        "red",
        title="{{alertname}}",
        text="{{severity}} {{instance}}",
        tags="severity",
    )
    return as_json(
        "driftline-service",
        "Driftline / Service",
        "The health of Driftline itself, in the order in which events pass through it.",
        layout,
        variables=job_and_instance("driftline_build_info"),
        annotations=[alerts, restarts],
        links=[link("Fleet", "driftline-fleet"), link("Host", "driftline-host")],
        time="now-1h",
    )
