"""What the fourth stranger's faults were drawn from: stages of a project, and what is known to go wrong in each.

From the taxonomies and operators of Humbatova et al. 2020, Islam et al. 2019 and 2020, Zhang et al. 2018, DeepCrime
(Humbatova et al. 2021), AutoTrainer, DeepFD, NeuraLint and UMLAUT, and from what forums are asked about CNNs.
"""

from __future__ import annotations

import numpy as np

SEED, COUNT = 4, 60
GRID = {
    "files": "truncated wrapped sheared thumbnails negatives palette",
    "labels": "people filtered-list number-order three-guessed random-annotator spelling",
    "split": "copies varied-before same-object class-order shares-exchanged conditions",
    "augmentation": "turns crops hue mirror cut-out noise pasted",
    "scale": "divided-twice raw-in-evaluation blue-first-in-evaluation per-picture-in-training grey-in-evaluation raw "
             "centred-twice",
    "layers": "linear strided-away one-unit plain-deep skips-pixels flattened-wrong",
    "activations": "sigmoids steep-tangents rectified-logits hidden-softmax hard-sigmoid squares shifted-rectifier",
    "initialisation": "zeros ones normal-1 tiny positive huge-head",
    "normalisation": "momentum-0 untrained-frozen eps batch-statistics home-made zero-gain",
    "residual": "overwritten doubled unnormed-sum product",
    "head": "softmax sigmoid no-logarithm softmax-0 cooled",
    "loss": "squares-of-index one-output sum sign inverted-weights ones-for-others",
    "optimizer": "not-zeroed not-stepped lacks-parameters eps momentum betas-swapped seldom-stepped",
    "rate": "too-high too-low decays-fast constant-high warm-up-only ends-at-peak",
    "freezing": "untrained-backbone tuned-too-fast wrong-preset foreign-frozen head-frozen norms-only",
    "regularisation": "decay dropout smoothing l1 clip gradient-noise mixup-short",
    "batches": "one sorted same-few too-large labels-apart first-part inverted-sampler",
    "imbalance": "two-dominate long-tail one-rare",
    "evaluation": "other-batch training-mode varied class-order argmin",
    "stopping": "patience few-epochs patience-noisy",
    "input": "covered constant-channel shuffled-pixels",
    "confounders": "corner-tag background border",
}  # fmt: skip


def drawn() -> list[tuple[str, str]]:
    """Stage and operator of each fault, in the order in which they were drawn."""
    cells = [(stage, operator) for stage, told in GRID.items() for operator in told.split()]
    return [cells[n] for n in np.random.default_rng(SEED).permutation(len(cells))[:COUNT]]


if __name__ == "__main__":
    print("\n".join(f"{stage}: {operator}" for stage, operator in sorted(drawn())))
