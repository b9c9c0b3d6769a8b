"""Scale, place, mirror images and a little colour, of pictures with boxes and masks."""

from torchvision.transforms import v2

from ..contracts import View
from ..values import Facts, Preprocessing
from ._jitter import Colour, Jitter

SOURCE = (
    "scales 0.5 to 2: Chen et al. 2018, DeepLabv3+, section 4; jitter of scale for objects: Ghiasi et al. 2021, "
    "Simple Copy-Paste, section 3"
)
SCALES = (0.5, 2.0)


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """The whole picture at half to twice the size at which it fits, somewhere on the canvas, perhaps mirrored."""
    steps: list[object] = [Jitter(preprocessing, SCALES)]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    view: View = v2.Compose([*steps, Colour()])
    return view
