"""A look: scores, units, pixels, and passes that are made once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import looking
from foveal.errors import OptionError
from foveal.structure.look import MOST, Look
from foveal.structure.subject import Subject
from foveal.values import Preprocessing, Target
from looking import TASK, noise, targets, twins

PRE = Preprocessing(32, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject.of(twins()[1], (1, 3, 32, 32))


def test_scores_are_the_networks_own(subject):
    images = noise(3)
    with torch.no_grad():
        outputs = subject.network(images)
    plain = TASK.score(outputs, targets(3))
    assert torch.equal(plain, torch.stack([outputs[0, 0], outputs[1, 1] - outputs[1, 3], outputs[2, 2]]))
    with looking.looking(subject, images) as look:
        assert torch.allclose(look.scores, plain, atol=1e-6)
    with looking.looking(subject, images) as look:
        look.at(look.layer)  # scored on the way
        assert torch.allclose(look.scores, plain, atol=1e-6)


def test_many_pictures_are_scored_in_pieces_by_the_targets_of_these(subject):
    images = noise(2 * MOST + 3, seed=1)
    which = [n % 2 for n in range(len(images))]
    with looking.looking(subject, noise(2)) as look:
        found = look.score(images, which)
    with torch.no_grad():
        plain = TASK.score(subject.network(images), [targets(2)[n] for n in which])
    assert torch.allclose(found, plain, atol=1e-5)


def test_a_units_score_is_its_value(subject):
    images, place = noise(2), subject.place_of("inner")
    mean, cell = Target(layer="inner", channel=3), Target(layer="inner", channel=3, cell=(4, 5))
    with looking.looking(subject, images, [mean] * 2) as look:
        scores = look.scores
        maps = look.at(place)
    assert torch.allclose(scores, maps.values[:, 3].mean((1, 2)))
    assert torch.allclose(maps.gradients[:, 3], torch.tensor(1 / 256))
    assert not maps.gradients[:, :3].any()
    with looking.looking(subject, images, [cell] * 2) as look:
        assert torch.allclose(look.scores, maps.values[:, 3, 4, 5])


def test_the_layer_drawn_is_the_last_before_what_is_explained(subject):
    images = noise(1)
    with looking.looking(subject, images) as look:
        assert look.layer == subject.last_map
    with looking.looking(subject, images, [Target(layer="inner", channel=0)]) as look:
        assert look.layer == subject.place_of("inner")
    with looking.looking(subject, images, [Target(layer="fc", channel=0)]) as look:
        assert look.layer == subject.last_map
    with looking.looking(subject, images, place=subject.place_of("left")) as look:
        assert look.layer == subject.place_of("left")


@pytest.mark.parametrize("layer", ["last", "right"])
def test_a_layer_behind_the_unit_or_beside_it_is_refused(subject, layer):
    with looking.looking(subject, noise(1), [Target(layer="left", channel=0)]) as look:
        with pytest.raises(OptionError, match="behind the unit"):
            look.at(subject.place_of(layer))


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        (Target(layer="inner", channel=8), "8 x 16 x 16"),
        (Target(layer="inner", channel=-1), "counting begins at 0"),
        (Target(layer="inner", channel=0, cell=(16, 0)), "row 16"),
        (Target(layer="fc", channel=0, cell=(0, 0)), "no unit"),
        (Target(layer="nowhere", channel=0), "no layer called"),
    ],
)
def test_units_that_are_not_there_are_refused(subject, unit, says):
    with looking.looking(subject, noise(1), [unit]) as look:
        with pytest.raises(OptionError) as error:
            look.scores
    assert says in str(error.value)


def test_targets_that_do_not_fit_together_are_refused(subject):
    images = noise(2)
    units = [Target(layer="inner", channel=0), Target(layer="inner", channel=1)]
    for wanted in (targets(1), units, [units[0], Target("a")]):
        with pytest.raises(ValueError, match="one target a picture"):
            Look(subject, images, wanted, TASK.score, PRE)


def test_pixels_and_inputs_are_each_others_inverse(subject):
    pixels = noise(2)
    with looking.looking(subject, noise(2), preprocessing=PRE) as look:
        given = look.normalised(pixels)
        assert torch.allclose(look.pixels(given), pixels, atol=1e-6)
    assert given[0, 2, 3, 4] == pytest.approx((float(pixels[0, 2, 3, 4]) - 0.6) / 0.3, abs=1e-5)


def test_gradients_are_by_pixels(subject):
    """By the input times 1 / std."""
    images = noise(1)
    leaf = images.clone().requires_grad_()
    (by_input,) = torch.autograd.grad(TASK.score(subject.network(leaf), targets(1)).sum(), leaf)
    with looking.looking(subject, images, preprocessing=PRE) as look:
        gradient, rectifiers = look.gradient()
    assert rectifiers == 0
    assert torch.allclose(gradient, by_input / torch.tensor(PRE.std).view(3, 1, 1), atol=1e-6)


def test_a_pass_that_several_ask_for_is_made_once(subject):
    calls: list[int] = []
    hook = subject.network.stem.register_forward_hook(lambda *_: calls.append(1))
    with looking.looking(subject, noise(2)) as look:
        for _ in range(3):
            look.at(look.layer)
            look.scores
    hook.remove()
    assert calls == [1]


def test_a_score_that_does_not_depend_on_the_picture_has_no_gradient():
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Parameter(torch.ones(5))

        def forward(self, x: Tensor) -> Tensor:
            return self.out.expand(len(self.conv(x)), 5)

    with looking.looking(Constant(), noise(2)) as look:
        assert not look.gradient()[0].any()
        assert not look.at(look.subject.place_of("conv")).gradients.any()


def test_random_numbers_are_the_looks_own(subject):
    with looking.looking(subject, noise(1), seed=4) as look:
        one, again = (torch.rand(3, generator=look.generator()) for _ in range(2))
    assert torch.equal(one, again)
