"""torchvision's MNASNet, which loads plain tables of tensors as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchvision.models import mnasnet


class MNASNet(mnasnet.MNASNet):  # type: ignore[misc]
    """torchvision's refuses tensors without a version beside them, and rebuilds itself for those of version 1;
    all that is published today has version 2."""

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, local_metadata: Mapping[str, Any], *more: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "version": 2}, *more)
