"""Deconvolution: back through the network with rectifiers that do not ask what went forward."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._channels import STEP, strongest
from ._rectified import by_rule

SOURCE = "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 2.1"
CANNOT = (
    "It draws what the layers could have seen rather than what they saw: with other weights or another target it "
    "looks much the same (Mahendran & Vedaldi 2016, Nie et al. 2018)."
)
LAYER = False


def explain(look: Look) -> Maps:
    """At each pixel the value of the channel where it is largest, with its sign.

    Raises:
        OptionError: the network has no rectifiers.
    """
    gradient, rectifiers = by_rule(look, "deconvolution")
    return Maps("size", STEP, pixels=strongest(gradient), rectifiers=rectifiers)
