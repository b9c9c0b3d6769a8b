"""How many directions each kernel uses: all of its singular values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ...finding import Evidence
from ...watch.weighing import matrix, spectrum, weights_of
from ..patient import Patient

SOURCE = (
    "Miyato et al. 2018, Spectral Normalization; Rudelson & Vershynin 2007: the stable rank, the energy of all "
    "singular values as a multiple of the largest one's"
)
QUICK = False
LEAST, LEFT = 4, 5.0
"""Singular values from which a kernel is looked at; seconds that are left to the tests after this one."""
LARGEST = 1e10
"""Products of a kernel's smaller side, squared, with its larger one, from which taking it apart would take minutes."""
ENERGY = 0.99
"""Share of the energy that directions must hold to count as used."""
DIGITS = 5


def measure(patient: Patient) -> dict[str, Any] | None:
    network, rows, large = patient.network("last"), {}, 0
    for name, weight in weights_of(network).items():
        kernel = isinstance(network.get_submodule(name), nn.Conv2d | nn.Linear)
        if not kernel or patient.time_left < LEFT:
            continue
        if min(matrix(weight).shape) * weight.numel() > LARGEST:
            large += 1
            continue
        values = spectrum(weight).cpu()
        if len(values) < LEAST or not float(values[0]) > 0:
            continue
        energy = values.double().square()
        used = int((energy.cumsum(0) < ENERGY * energy.sum()).sum()) + 1
        rows[name] = {
            "values": [float(f"{value:.{DIGITS}g}") for value in values.tolist()],
            "used": used,
            "stable_rank": float(energy.sum() / energy[0]),
        }
    return {"spectra": rows, "too_large": large} if rows else None


def told(found: Mapping[str, Any]) -> Evidence:
    rows = found["spectra"]
    thin = min(rows, key=lambda name: rows[name]["used"] / len(rows[name]["values"]))
    long = max(rows, key=lambda name: rows[name]["values"][0])
    large = f" {found['too_large']} were too large to be taken apart." if found["too_large"] else ""
    return Evidence(
        f"Of {len(rows)} kernels {long} stretches most, up to {rows[long]['values'][0]:.3g} times, and {thin} uses "
        f"fewest of its directions: {ENERGY:.0%} of its energy lie in "
        f"{rows[thin]['used']} of {len(rows[thin]['values'])}.{large}",
        dict(found),
    )
