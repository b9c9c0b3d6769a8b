"""Parameters and multiply-adds of networks, beside what fvcore and torchinfo count.

    pip install fvcore torchinfo
    python benchmarks/counts.py [NAME ...] [--size 224]

NAMEs are timm's. Theirs are given as shares of ours. fvcore counts normalisation and means as well, and not what
it names below each line; torchinfo counts a linear layer on tokens once, not for each token, and no attention.
Ours is half of what torch's own table of formulas gives, to which the tests hold it.
"""

from __future__ import annotations

import argparse
import logging
import warnings

import timm
import torch
from measure import machine, versions

from foveal.structure.anatomy import anatomy_of
from foveal.structure.graph import trace

NAMES = (
    *("efficientnet_b0", "mobilenetv3_large_100", "regnety_004", "convnext_atto", "resnext50_32x4d"),
    *("densenet121", "repvgg_a0", "vit_tiny_patch16_224", "mixer_s32_224", "ghostnet_100"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--size", type=int, default=224)
    args = parser.parse_args()
    from fvcore.nn import FlopCountAnalysis
    from torchinfo import summary

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    print(
        f"{'network':24} {'parameters':>12} {'torchinfo':>12} {'multiply-adds':>14} {'fvcore':>8} {'torchinfo':>9}"
    )
    for name in args.names:
        net = timm.create_model(name).eval()
        shape = (1, 3, args.size, args.size)
        found = anatomy_of(net, trace(net, shape))
        counted = FlopCountAnalysis(net, torch.zeros(shape))
        told = summary(net, shape, verbose=0)
        print(
            f"{name:24} {found.parameters:12,} {told.total_params / found.parameters:12.4f} "
            f"{found.multiply_adds:14,} {counted.total() / found.multiply_adds:8.4f} "
            f"{told.total_mult_adds / found.multiply_adds:9.4f}",
            flush=True,
        )
        left = {k: v for k, v in counted.unsupported_ops().items() if "pool" not in k}
        print(
            f"    fvcore does not count {', '.join(f'{k} ({v})' for k, v in sorted(left.items())) or 'nothing'}"
        )
    print("\ntheirs over ours")
    print(machine())
    print(versions("timm", "fvcore", "torchinfo", "foveal"))


if __name__ == "__main__":
    main()
