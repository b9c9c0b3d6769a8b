"""Score-CAM: a layer's maps, each weighted by the logits that the picture keeps where the map is strong."""

from __future__ import annotations

import torch

from ..contracts import Maps
from ..structure.look import MOST, Look
from ..structure.placing import spread

SOURCE = "Wang et al. 2020, Score-CAM: Score-Weighted Visual Explanations, definitions 1 and 2; its scores otherwise"
CANNOT = (
    "It is as coarse as the layer, and takes each channel on its own: what only channels together say is lost. "
    "Pictures seen through a map are unlike those the network has learned from."
)
LAYER = True
SAYS = (
    "Scores are logits beside those of a blank picture, and stay as they are; the paper takes probabilities after "
    "the softmax, which tasks without classes do not have."
)


def explain(look: Look) -> Maps:
    """The weighted sum before its rectifier. A channel's weight is the score of the picture times the channel's
    map, which is enlarged and brought to 0..1, less that of a picture of the training pictures' mean colour.
    Channels that are the same everywhere show nothing, and weigh nothing."""
    place = look.layer
    values = look.at(place).values
    grid, size = look.subject.drawn(place), look.subject.size
    blank = look.score(torch.zeros_like(look.images))
    weights = values.new_zeros(values.shape[:2])
    low, high = values.amin((2, 3)), values.amax((2, 3))
    live = (high > low).nonzero().tolist()
    for start in range(0, len(live), MOST):
        pictures, channels = (list(side) for side in zip(*live[start : start + MOST], strict=True))
        map_, least = values[pictures, channels], low[pictures, channels][:, None, None]
        masks = spread((map_ - least) / (high[pictures, channels][:, None, None] - least), grid, size)
        scores = look.score(look.images[pictures] * masks[:, None], pictures)
        weights[pictures, channels] = scores - blank[pictures]
    cells = (weights[:, :, None, None] * values).sum(1)
    return Maps("for", "logits times the layer's values", cells=cells, place=place, says=(SAYS,))
