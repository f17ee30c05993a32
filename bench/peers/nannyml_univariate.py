"""NannyML: all univariate methods, in its default ten chunks."""

import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml

import peer

nannyml.disable_usage_logging()
folder, _ = peer.arguments()
with peer.seconds("nannyml.univariate.read"):
    reference, current = peer.read(folder, "reference"), peer.read(folder, "current")
with peer.seconds("nannyml.univariate"):
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=peer.FEATURES,
        treat_as_categorical=peer.CATEGORIES,
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger"],
        categorical_methods=["chi2", "jensen_shannon", "l_infinity", "hellinger"],
        chunk_number=10,
    )
    calculator.fit(reference)
    result = calculator.calculate(current)
assert len(result.to_df()) >= 10
