"""The cases: what runs beside what, and what is wanted of it."""

from dataclasses import dataclass, field
from typing import Callable, Optional

from figures import Target, at_least, at_most, ratio, spread, times_as_fast, times_as_long, value


@dataclass(frozen=True)
class Contender:
    """Something that is run, and prints figures."""

    name: str
    # The command, from where things are, how much is measured, and the number of runs.
    command: Callable
    # The peer whose environment it needs.
    peer: Optional[str] = None
    # It repeats inside, since what it needs takes long to make.
    repeats: bool = False
    # Names of figures about its process: how long it took, and the memory it had at most.
    wall: Optional[str] = None
    memory: Optional[str] = None
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A named case."""

    name: str
    title: str
    contenders: list
    targets: list
    note: str = ""


# How much is measured: for the results, and to see that everything works.
FULL = {
    "rows": 1_000_000, "single_rows": 100_000, "window_rows": 100_000, "pending": 10_000_000, "labels": 900_000,
    "panes": 10_000, "models": 100, "minutes": 60, "settle": 20, "series_models": 60, "seconds": 60, "short_seconds": 20,
    "part_seconds": 3,
    "curve_rows": 200_000, "curve_reference": 1_000_000, "history_days": 30,
    "river_rows": 20_000,
}  # fmt: skip
SMOKE = {
    "rows": 4_000, "single_rows": 400, "window_rows": 2_000, "pending": 10_000, "labels": 1_000,
    "panes": 50, "models": 3, "minutes": 3, "settle": 1, "series_models": 2, "seconds": 2, "short_seconds": 2,
    "part_seconds": 0.1,
    "curve_rows": 2_000, "curve_reference": 10_000, "history_days": 1,
    "river_rows": 200,
}  # fmt: skip

# Of the events of the smoke: figures of other rows are not to be compared.
SMOKE_DIGEST = "b9fd52c38b0c5e6ddc3d909e7dff6473dacb759f713daa9d4c5fd604aecc90c3"


def filled(options, size, runs):
    """Options with what they name in braces filled in."""
    return [option.format(runs=runs, **size) for option in options]


def rust(measure, *options, **more):
    """A measure of the Rust program."""
    return Contender(measure, lambda at, size, runs: [at.bench, measure, at.data, *filled(options, size, runs)], **more)


def peer(name, script, *options, **more):
    """A peer's script."""

    def command(at, size, runs):
        return [at.python(name), at.script(script), at.data, *filled(options, size, runs)]

    return Contender(script, command, peer=name, **more)


def driftline(name, **more):
    """A command of Driftline, of the model whose table is replayed; figures go by its name."""

    def command(at, size, runs):
        table = f"{at.data}/{'reference' if name == 'reference' else 'current'}.parquet"
        replay = ["--predictions", table, "--out", f"{at.data}/windows.ndjson", "--quiet"]
        more = ["--from", table] if name == "reference" else replay
        return [at.driftline, name, "--config", f"{at.data}/driftline.toml", *more]

    return Contender(f"driftline {name}", command, wall=f"driftline.{name}", memory=f"driftline.{name}.memory", **more)


def scouter(threads):
    options = {"RAYON_NUM_THREADS": str(threads)}
    return peer("scouter", "scouter_psi.py", f"threads={threads}", environment=options)


