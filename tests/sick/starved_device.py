"""Nearly all of five minutes went into decoding."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import trained


def staged() -> Case:
    spent = {
        "prepare": 2.0,
        "decode": 250.0,
        "augment": 12.0,
        "forward": 9.0,
        "backward": 18.0,
        "optimizer": 2.0,
    }
    return trained(epochs=1, result={"spent": spent, "seconds": 300.0}, said={"cache": "off"})
