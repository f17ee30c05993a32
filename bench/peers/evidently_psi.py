"""Evidently: nothing but its function for PSI, on every feature."""

import os

os.environ["DO_NOT_TRACK"] = "1"

from evidently.legacy.calculations.stattests.psi import _psi
from evidently.legacy.core import ColumnType

import peer

folder, _ = peer.arguments()
with peer.seconds("evidently.psi.read"):
    reference, current = peer.read(folder, "reference"), peer.read(folder, "current")
with peer.seconds("evidently.psi"):
    for name in peer.FEATURES:
        kind = ColumnType.Numerical if name in peer.NUMBERS else ColumnType.Categorical
        psi, _ = _psi(reference[name], current[name], kind, 0.1)
        assert psi >= 0, (name, psi)
