"""A stand-in for your model: an ensemble of decision trees that takes about a millisecond."""

import math
import random

FEATURES = ["age", "tenure_months", "monthly_charges", "support_calls"]
RANGES = {"age": (18, 90), "tenure_months": (0, 72), "monthly_charges": (10, 120), "support_calls": (0, 10)}
PLANS = {"lead": 0.6, "silver": 0.2, "gold": -0.4}


class Model:
    version = "1"

    def __init__(self, trees=1_000, depth=6, seed=7):
        random_ = random.Random(seed)
        self._trees = [self._grow(random_, depth) for _ in range(trees)]

    def _grow(self, random_, depth):
        if depth == 0:
            return random_.gauss(0.0, 0.05)
        feature = random_.randrange(len(FEATURES))
        threshold = random_.uniform(*RANGES[FEATURES[feature]])
        return feature, threshold, self._grow(random_, depth - 1), self._grow(random_, depth - 1)

    def score(self, features):
        """The probability that the customer leaves."""
        values = [features[name] for name in FEATURES]
        total = PLANS.get(features["plan"], 0.0)
        for node in self._trees:
            while type(node) is tuple:
                node = node[2] if values[node[0]] < node[1] else node[3]
            total += node
        return 1.0 / (1.0 + math.exp(-total))
