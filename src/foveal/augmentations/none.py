"""Training pictures as they are: the evaluation view."""

from ..contracts import View
from ..data.views import evaluation_view
from ..values import Facts, Preprocessing

SOURCE = "the control of every study of augmentation"


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """The evaluation view; `flip`, `scratch` and `facts` change nothing."""
    return evaluation_view(preprocessing)
