"""River: ADWIN on every numeric feature, a value at a time."""

import time

from river.drift import ADWIN

import peer

folder, options = peer.arguments()
rows = peer.read(folder, "current", peer.NUMBERS)[: int(options["rows"])].to_numpy().tolist()
detectors = [ADWIN() for _ in peer.NUMBERS]
started = time.perf_counter()
for row in rows:
    for detector, value in zip(detectors, row):
        detector.update(value)
peer.figure("river.adwin", len(rows) / (time.perf_counter() - started), "rows/s")
