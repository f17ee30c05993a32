"""Expressions and variables that dashboards share."""

from dashboard import choice_variable, query_variable

# Performance figures of a model as a whole, as `driftline_NAME`; those with a 95 % interval.
FIGURES = [
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "roc_auc",
    "roc_auc_macro",
    "average_precision",
    "mcc",
    "log_loss",
    "brier",
    "mae",
    "mape",
    "r2",
    "rmse",
]

OURS = 'job=~"$job", instance=~"$instance"'


def basis_variable():
    return choice_variable(
        "basis", "Performance by", [("label_time", "time of the label"), ("prediction_time", "time of the prediction")]
    )


def figure_variable(selector):
    """The performance figures that there are for the models at hand; the first by name is the default."""
    names = "|".join(FIGURES)
    query = f'label_values({{__name__=~"driftline_({names})", {selector}, class=""}}, __name__)'
    return query_variable("figure", "Performance figure", query, regex="/^driftline_(.+)$/")


def firing(selector, by="model"):
    """The gravest alert that fires: 0 none, 1 minor, 2 major, 3 critical."""
    of = lambda severity: f'driftline_firing_alerts{{{selector}, severity="{severity}"}}'
    return (
        f"max by ({by}) (({of('critical')} > bool 0) * 3 or ({of('major')} > bool 0) * 2 or ({of('minor')} > bool 0))"
    )


def stale(selector, by):
    """1 where the latest closed window ended more than two window lengths and a quarter of an hour ago."""
    ended = f'driftline_window_end_timestamp_seconds{{{selector}, segment=""}}'
    length = f'driftline_window_length_seconds{{{selector}, segment=""}}'
    return f"max by ({by}) ((time() - {ended}) > bool (2 * {length} + 900))"


def failed_ratio(selector, by=""):
    """Share of requests that ended in error or timeout, by arrival; 0 where there were requests and none did."""
    grouped = f"sum by ({by}) " if by else "sum"
    everything = f"{grouped}(rate(driftline_predictions_total{{{selector}}}[$__rate_interval]))"
    failed = f'{grouped}(rate(driftline_predictions_total{{{selector}, status=~"error|timeout"}}[$__rate_interval]))'
    return f"({failed} or 0 * {everything}) / {everything}"


def latency(selector, quantile, by=""):
    """Quantile of the watched model's latency by arrival."""
    grouped = f"le, {by}" if by else "le"
    rate = f"rate(driftline_prediction_latency_seconds_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({grouped}) ({rate}))"
