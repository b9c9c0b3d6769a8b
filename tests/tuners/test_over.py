"""What the user wants tuned, as it is typed."""

from __future__ import annotations

from typing import Any

import pytest

from foveal.errors import OptionError
from foveal.tuners.over import ranges


def one(text: str) -> Any:
    (found,) = ranges([text])
    return found


def test_each_way_to_write_a_range() -> None:
    rate = one("lr=log(1e-4,1e-1)")
    assert (rate.name, rate.low, rate.high, rate.scale) == ("lr", 1e-4, 1e-1, "log")
    assert one("--lr=1e-4..1e-1").scale == "log", "the option's own scale"
    assert one("lr = linear( 0.01, 0.1 )").scale == "linear"
    momentum = one("momentum=0.8..0.99")
    assert (momentum.low, momentum.high, momentum.scale) == (0.8, 0.99, "rest")
    assert one("network=resnet18,densenet121").choices == ("resnet18", "densenet121")
    assert one("weight-decay=1e-5,1e-4,0").choices == (1e-5, 1e-4, 0.0)
    assert one("flip=yes,no").choices == (True, False)
    batch = one("batch=16..128")
    assert (batch.low, batch.whole) == (16, True)
    assert one("freeze=never,2").choices == ("never", 2)


def test_what_the_user_gave_is_never_widened() -> None:
    rate = one("lr=1e-3..1e-2")
    assert (rate.least, rate.most) == (rate.low, rate.high)


def test_in_python_values_are_values() -> None:
    found = ranges({"lr": (1e-3, 1e-1), "batch": [16, 32], "augment": "none,light", "momentum": "0.8..0.9"})
    rate, batch, augment, momentum = found
    assert (rate.low, rate.high, rate.scale) == (1e-3, 1e-1, "log")
    assert batch.choices == (16, 32)
    assert augment.choices == ("none", "light")
    assert momentum.scale == "rest"


def test_a_strength_is_tried_only_beside_what_it_belongs_to() -> None:
    _, strength = ranges(["augment=light,randaugment", "magnitude=2..18"])
    assert strength.when == ("augment", ("randaugment",))
    assert one("magnitude=2..18").when is None, "then the user fixes the rest"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr", "An option's name, =, and what to try"),
        ("lr=", "An option's name"),
        ("learnrate=1..2", "no option called"),
        ("lr=0.1", "one value"),
        ("lr=log(0,1)", "lr"),
        ("lr=0.1..0.01", "The smaller end first"),
        ("momentum=0.5..1.5", "momentum"),
        ("network=resnet18..densenet121", "no numbers"),
        ("network=resnet18,resnet19x", "network"),
        ("epochs=5..10", "equal shares of the same schedule"),
        ("seed=1,2", "no better than another"),
        ("folds=2,3", "one training"),
        ("out=a,b", "not how"),
        ("trials=2,3", "not how"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_three_parts(text: str, says: str) -> None:
    with pytest.raises(OptionError) as error:
        ranges([text])
    assert says in str(error.value)
    assert all(part.strip() for part in (error.value.came, error.value.allowed, error.value.todo))


def test_an_option_is_tuned_once() -> None:
    with pytest.raises(OptionError, match="twice"):
        ranges(["lr=1e-3..1e-2", "lr=1e-4..1e-3"])