CASES = [
    Case(
        "ndjson",
        "NDJSON to folded summaries",
        [rust("ndjson", "rows={rows}"), rust("arrow", "rows={rows}")],
        [
            Target("NDJSON to folded summaries, one core", "at least 0.5 of the bare parse",
                   ratio("ndjson.fold_1", "ndjson.parse"), at_least(0.5)),
            Target("… with panes, windows and known ids", "", ratio("ndjson.engine_1", "ndjson.parse")),
            Target("the same with two cores", "at least 1.8 times one core",
                   ratio("ndjson.fold_2", "ndjson.fold_1"), at_least(1.8)),
            Target("… the bare parser", "", ratio("ndjson.parse_2", "ndjson.parse")),
            Target("… with panes, windows and known ids", "", ratio("ndjson.engine_2", "ndjson.engine_1")),
        ],
        "`parse` is sonic-rs reading each line into its own tree, `parse_2` the same on two cores; `validate` keeps nothing. "
        "`decode` makes checked Arrow batches, `fold` full summaries of them, each thread its own, merged at the end. "
        "`engine` is everything that the service does with a batch: panes, windows, and each id held against those seen "
        "before; `engine_2` decodes in a thread of its own. `arrow` is the same from Arrow IPC.",
    ),
    Case(
        "arrow-fold",
        "Numbers that are in Arrow already",
        [rust("columns", "rows={rows}"), scouter(1), scouter(2)],
        [
            Target("20 numbers in Arrow, folded, one core", "at most 1.5 times as long as scouter's PSI, one thread",
                   lambda figures: inverse(ratio("columns.fold_1", "scouter.columns_1", "scouter.polars_1")(figures)),
                   at_most(1.5), peer="scouter", behind=at_least(1)),
            Target("… two cores and threads", "",
                   lambda figures: inverse(ratio("columns.fold_2", "scouter.columns_2", "scouter.polars_2")(figures)),
                   peer="scouter", behind=at_least(1)),
        ],
        "Driftline's summaries have 1,000 cells, moments and extremes for each feature, and all statistics follow from "
        "them; scouter's have ten bins, for PSI. It is held against scouter's best way of two; `rows` is its third.",
    ),
    Case(
        "http-ndjson",
        "HTTP, NDJSON, durable before each answer",
        [
            rust("ndjson", "rows={rows}", "only=parse"),
            rust("http", "form=ndjson", "rows={rows}"),
            rust("bare-http", "form=ndjson", "rows={rows}"),
            peer("evidently", "evidently_collector.py", "rows={rows}"),
        ],
        [
            Target("HTTP, durable, NDJSON by 1,000", "at least 0.35 of the bare parse on one core",
                   ratio("http.ndjson", "ndjson.parse"), at_least(0.35)),
            Target("HTTP, durable, NDJSON by 1,000", "at least 2 times Evidently's collector",
                   ratio("http.ndjson", "evidently.collector"), at_least(2),
                   peer="Evidently", behind=at_most(1)),
        ],
        "The load generator has one thread of the same cores, and requests that were made beforehand. The collector keeps "
        "rows in memory and computes nothing; `bare` is an axum handler that reads the body and syncs in groups.",
    ),
    Case(
        "http-arrow",
        "HTTP, Arrow IPC, durable before each answer",
        [
            rust("http", "form=ndjson", "rows={rows}"),
            rust("http", "form=arrow", "rows={rows}"),
            rust("bare-http", "form=arrow", "rows={rows}"),
        ],
        [Target("HTTP, Arrow IPC", "at least 4 times NDJSON", ratio("http.arrow", "http.ndjson"), at_least(4))],
    ),
    Case(
        "http-single",
        "HTTP, one event a request",
        [rust("http", "form=single", "rows={single_rows}"), rust("bare-http", "form=single", "rows={single_rows}")],
        [
            Target("single events over kept-alive connections", "at least 0.6 of the bare handler",
                   ratio("http.single", "bare.single"), at_least(0.6)),
        ],
        "64 connections. Both sync what has come together, and answer after it.",
    ),
    Case(
        "kafka",
        "Kafka, one event a message",
        [rust("kafka", "rows={rows}", "rounds={runs}", repeats=True)],
        [
            Target("Kafka, JSON, one event a message", "at least 0.6 of the bare consumer",
                   ratio("kafka.service", "kafka.bare"), at_least(0.6)),
        ],
        "12 partitions, the broker on the same cores; the bare consumer drops what it polls.",
    ),
    Case(
        "replay",
        "A table, all statistics",
        [
            rust("scan"),
            driftline("reference"),
            driftline("replay"),
            peer("evidently", "evidently_psi.py", memory="evidently.psi.memory"),
            peer("evidently", "evidently_report.py", memory="evidently.report.memory"),
            peer("nannyml", "nannyml_univariate.py", memory="nannyml.univariate.memory"),
            peer("whylogs", "whylogs_profile.py", memory="whylogs.memory"),
            peer("river", "river_drift.py", "rows={river_rows}"),
        ],
        [
            Target("Parquet replay, all statistics", "at most 2.5 times polars' time to read the file",
                   times_as_long("driftline.replay", "polars.scan"), at_most(2.5)),
            Target("Parquet replay, all statistics", "at least 100 times as fast as Evidently's report",
                   times_as_fast(["driftline.replay"], "evidently.report"), at_least(100),
                   peer="Evidently", behind=at_most(1)),
            Target("Parquet replay, all statistics", "at least 5 times as fast as Evidently's bare PSI",
                   times_as_fast(["driftline.replay"], "evidently.psi"), at_least(5),
                   peer="Evidently", behind=at_most(1)),
            Target("Parquet replay, all statistics", "at least 20 times as fast as NannyML's univariate methods",
                   times_as_fast(["driftline.replay"], "nannyml.univariate"), at_least(20),
                   peer="NannyML", behind=at_most(1)),
            Target("… its reference built too, against Evidently's report", "",
                   times_as_fast(["driftline.replay", "driftline.reference"], "evidently.report"),
                   peer="Evidently", behind=at_most(1)),
            Target("… its reference built too, against Evidently's bare PSI", "",
                   times_as_fast(["driftline.replay", "driftline.reference"], "evidently.psi"),
                   peer="Evidently", behind=at_most(1)),
            Target("… its reference built too, against NannyML's methods", "",
                   times_as_fast(["driftline.replay", "driftline.reference"], "nannyml.univariate"),
                   peer="NannyML", behind=at_most(1)),
            Target("Parquet replay, peak memory", "under 300 MB", value("driftline.replay.memory"), at_most(300), "MB"),
        ],
        "Driftline's times are of whole processes, from reading the file to writing the report; peers' are of the "
        "computation alone, on tables that they have in memory. Peers read the reference each time; Driftline keeps its "
        "summary, and `driftline.reference` is what making that took. River takes a value at a time: few rows, ADWIN on "
        "each of the numbers.",
    ),
    Case(
        "labels",
        "Labels that meet their predictions",
        [
            rust("ndjson", "rows={rows}", "only=parse"),
            rust("labels", "pending={pending}", "labels={labels}", "rounds={runs}", repeats=True, memory="labels.memory"),
        ],
        [
            Target("labels joined, 10 million pending", "at least 200,000 a second",
                   value("labels.any"), at_least(200_000), "labels/s"),
        ],
        "Decoded, joined, and on disk; as in the service, decoding and checkpoints are in threads beside. `any`: ids of any "
        "age in no order, each once; `recent`: those that came last; `any_1` is `any` all in one thread. `parse`, as in "
        "`ndjson`, tells how fast the machine was just then.",
    ),
    Case(
        "evaluate",
        "One window of 25 features",
        [rust("evaluate", "rows={window_rows}", "rounds={runs}", repeats=True)],
        [Target("evaluating one window of 25 features", "under 1 ms", value("evaluate.window"), at_most(1), "ms")],
        "`window` has 100,000 rows, `small` 1,000; all statistics.",
    ),
    Case(
        "compare",
        "Any period against another",
        [rust("compare", "panes={panes}", "rounds={runs}", repeats=True)],
        [Target("compare over 10,000 panes x 25 features", "under 50 ms", value("compare.halves"), at_most(50), "ms")],
        "100 rows a pane; panes are packed, as the service does at each tick. `halves`: the later half of the panes "
        "against the earlier; `reference`: all against the reference.",
    ),
    Case(
        "visible",
        "From an event to its figure in /metrics",
        [
            rust("visible", "rows={rows}", "seconds={seconds}"),
            rust("visible", "rows={rows}", "seconds={short_seconds}", "every=100ms"),
        ],
        [
            Target("event to figure at half load", "p99 under 2 s by default",
                   value("visible.default.p99"), at_most(2_000), "ms"),
            Target("event to figure at half load", 'p99 under 200 ms at evaluate_every = "100ms"',
                   value("visible.100ms.p99"), at_most(200), "ms"),
        ],
        "While NDJSON comes at half of what the service took just before.",
    ),
    Case(
        "metrics",
        "/metrics with 20,000 series",
        [
            rust("ndjson", "rows={rows}", "only=parse"),
            rust("metrics", "rows={rows}", "models={series_models}", "part_seconds={part_seconds}", "rounds={runs}",
                 repeats=True),
        ],
        [
            Target("/metrics with 20,000 series", "under 30 ms", value("metrics.scrape.p50"), at_most(30), "ms"),
            Target("NDJSON over HTTP while it is scraped each second", "not noticed: at least 0.95",
                   ratio("metrics.ingest_scraped", "metrics.ingest_alone"), at_least(0.95)),
        ],
        "In each round four parts of three seconds: `ingest_alone` first and last and `ingest_scraped` between, or the other "
        "way round. `parse`, as in `ndjson`, tells how fast the machine was just then.",
    ),
    Case(
        "memory",
        "100 models x 25 features x 10 segments, three open windows",
        [rust("memory", "models={models}", "panes={minutes}", "settle={settle}")],
        [
            Target("memory of 100 models x 25 features x 10 segments", "under 1 GB",
                   value("memory.peak"), at_most(1_000), "MB"),
        ],
        "An hour of minutes, ten rows a minute of each segment; `start` is before the first row. `feature_and_pane` is what "
        "memory grew by, for each feature of each pane, of the whole and of each segment.",
    ),
    Case(
        "curves",
        "What must not matter",
        [
            rust("curves", "rows={curve_rows}", "reference_rows={curve_reference}", "history_days={history_days}",
                 "rounds={runs}", repeats=True),
        ],
        [
            Target(f"cost per event against {what}", "flat: within 1.25", spread(f"curve.{name}."), at_most(1.25))
            for name, what in [
                ("window_length", "the windows' length"),
                ("windows", "the number of windows"),
                ("reference_rows", "the size of the reference"),
                ("history", "the history that is kept"),
            ]
        ],
        "Nanoseconds an event after decoding; windows that close are evaluated in between. The ratio is of the dearest "
        "point to the cheapest.",
    ),
]


def inverse(number):
    return 1 / number if number else None
