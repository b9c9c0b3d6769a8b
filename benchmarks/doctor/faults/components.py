"""One component of the network or the loss is wrong."""

from __future__ import annotations

from ..rows import Fault

LITTLE = ("loss_stuck", "underfitting", "cannot_fit", "updates_too_small", "rate_too_low")
TWICE = ("softmax_twice",)

FAULTS: tuple[Fault, ...] = (
    Fault("softmax-end", "the network ends with a softmax of its own", "digits", TWICE, LITTLE,
          network="staged/softmax-end"),
    Fault("softmax-end-plain", "the network ends with a softmax of its own, nothing normalises", "patterns-unnormed",
          TWICE, LITTLE, network="staged/softmax-end-plain"),
    Fault("softmax-end-letters", "the network ends with a softmax of its own", "letters-unnormed", TWICE, LITTLE,
          network="staged/softmax-end-plain", held_out=True),
    Fault("relu-end", "the network ends with a rectifier", "digits-unnormed", ("dead_units", "wrong_loss"), LITTLE,
          network="staged/relu-end", source="Stack Overflow 47352366, in DeepLocalize"),
    Fault("softmax-in-the-task", "the task takes a softmax before the cross-entropy", "digits-plain", TWICE, LITTLE,
          patch="softmax-in-the-task", source="TheDeepChecker"),
    Fault("sigmoid-in-the-task", "the task takes a sigmoid before the cross-entropy", "fashion-lenet",
          (*TWICE, "wrong_loss"), LITTLE, patch="sigmoid-in-the-task", held_out=True),
    Fault("softmax-over-the-batch-letters", "the softmax runs over the batch", "letters", ("softmax_wrong_axis",),
          (*LITTLE, "examples_mix", "wrong_loss"), patch="softmax-over-the-batch", held_out=True),
    Fault("no-softmax", "the likelihood of raw logits", "digits-plain", ("softmax_missing", "wrong_loss"),
          (*LITTLE, "not_finite", "exploding"), patch="no-softmax", source="TheDeepChecker"),
    Fault("no-softmax-letters", "the likelihood of raw logits, AdamW", "letters", ("softmax_missing", "wrong_loss"),
          (*LITTLE, "not_finite", "exploding"), patch="no-softmax", held_out=True),
    Fault("no-logarithm", "shares where their logarithms were meant", "patterns-unnormed", ("softmax_missing",
          "wrong_loss"), LITTLE, patch="log-of-the-loss-missing"),
    Fault("number-of-the-class", "squares to the class's number", "digits-plain", ("wrong_loss",), LITTLE,
          patch="number-of-the-class", source="TheDeepChecker; DeepCrime LCH"),
    Fault("number-of-the-class-fashion", "squares to the class's number", "fashion", ("wrong_loss",), LITTLE,
          patch="number-of-the-class", held_out=True),
    Fault("squares-of-shares", "squares of the softmax's shares", "digits-plain", ("wrong_loss", "softmax_twice"),
          LITTLE, patch="squares-of-shares", source="DeepCrime LCH"),
    Fault("summed", "the loss summed over the batch", "digits-plain", ("sum_for_mean",),
          ("rate_too_high", "updates_too_large", "exploding", "not_finite", "oscillation", "loss_stuck",
           "dead_units"), patch="summed", source="TheDeepChecker"),
    Fault("sign", "the loss climbed", "digits", ("wrong_loss", "loss_stuck", "cannot_fit"), ("exploding",
          "not_finite", "rate_too_high", "updates_too_large", "metric_disagrees"), patch="sign"),
    Fault("stale", "batch normalisation whose running statistics never move", "digits", ("batchnorm_stale",),
          ("modes_disagree",), network="staged/stale", source="TheDeepChecker"),
    Fault("stale-letters", "batch normalisation whose running statistics never move", "letters", ("batchnorm_stale",),
          ("modes_disagree",), network="staged/stale", held_out=True),
    Fault("turned", "a layer hands its gradient down with the wrong sign", "digits-unnormed", ("cannot_fit",),
          (*LITTLE, "exploding", "dead_units", "updates_too_large", "rate_too_high"), network="staged/turned",
          source="TheDeepChecker"),
    Fault("detached", "a detached tensor: nothing before the head learns", "digits-narrow",
          ("optimizer_lacks_parameters", "frozen_by_mistake", "vanishing"), LITTLE, network="staged/detached"),
    Fault("reshaped", "channels and pictures exchanged by a reshape", "patterns", ("examples_mix",), LITTLE,
          network="staged/reshaped"),
    Fault("reshaped-letters", "channels and pictures exchanged by a reshape", "letters", ("examples_mix",), LITTLE,
          network="staged/reshaped", held_out=True),
    Fault("gated", "a gate whose softmax runs over the batch", "patterns", ("examples_mix", "softmax_wrong_axis"),
          ("modes_disagree",), network="staged/gated"),
)  # fmt: skip
