"""Three convolutions and a linear layer."""

from torch import Tensor, nn

SOURCE = "an example of a network of one's own"


class ThreeLayers(nn.Module):
    def __init__(self, outputs: int, channels: int, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), nn.ReLU()),
        )
        self.fc = nn.Linear(4 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.features(x).mean((2, 3)))
        return out


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """The network with random weights: pictures `B, channels, size, size` in, logits `B, outputs` out."""
    return ThreeLayers(outputs, channels)


def head(name: str) -> str:
    """The name of the last layer, which is made anew for other labels."""
    return "fc"


def weights(name: str, wanted: str | None) -> None:
    """There are no pretrained weights."""
    return
