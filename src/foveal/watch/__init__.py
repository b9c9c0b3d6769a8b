"""What is seen of a network while it learns, at a cost that is measured and kept small."""

from __future__ import annotations

SHARE = 0.02
"""Share of the training time that watching may take."""
DENSE = 50
"""First steps of training, each of which is looked at where the cost allows; later every 64 to 256."""

MEASURES = {
    "weight_mean": "mean of the layer's weights (the kernel, or a norm's scale)",
    "weight_std": "their standard deviation",
    "weight_norm": "their length",
    "weight_max": "the largest of them, without sign",
    "sigma_max": "largest singular value of the kernel as a matrix, outputs by all that each output sees",
    "grad_norm": "length of their gradient, as the optimizer is given it",
    "grad_rms": "its root mean square",
    "grad_zero": "share of its entries that are exactly 0",
    "update_ratio": "length of what the optimizer step changed, of the weights' length before it",
    "out_mean": "mean of what the layer gives",
    "out_std": "standard deviation of it, over the batch and all places",
    "out_max": "the largest of it, without sign",
    "out_zero": "share of it that is exactly 0",
    "dead": "rectifiers: share of the channels that are 0 for every picture of the batch, everywhere",
    "saturated": "sigmoid, tanh: share of it within 0.02 of a limit",
    "alike": "share of the variance of what it gives that is between pictures: 0 where all pictures look the same",
    "forward_gain": "out_std of that of what it is given",
    "backward_gain": "length of the gradient at what it is given, of that at what it gives",
    "nonfinite": (
        "how many of the lengths of its weight and gradient, and of the channels it gives, picture by picture, are not "
        "finite; left out where all are"
    ),
}
"""What a layer's numbers in `events.Watched.layers` say; one that does not apply, or was not taken, is not there."""

WHOLE = {
    "grad_norm": "length of the whole gradient, before it was clipped",
    "clipped": "1 where the step's gradient was shortened by `clip`, else 0",
    "weight_norm": "length of all trained weights",
    "update_ratio": "length of the step's change, of that",
    "grad_noise": "pictures a batch at which the gradient's noise is as long as the gradient (simple noise scale)",
    "skipped": "1 where half precision's scaler let the step pass, else 0",
    "probe_loss": "loss on the same few training pictures each time, in evaluation mode",
    "probe_loss_train": "the same in training mode, running statistics untouched",
    "outputs_mean": "mean of the network's outputs, where they are one tensor",
    "outputs_std": "their standard deviation",
}
"""What the numbers in `events.Watched.norms` say."""

EDGES = tuple(round(-8 + n * 0.25, 2) for n in range(49))
"""Edges of the histograms' bins, decimal logarithms of sizes without sign; the first bin also holds all below, and
zeros, the last all above."""
