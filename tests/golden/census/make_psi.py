"""Writes psi.csv: the PSI of every column and chunk of the census data, by numpy alone.

    python make_psi.py FOLDER > psi.csv      FOLDER: what tests/data/fetch-census prints

Made with Python 3.11.7, numpy 2.0.2, pyarrow 26.0.1 (pyarrow only reads the files).

The definition is design.md's, section 6: sum (c - r) ln(c / r) over shares of bins. Numbers: ten bins that start
at the reference's quantiles k/10 (numpy's "inverted_cdf"), each value once, both ends open. Categories: those
with at least 0.5 % of the reference, the rest pooled with unseen ones. A bin that is empty on one side counts
there as half a row; a bin that is empty on both is none.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

ROWS = 5_000
NUMBERS = ["AGEP", "predicted_probability"]
CATEGORIES = [
    "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX",
    "RAC1P", "prediction",
]


def psi(reference, current):
    used = (reference > 0) | (current > 0)
    shares = []
    for counts in (reference, current):
        rows = counts.sum()
        shares.append(np.where(counts > 0, counts, 0.5)[used] / rows)
    r, c = shares
    return float(np.sum((c - r) * np.log(c / r)))


def number_bins(reference):
    edges = np.quantile(reference, np.arange(1, 10) / 10, method="inverted_cdf")
    edges = np.unique(edges[edges > reference.min()])
    assert len(np.unique(reference)) > 10
    assert np.unique(reference, return_counts=True)[1].max() < len(reference) / 10
    return lambda values: np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def category_bins(reference):
    names, counts = np.unique(reference, return_counts=True)
    kept = {name: i for i, name in enumerate(names[counts >= 0.005 * len(reference)])}
    return lambda values: np.bincount([kept.get(value, len(kept)) for value in values], minlength=len(kept) + 1)


def read(folder, period):
    table = pq.read_table(Path(folder) / f"employment_MA_{period}.pq")
    columns = {name: table[name].to_numpy() for name in NUMBERS}
    for name in CATEGORIES:
        columns[name] = np.array([str(value) for value in table[name].to_pylist()])
    return columns


def main(folder):
    reference, analysis = read(folder, "reference"), read(folder, "analysis")
    print("period,chunk,column,psi")
    for column in NUMBERS + CATEGORIES:
        bins = (number_bins if column in NUMBERS else category_bins)(reference[column])
        whole = bins(reference[column])
        for period, columns in (("reference", reference), ("analysis", analysis)):
            values = columns[column]
            for chunk, start in enumerate(range(0, len(values), ROWS)):
                print(f"{period},{chunk},{column},{psi(whole, bins(values[start:start + ROWS]))!r}")


main(sys.argv[1])
