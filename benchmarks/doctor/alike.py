"""Names of illnesses that a fault may be called by, where several are right."""

RATE = ("rate_too_high", "updates_too_large")
SLOW = ("rate_too_low", "updates_too_small")
LITTLE = ("loss_stuck", "underfitting", "cannot_fit", "stopped_too_early")
WILD = ("not_finite", "exploding", "oscillation", "dead_units", "saturation", "loss_stuck", "underfitting")
UNUSED = ("optimizer_lacks_parameters", "frozen_by_mistake")
DRAWN = "bad_initialisation"
OTHER = ("split_preprocessing",)
SCALE = ("input_not_normalised", "input_normalised_twice")
LEAK = ("leak", "suspiciously_good")
