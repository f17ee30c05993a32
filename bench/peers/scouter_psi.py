"""scouter: PSI in ten bins of the numeric features, by way of what it is given."""

import time

import numpy
import polars
from scouter.drift import Drifter, PsiDriftConfig

import peer

folder, options = peer.arguments()
threads = options["threads"]
reference, current = (polars.read_parquet(f"{folder}/{table}.parquet", columns=peer.NUMBERS) for table in ("reference", "current"))
forms = {
    "columns": lambda table: numpy.asfortranarray(table.to_numpy()),
    "polars": lambda table: table,
    "rows": lambda table: numpy.ascontiguousarray(table.to_numpy()),
}
drifter = Drifter()
for name, form in forms.items():
    profile = drifter.create_drift_profile(form(reference), PsiDriftConfig())
    data = form(current)
    started = time.perf_counter()
    drift = drifter.compute_drift(data, profile)
    elapsed = time.perf_counter() - started
    assert len(drift.features) == len(peer.NUMBERS)
    peer.figure(f"scouter.{name}_{threads}", len(current) / elapsed, "rows/s")
