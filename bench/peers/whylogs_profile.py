"""whylogs: rows into a profile, and scores between two profiles."""

import os
import time

os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import whylogs
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

import peer

folder, _ = peer.arguments()
with peer.seconds("whylogs.read"):
    reference, current = peer.read(folder, "reference"), peer.read(folder, "current")
reference = whylogs.log(reference).view()
started = time.perf_counter()
profile = whylogs.log(current).view()
peer.figure("whylogs.profile", len(current) / (time.perf_counter() - started), "rows/s")
with peer.seconds("whylogs.scores"):
    scores = calculate_drift_scores(target_view=profile, reference_view=reference, with_thresholds=True)
assert len(scores) == len(peer.FEATURES), scores.keys()
