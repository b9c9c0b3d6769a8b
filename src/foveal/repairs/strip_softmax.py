"""Takes a softmax, a sigmoid or a rectifier off the end of a network."""

from __future__ import annotations

from torch import nn

SOURCE = "PyTorch, CrossEntropyLoss: the input is expected to contain the unnormalized logits for each class"
ENDS = (
    nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.ReLU, nn.ReLU6,
)  # fmt: skip


def mended(network: nn.Module) -> nn.Module:
    """The network whose last module of this kind, after its last weights, passes on what it gets.

    Raises:
        ValueError: there is none.
    """
    names = [name for name, module in network.named_modules() if not any(True for _ in module.children())]
    for name in reversed(names):
        module = network.get_submodule(name)
        if isinstance(module, ENDS):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, nn.Identity())
            return network
        if any(True for _ in module.parameters()):
            break
    raise ValueError(
        "its last layer is no softmax, sigmoid or rectifier of its own: take it out of the network's code"
    )
