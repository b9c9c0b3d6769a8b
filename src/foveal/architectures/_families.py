"""What is known of torchvision's families of networks, by the beginning of their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Networks that share a paper and their parts.

    `head` is the last layer. `stem` is the first convolution and the pooling after it, where the first layers
    shrink the picture four times or more before the first block (no pooling, where the convolution alone
    does). `least` is the side in pixels below which the published form cannot be trained, where that is more
    than 32.
    """

    start: str
    head: str
    year: int
    """In which the paper was first published."""
    paper: str
    idea: str
    stem: tuple[str, str | None] | None = None
    least: int = 32
    note: str = ""


FAMILIES = (
    Family(
        "alexnet", "classifier.6", 2012,
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
        "Five convolutions and three dense layers with rectifiers and dropout, trained on graphics cards: what "
        "learned features can do was seen here.",
        ("features.0", None), least=63,
        note="torchvision's is the one-column form of Krizhevsky 2014, without response normalisation; from scratch it "
        "is drawn as He et al. 2015 do.",
    ),
    Family(
        "vgg", "classifier.6", 2014, "Simonyan & Zisserman 2015, Very Deep Convolutional Networks",
        "Nothing but 3x3 convolutions, many of them: two see as far as one of 5x5, with fewer parameters.",
        note="Names that end in bn have batch normalisation, which came a year later.",
    ),
    Family(
        "googlenet", "fc", 2014, "Szegedy et al. 2015, Going Deeper with Convolutions",
        "Kernels of several sizes side by side (the Inception block), made cheap by 1x1 convolutions before them, "
        "and auxiliary heads that bring gradients to the middle.",
        ("conv1.conv", "maxpool1"),
        note="torchvision's has batch normalisation, and 3x3 kernels where the paper has 5x5.",
    ),
    Family(
        "inception_v3", "fc", 2015, "Szegedy et al. 2016, Rethinking the Inception Architecture",
        "Large kernels split into rows and columns (1x7, then 7x1), which costs less and sees as far.",
        ("Conv2d_1a_3x3.conv", "maxpool1"), least=75,
    ),
    Family(
        "resnet", "fc", 2015, "He et al. 2016, Deep Residual Learning",
        "Shortcuts around pairs of convolutions, so that depth stops hurting.",
        ("conv1", "maxpool"),
    ),
    Family(
        "resnext", "fc", 2016, "Xie et al. 2017, Aggregated Residual Transformations",
        "Residual blocks of many narrow paths side by side, written as one grouped convolution.",
        ("conv1", "maxpool"),
    ),
    Family(
        "wide_resnet", "fc", 2016, "Zagoruyko & Komodakis 2016, Wide Residual Networks",
        "Residual blocks that are wider rather than more: as accurate, and faster.",
        ("conv1", "maxpool"),
    ),
    Family(
        "densenet", "classifier", 2016, "Huang et al. 2017, Densely Connected Convolutional Networks",
        "Every layer of a block sees the outputs of all before it, so that each needs to add only a few channels.",
        ("features.conv0", "features.pool0"),
    ),
    Family(
        "squeezenet", "classifier.1", 2016, "Iandola et al. 2016, SqueezeNet",
        "Channels are squeezed by 1x1 convolutions before every 3x3 one: AlexNet's accuracy with a fiftieth of "
        "its parameters.",
        ("features.0", "features.2"),
        note="Biases of the head begin at 1, not 0: behind it stands a rectifier, which else silences classes.",
    ),
    Family(
        "mobilenet_v2", "classifier.1", 2018, "Sandler et al. 2018, MobileNetV2",
        "Blocks that are narrow outside and wide inside, with one kernel a channel: made for phones.",
    ),
    Family(
        "mobilenet_v3", "classifier.3", 2019, "Howard et al. 2019, Searching for MobileNetV3",
        "MobileNetV2's blocks arranged by a search on a phone, with channels weighted by what is in the picture.",
    ),
    Family(
        "shufflenet_v2", "fc", 2018, "Ma et al. 2018, ShuffleNet V2",
        "Half of the channels pass a block untouched, then they are shuffled: cheap by the clock, not just by count.",
        ("conv1.0", "maxpool"),
    ),
    Family(
        "mnasnet", "classifier.1", 2018, "Tan et al. 2019, MnasNet",
        "Layers chosen by a search that measures the time on a phone beside the accuracy.",
    ),
    Family(
        "efficientnet_v2", "classifier.1", 2021, "Tan & Le 2021, EfficientNetV2",
        "EfficientNet searched again for fast training: plain convolutions early, separable ones late.",
    ),
    Family(
        "efficientnet", "classifier.1", 2019, "Tan & Le 2019, EfficientNet",
        "Depth, width and picture size grow together by one rule, from a small network found by search.",
    ),
    Family(
        "regnet", "fc", 2020, "Radosavovic et al. 2020, Designing Network Design Spaces",
        "Widths that grow in a straight line with depth: what the good ones of many random networks had in common.",
    ),
    Family(
        "convnext", "classifier.2", 2022, "Liu et al. 2022, A ConvNet for the 2020s",
        "A ResNet brought step by step to the choices of transformers: 7x7 kernels, one a channel, and few norms.",
        ("features.0.0", None),
    ),
    Family(
        "vit", "heads.head", 2020, "Dosovitskiy et al. 2021, An Image Is Worth 16x16 Words",
        "No convolutions but one: the picture is cut into patches, and each attends to all others.",
    ),
    Family(
        "swin_v2", "head", 2021, "Liu et al. 2022, Swin Transformer V2",
        "The Swin transformer with norms behind its blocks and attention by angle, so that it can be made large.",
    ),
    Family(
        "swin", "head", 2021, "Liu et al. 2021, Swin Transformer",
        "Attention within small windows that shift from block to block, in stages that shrink as a ResNet's do.",
    ),
    Family(
        "maxvit", "classifier.5", 2022, "Tu et al. 2022, MaxViT",
        "Each block has a convolution, attention within windows, and attention on a wide grid.",
    ),
)  # fmt: skip


def family_of(name: str) -> Family:
    """The family that a network belongs to."""
    return next(family for family in FAMILIES if name.startswith(family.start))
