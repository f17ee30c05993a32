"""What the peers' scripts share: their arguments, and how they tell figures."""

import json
import sys
import time
from contextlib import contextmanager

NUMBERS = [f"number_{at:02}" for at in range(20)]
CATEGORIES = [f"category_{at}" for at in range(5)]
FEATURES = NUMBERS + CATEGORIES


def arguments():
    """The folder with the data, and KEY=VALUE options."""
    folder, *options = sys.argv[1:]
    return folder, dict(option.split("=", 1) for option in options)


def figure(name, value, unit):
    print(json.dumps({"figure": name, "value": value, "unit": unit}), flush=True)


@contextmanager
def seconds(name):
    """Times a block."""
    started = time.perf_counter()
    yield
    figure(name, time.perf_counter() - started, "s")


def read(folder, table, columns=FEATURES):
    """A table in memory, as pandas has it."""
    import pandas

    return pandas.read_parquet(f"{folder}/{table}.parquet", columns=columns)
