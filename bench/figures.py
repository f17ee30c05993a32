"""Figures of one or more runs, gathered by name, and what is wanted of them."""

import json
from dataclasses import dataclass, field
from statistics import median
from typing import Callable, Optional


@dataclass
class Figure:
    """What was measured under one name."""

    unit: str
    values: list = field(default_factory=list)

    @property
    def median(self):
        return median(self.values)


class Figures(dict):
    """Figures by name."""

    def add(self, name, value, unit):
        self.setdefault(name, Figure(unit)).values.append(value)

    def read(self, line):
        """Takes a line that a measure printed; False if it is no figure."""
        try:
            found = json.loads(line)
            self.add(found["figure"], float(found["value"]), found["unit"])
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def median(self, name):
        """The median, or None if it was not measured."""
        found = self.get(name)
        return found.median if found else None

    def medians(self, names):
        return [found for found in map(self.median, names) if found is not None]


@dataclass(frozen=True)
class Target:
    """Something wanted: how it is measured, and when it is met. Without a limit it is only shown."""

    what: str
    wanted: str
    # From all figures to a number, or None if one of them was not measured.
    measured: Callable
    limit: Optional[Callable] = None
    unit: str = "×"
    # Whom it is compared with, and from what number on that one is ahead.
    peer: Optional[str] = None
    behind: Optional[Callable] = None

    def verdict(self, figures):
        """The number, and True, False or None: met, not met, nothing to meet or nothing measured."""
        number = self.measured(figures)
        if number is None or self.limit is None:
            return number, None
        return number, self.limit(number)


def at_least(least):
    return lambda number: number >= least


def at_most(most):
    return lambda number: number <= most


def value(name):
    """The median of a figure."""
    return lambda figures: figures.median(name)


def ratio(name, *others):
    """How many times the best of the others: rates, of which more is better."""

    def measured(figures):
        own, found = figures.median(name), figures.medians(others)
        return own / max(found) if own is not None and found and max(found) > 0 else None

    return measured


def times_as_long(name, other):
    """How many times as long as the other took."""

    def measured(figures):
        own, found = figures.median(name), figures.median(other)
        return own / found if own is not None and found else None

    return measured


def times_as_fast(names, other):
    """How many times as long the other took as these did together."""

    def measured(figures):
        own, found = figures.medians(names), figures.median(other)
        return found / sum(own) if len(own) == len(names) and sum(own) and found is not None else None

    return measured


def spread(prefix):
    """The greatest median of a curve's points over the least."""

    def measured(figures):
        found = figures.medians(name for name in figures if name.startswith(prefix))
        return max(found) / min(found) if found and min(found) > 0 else None

    return measured
