"""Networks that cannot learn as they are built or drawn."""

from __future__ import annotations

from ..rows import Fault

LITTLE = ("loss_stuck", "underfitting", "cannot_fit", "updates_too_small", "rate_too_low")
DRAWN = "bad_initialisation"

FAULTS: tuple[Fault, ...] = (
    Fault("sigmoids-12", "twelve layers of sigmoids", "digits-plain", ("vanishing", "saturation", DRAWN), LITTLE,
          network="sigmoids", source="AutoTrainer, DeepDiagnosis"),
    Fault("sigmoids-12-adam", "twelve layers of sigmoids, AdamW", "patterns-unnormed", ("vanishing", "saturation",
          DRAWN), LITTLE, network="sigmoids", source="AutoTrainer, DeepDiagnosis"),
    Fault("sigmoids-12-letters", "twelve layers of sigmoids, AdamW", "letters-unnormed", ("vanishing", "saturation",
          DRAWN), LITTLE, network="sigmoids", held_out=True),
    Fault("plain-20", "twenty convolutions without norms, as torch draws them", "digits-unnormed", ("vanishing",
          DRAWN), LITTLE, network="staged/default-deep"),
    Fault("plain-20-fashion", "twenty convolutions without norms, as torch draws them", "fashion", ("vanishing",
          DRAWN), LITTLE, network="staged/default-deep", options={"lr": 2e-3, "size": 16}, held_out=True),
    Fault("constant", "every weight 0.01", "digits-unnormed", (DRAWN,), (*LITTLE, "vanishing"),
          network="staged/constant", source="TheDeepChecker; DeepCrime WCI"),
    Fault("constant-letters", "every weight 0.01, AdamW", "letters-unnormed", (DRAWN,), (*LITTLE, "vanishing"),
          network="staged/constant", held_out=True),
    Fault("huge", "weights drawn 12 times too large", "digits-unnormed", (DRAWN,),
          ("exploding", "not_finite", "rate_too_high", "updates_too_large", "dead_units", "saturation", *LITTLE),
          network="staged/huge", source="TheDeepChecker (std 0.25)"),
    Fault("huge-patterns", "weights drawn 12 times too large, AdamW", "patterns-unnormed", (DRAWN,),
          ("exploding", "not_finite", "rate_too_high", "updates_too_large", "saturation", *LITTLE),
          network="staged/huge"),
    Fault("tiny-weights", "weights drawn 50 times too small", "digits-unnormed", (DRAWN, "vanishing"), LITTLE,
          network="staged/tiny-weights"),
    Fault("dead", "rectifiers whose biases begin at -10", "digits-unnormed", ("dead_units", DRAWN), LITTLE,
          network="staged/dead", source="TheDeepChecker"),
    Fault("dead-letters", "rectifiers whose biases begin at -10, AdamW", "letters-unnormed", ("dead_units", DRAWN),
          LITTLE, network="staged/dead", held_out=True),
    Fault("saturated", "tangents fed by weights 25 times too large", "digits-tanh", ("saturation", DRAWN),
          (*LITTLE, "vanishing"), network="staged/saturated"),
    Fault("blind", "the picture is multiplied by 0", "digits", ("input_ignored",), LITTLE, network="staged/blind"),
    Fault("blind-letters", "the picture is multiplied by 0", "letters", ("input_ignored",), LITTLE,
          network="staged/blind", held_out=True),
    Fault("bottleneck", "one convolution of one channel", "patterns", ("underfitting",), ("loss_stuck", "cannot_fit"),
          network="bottleneck"),
    Fault("linear-only", "no activations", "patterns", ("underfitting",), ("cannot_fit", "loss_stuck"),
          network="linear-only", source="UMLAUT; DeepCrime ARM"),
    Fault("norms-removed", "the norms taken out, the rate kept", "patterns-mobile",
          (DRAWN, "rate_too_high", "exploding", "vanishing", "updates_too_large"), (*LITTLE, "not_finite",
          "dead_units"), network="staged/default-deep", options={"lr": 0.02}, source="TheDeepChecker"),
    Fault("exponentials", "exponentials for activations", "digits-unnormed", ("exploding", "not_finite", DRAWN),
          ("rate_too_high", "updates_too_large", *LITTLE), network="staged/exponential",
          source="AutoTrainer"),
    Fault("rooted", "a square root at 0, whose gradient is infinite", "digits-unnormed", ("not_finite", "exploding"),
          (), network="staged/rooted"),
    Fault("hidden-softmax", "softmax for the hidden activations", "digits-unnormed", ("vanishing", "saturation",
          "softmax_twice", DRAWN, "softmax_inside"), LITTLE, network="staged/hidden-softmax", source="TheDeepChecker"),
)  # fmt: skip
