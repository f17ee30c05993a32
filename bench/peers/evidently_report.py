"""Evidently: a report with the PSI of every feature."""

import os

os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

import peer

folder, _ = peer.arguments()
definition = DataDefinition(numerical_columns=peer.NUMBERS, categorical_columns=peer.CATEGORIES)
with peer.seconds("evidently.report.read"):
    reference, current = (
        Dataset.from_pandas(peer.read(folder, table), data_definition=definition) for table in ("reference", "current")
    )
with peer.seconds("evidently.report"):
    result = Report([DataDriftPreset(method="psi")]).run(current, reference)
    metrics = result.dict()["metrics"]
assert len(metrics) >= len(peer.FEATURES), metrics
