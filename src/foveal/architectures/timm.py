"""Everything timm has, as timm/NAME or timm/NAME.TAG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import ModelError, OfflineError, UnknownNameError
from ..values import Preprocessing

SOURCE = "Wightman 2019, PyTorch Image Models"
NAMES = ("timm/",)


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Logits `B, outputs` from `B, channels, H, W`.

    Raises:
        UnknownNameError: timm has no such network.
        ModelError: the network cannot be built for these channels or this size.
    """
    import timm

    _known(name)
    options: dict[str, Any] = {"num_classes": outputs, "in_chans": channels}
    if _config(name).fixed_input_size:
        options["img_size"] = size
    try:
        network: nn.Module = timm.create_model(_bare(name), pretrained=False, **options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"timm cannot build {name} for {channels} channels and {size} px: {error}",
            "Sizes and channels that the network was made for (its published size is the safe one).",
            "Choose another --size, --channels or --network.",
        ) from error
    return network


def head(name: str) -> str:
    classifier = _config(name).classifier
    return classifier if isinstance(classifier, str) else classifier[0]


@dataclass(frozen=True)
class Published:
    """The pretrained weights of one timm network, downloaded on use."""

    name: str

    @property
    def source(self) -> str:
        config = _config(self.name)
        return f"timm {self.name}, {config.hf_hub_id or config.url}"

    @property
    def licence(self) -> str:
        return str(_config(self.name).license or "not stated")

    @property
    def labels(self) -> tuple[str, ...]:
        from torchvision.models import ResNet18_Weights

        names = tuple(ResNet18_Weights.DEFAULT.meta["categories"])
        return names if _config(self.name).num_classes == len(names) else ()

    @property
    def preprocessing(self) -> Preprocessing:
        c = _config(self.name)
        size, mean, std = c.input_size[1], tuple(c.mean), tuple(c.std)
        linear = c.interpolation == "bilinear"
        return Preprocessing(size, 3, mean, std, "bilinear" if linear else "bicubic", c.crop_pct)

    def state(self) -> Mapping[str, Tensor]:
        """The tensors by timm's own names.

        Raises:
            OfflineError: they could not be downloaded.
        """
        import timm

        try:
            return dict(timm.create_model(_bare(self.name), pretrained=True).state_dict())
        except Exception as error:  # the hub's client has errors of its own, of many kinds
            raise OfflineError(
                f"The weights of {self.name} could not be downloaded: {type(error).__name__}: "
                f"{str(error).splitlines()[0][:200] if str(error) else ''}",
                "A network connection to the Hugging Face hub, or the weights in its cache already.",
                "Give a weights file with --weights FILE, or train from scratch with --no-pretrained.",
            ) from error


def weights(name: str, wanted: str | None) -> Published | None:
    """The network's weights by tag (`timm/resnet18.a1_in1k`), or its default ones."""
    target = wanted or name
    target = target if target.startswith("timm/") else f"{name.partition('.')[0]}.{target}"
    import timm

    if not timm.is_model_pretrained(_bare(target)):
        return None
    return Published(target)


def _bare(name: str) -> str:
    return name.removeprefix("timm/")


def _known(name: str) -> None:
    import timm

    if not timm.is_model(_bare(name)):
        raise UnknownNameError("timm network", name, [f"timm/{n}" for n in timm.list_models()])


def _config(name: str) -> Any:
    """timm's description of the pretrained weights (also where there are none)."""
    import timm

    _known(name)
    return timm.get_pretrained_cfg(_bare(name), allow_unregistered=True)
