"""Models on the disk and in use, with the real network and task."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from foveal import catalog
from foveal.card import MAX_HEADER_BYTES, Card, model_file
from foveal.errors import DiskError, ModelError
from foveal.model import Model
from foveal.values import Preprocessing, Score

SCORE = Score("accuracy", 1 / 3, 0.1, 0.5, True, "val")


def a_model(
    network: str = "resnet9", labels: tuple[str, ...] = ("cat", "dog", "猫"), **changes: Any
) -> Model:
    """A network with weights of its own, as if trained."""
    task = catalog.find("tasks", "classify").build(labels=labels, label_smoothing=0.1)
    way = Preprocessing(
        16, mean=(0.1, 1 / 3, 0.5), std=(0.2, 0.25, 1 / 7), interpolation="bicubic", crop=0.875
    )
    torch.manual_seed(1)
    net = catalog.find("architectures", network).build(network, outputs=len(labels), channels=3, size=16)
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    card = Card(
        task=task.card(),
        architecture={"name": network, "outputs": len(labels), "channels": 3, "size": 16},
        preprocessing=way,
        scores=(SCORE,),
        data={"fingerprint": "ab", "reader": "folder", "count": 7},
        origin={"name": "w", "source": "https://example.org", "licence": "Apache-2.0"},
    )
    return Model(net, task, way, dataclasses.replace(card, **changes))


@pytest.fixture(scope="module")
def model() -> Model:
    return a_model()


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`plugin(code)`: an installed package that brings the network `tiny`, through its entry point."""
    place = tmp_path / "site"
    about = place / "tiny-1.0.dist-info"

    def install(code: str) -> None:
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[foveal.architectures]\ntiny = {tmp_path.name}_tiny\n")
        (place / f"{tmp_path.name}_tiny.py").write_text(
            "import torch\nfrom torch import nn\n\n"
            f"def build(name, *, outputs, channels, size):\n    {code}\n"
        )
        monkeypatch.syspath_prepend(str(place))
        catalog._table.cache_clear()

    yield install
    monkeypatch.undo()
    catalog._table.cache_clear()


def same_tensors(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return list(one) == list(two) and all(
        one[n].dtype == two[n].dtype and torch.equal(one[n], two[n]) for n in one
    )


def pictures(folder: Path, count: int = 5) -> list[Path]:
    chance = np.random.default_rng(0)
    paths = []
    for n in range(count):
        paths.append(folder / f"{n}.png")
        Image.fromarray(chance.integers(0, 255, (20 + 3 * n, 31, 3), dtype=np.uint8)).save(paths[-1])
    return paths


# --- saving and loading ---


def test_a_model_comes_back_as_it_was(model: Model, saved: Path) -> None:
    back = Model.load(saved)
    assert same_tensors(model.network, back.network)
    assert back.card == model.card
    assert back.preprocessing == model.preprocessing
    assert type(back.preprocessing.mean) is tuple
    assert back.task == model.task
    assert back.labels == ("cat", "dog", "猫")
    assert not back.network.training
    assert {"python", "torch", "torchvision", "timm", "foveal"} <= set(back.card.versions)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_saving_again_changes_nothing_that_is_hashed(saved: Path, tmp_path: Path) -> None:
    Model.load(saved).save(tmp_path / "again.safetensors")
    (head, body), (again, body_again) = header(saved), header(tmp_path / "again.safetensors")
    assert again == head  # safetensors writes the two metadata in any order
    assert body_again == body


def test_the_file_is_plain_safetensors(model: Model, saved: Path) -> None:
    assert set(load_file(saved)) == set(model.network.state_dict())


def test_loading_leaves_the_random_state(saved: Path) -> None:
    before = torch.get_rng_state()
    Model.load(saved)
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_folder_stands_for_its_best_model(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    saved.rename(tmp_path / "run" / "best.safetensors")
    assert model_file(tmp_path / "run") == tmp_path / "run" / "best.safetensors"
    assert Model.load(tmp_path / "run").labels == ("cat", "dog", "猫")


def test_a_loaded_model_does_not_hang_on_its_file(model: Model, saved: Path) -> None:
    back = Model.load(saved)
    saved.write_bytes(bytes(saved.stat().st_size))
    assert same_tensors(model.network, back.network)


def test_tied_tensors_stay_tied(plugin: Callable[[str], None], tmp_path: Path) -> None:
    plugin(
        "net = nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.Linear(8, 8), nn.Linear(8, 8),"
        " nn.Linear(8, outputs)); net[3].weight = net[2].weight; return net"
    )
    model = a_model("tiny")
    model.save(tmp_path / "m.safetensors")
    back = Model.load(tmp_path / "m.safetensors").network
    assert same_tensors(model.network, back)
    assert back[3].weight is back[2].weight  # type: ignore[index]


def test_tensors_keep_their_types(plugin: Callable[[str], None], tmp_path: Path) -> None:
    plugin(
        "net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(768), nn.Linear(768, outputs));"
        " net.register_buffer('flags', torch.tensor([True, False]));"
        " net.register_buffer('nothing', torch.zeros(0, 3)); return net"
    )
    model = a_model("tiny")
    model.network.to(torch.bfloat16)
    model.save(tmp_path / "m.safetensors")
    back = Model.load(tmp_path / "m.safetensors")
    assert same_tensors(model.network, back.network)
    kinds = {t.dtype for t in back.network.state_dict().values()}
    assert kinds == {torch.bfloat16, torch.int64, torch.bool}
    assert all(p.requires_grad for p in back.network.parameters())
    assert len(back.predict(Image.new("RGB", (20, 20)))[0].predictions) == 3


def test_a_channels_last_view_is_saved_as_it_counts(tmp_path: Path) -> None:
    model = a_model()
    model.network.to(memory_format=torch.channels_last)
    model.save(tmp_path / "m.safetensors")
    assert same_tensors(model.network, Model.load(tmp_path / "m.safetensors").network)


def test_the_card_must_tell_the_models_preprocessing(model: Model) -> None:
    with pytest.raises(ValueError, match="another preprocessing"):
        Model(model.network, model.task, Preprocessing(99), model.card)


def test_saving_into_a_file_is_a_disk_error(model: Model, saved: Path) -> None:
    with pytest.raises(DiskError):
        model.save(saved / "model.safetensors")
    Model.load(saved)


# --- what is not as it should be ---


def refused(path: Path, saying: str) -> ModelError:
    """The ModelError of loading `path`, in three parts."""
    with pytest.raises(ModelError, match=saying) as caught:
        Model.load(path)
    error = caught.value
    assert error.exit_code == 2
    assert error.came
    assert error.allowed
    assert error.todo
    assert str(path) in str(error)
    return error


def header(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(path: Path, head: Any, body: bytes, length: int | None = None) -> None:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)


def with_card(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Save a model again whose card was changed, with the digest that belongs to it."""
    from foveal.card import digest_of

    head, _ = header(path)
    card = json.loads(head["__metadata__"]["foveal"])
    new = change(card)
    text = json.dumps(card if new is None else new)
    tensors = load_file(path)
    save_file(tensors, path, {"foveal": text, "sha256": digest_of(text, tensors)})


def test_nothing_there_names_the_nearest(saved: Path) -> None:
    error = refused(saved.with_name("modle.safetensors"), "There is no model at")
    assert f"Did you mean {saved}?" in error.todo
    refused(saved.parent / "no" / "such" / "place", "There is no model at")


def test_a_bare_name_is_looked_for_among_runs_and_networks(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs") / "flowers-resnet18-1"
    run.mkdir(parents=True)
    shutil.copy(saved, run / "best.safetensors")
    assert f"Did you mean {run}?" in refused(Path("flowers-resnet18-1"), "There is no model at").todo
    error = refused(Path("resnet81"), "There is no model at")
    assert "resnet18" in error.todo
    assert "published weights" in error.allowed


def test_a_folder_that_is_no_run(saved: Path) -> None:
    error = refused(saved.parent, "is no run")
    assert str(saved) in error.todo
    (saved.parent / "empty").mkdir()
    refused(saved.parent / "empty", "is no run")


def test_a_run_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    assert "--resume" in refused(tmp_path, "has saved no model yet").todo


def test_a_foreign_safetensors(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file(model.network.state_dict(), path, metadata)
        assert f"--weights {path}" in refused(path, "holds no card").todo


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["evil.pt", "evil.safetensors", "best.safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, legacy: bool
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    witness = tmp_path / "witness"
    torch.save(Evil(str(witness)), tmp_path / name, _use_new_zipfile_serialization=not legacy)
    error = refused(tmp_path / name, "a pickle")
    assert f"--weights {tmp_path / name}" in error.todo
    assert not witness.exists()
    # the payload is live
    torch.load(io.BytesIO((tmp_path / name).read_bytes()), weights_only=False).close()
    assert witness.exists()


def test_a_truncated_file(saved: Path) -> None:
    content = saved.read_bytes()
    for size in (0, 1, 8, 9, 100, 2000, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:size])
        refused(saved, "is damaged|no model of Foveal's")


def test_a_flipped_byte_anywhere(saved: Path) -> None:
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    chance = np.random.default_rng(0)
    places = [*range(8), *chance.integers(8, length, 40), *chance.integers(length, len(content), 8)]
    for place in map(int, [*places, len(content) - 1]):
        broken = bytearray(content)
        broken[place] ^= 1
        saved.write_bytes(bytes(broken))
        refused(saved, "is damaged|no model of Foveal's|newer")


def test_a_change_that_is_still_json_is_seen(saved: Path) -> None:
    content = saved.read_bytes()
    for old, new in (
        (b"0.875", b"0.876"),
        (b'\\"cat\\"', b'\\"cow\\"'),
        (b"layer1.0.0.weight", b"layer1.0.O.weight"),
    ):
        assert old in content
        saved.write_bytes(content.replace(old, new, 1))
        refused(saved, "does not match the digest|is damaged")


@pytest.mark.parametrize(
    "content", [b"hello, world, this is a text", b"\0" * 64, b"\x89PNG\r\n\x1a\n" + b"x" * 64]
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    refused(tmp_path / "x.safetensors", "is damaged|no model of Foveal's")


def test_a_newer_format(saved: Path) -> None:
    with_card(saved, lambda card: {"format": 2, "all": "different"})
    assert "pip install --upgrade foveal" in refused(saved, "newer Foveal .model format 2").todo


def test_header_bombs(saved: Path) -> None:
    head, body = header(saved)
    rewrite(saved, head, body, length=2**63 - 1)
    refused(saved, "its header claims")
    rewrite(saved, b"{" + b" " * MAX_HEADER_BYTES + b"}", body)
    refused(saved, "its header claims")
    rewrite(saved, b'{"a":' + b"[" * 500_000, body)
    refused(saved, "nested too deeply")
    first, second = [name for name in head if name != "__metadata__"][:2]
    rewrite(saved, {**head, second: head[first]}, body)
    refused(saved, "is damaged")
    rewrite(saved, {**head, first: {**head[first], "shape": [2**62, 2**62]}}, body)
    refused(saved, "is damaged")
    rewrite(saved, {**head, "__metadata__": [1]}, body)
    refused(saved, "no card")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: [1, 2],
        lambda c: "text",
        lambda c: {},
        lambda c: c.update(format="one"),
        lambda c: c.update(preprocessing=None),
        lambda c: c["preprocessing"].update(unknown=1),
        lambda c: c.update(scores=3),
        lambda c: c.__delitem__("task"),
    ],
)
def test_a_card_that_is_none(saved: Path, change: Callable[[Any], Any]) -> None:
    with_card(saved, change)
    refused(saved, "its card cannot be read")


def test_a_key_that_a_later_version_adds_does_no_harm(model: Model, saved: Path) -> None:
    with_card(saved, lambda c: c.update(later={"x": 1}))
    assert Model.load(saved).card == model.card


@pytest.mark.parametrize("kind", ["task", "architecture"])
def test_a_plugin_that_is_not_installed(saved: Path, kind: str) -> None:
    with_card(saved, lambda c: c[kind].update(name="resnet10000"))
    error = refused(saved, "needs what is not installed here: There is no .* called 'resnet10000'")
    assert f"torch {torch.__version__.partition('+')[0]}" in error.allowed


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["architecture"].update(outputs=10**12),
        lambda c: c["architecture"].update(channels=4),
        lambda c: c["architecture"].update(surprise=1),
        lambda c: c["architecture"].__delitem__("size"),
        lambda c: c["task"].update(label_smoothing=0.1, surprise=1),
        lambda c: c["task"].__delitem__("labels"),
        lambda c: c["task"].update(name=None),
    ],
)
def test_a_card_that_cannot_be_followed(saved: Path, change: Callable[[Any], Any]) -> None:
    with_card(saved, change)
    refused(saved, "cannot be made again")


def test_tensors_of_another_shape(saved: Path) -> None:
    def two_labels(card: dict[str, Any]) -> None:
        card["task"]["labels"] = ["a", "b"]
        card["architecture"]["outputs"] = 2

    with_card(saved, two_labels)
    assert "fc.weight" in refused(saved, "do not fit the network resnet9").came


# --- predicting ---


def test_predict_gives_every_label_best_first(model: Model, tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    found = model.predict([paths[0], str(paths[1])])
    assert [p.path for p in found] == [str(paths[0]), str(paths[1])]
    for prediction in found:
        assert {row["label"] for row in prediction.predictions} == set(model.labels)
        chances = [row["probability"] for row in prediction.predictions]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1, abs=1e-5)


def test_predict_equals_the_bare_network(model: Model, tmp_path: Path) -> None:
    """Against torch and Pillow alone: resize, crop, scale, normalise, forward, softmax."""
    path = pictures(tmp_path, 2)[1]
    way = model.preprocessing
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    side = int(way.size / way.crop)
    width, height = image.size
    new = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    image = image.resize(new, Image.Resampling.BICUBIC)
    left, top = round((new[0] - way.size) / 2), round((new[1] - way.size) / 2)
    image = image.crop((left, top, left + way.size, top + way.size))
    x = (np.asarray(image).astype(np.float32) / 255 - way.mean) / way.std
    model.network.eval()
    with torch.no_grad():
        logits = model.network(torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None])
    truth = dict(zip(model.labels, logits.softmax(1)[0].tolist(), strict=True))
    for row in model.predict(path)[0].predictions:
        assert row["probability"] == pytest.approx(truth[row["label"]], abs=1e-5)


def test_a_picture_is_the_same_in_any_batch(model: Model, tmp_path: Path) -> None:
    paths = pictures(tmp_path, 7)
    together = model.predict(paths)
    for batch in (1, 3):
        for a, b in zip(together, model.predict(paths, batch=batch), strict=True):
            assert a.path == b.path
            for x, y in zip(a.predictions, b.predictions, strict=True):
                assert x["label"] == y["label"]
                assert x["probability"] == pytest.approx(y["probability"], abs=1e-6)


def test_pictures_that_cannot_be_read_are_named_and_harm_no_other(model: Model, tmp_path: Path) -> None:
    good = pictures(tmp_path, 3)
    text, half = tmp_path / "text.png", tmp_path / "half.png"
    text.write_text("no picture")
    half.write_bytes(good[0].read_bytes()[:400])
    lazy = Image.open(half)
    mixed: list[Any] = [good[0], text, tmp_path / "missing.jpg", half, good[1], lazy, None, good[2]]
    found = model.predict(mixed, batch=3)
    lazy.close()
    alone = model.predict(good)
    assert [p.error is None for p in found] == [True, False, False, False, True, False, False, True]
    for prediction, truth in zip([found[0], found[4], found[7]], alone, strict=True):
        assert prediction.path == truth.path
        assert prediction.predictions[0]["label"] == truth.predictions[0]["label"]
    assert str(text) in str(found[1].error)
    assert found[5].path == str(half)


def test_nothing_at_all_gives_nothing(model: Model) -> None:
    assert model.predict([]) == []


def test_pillow_pictures_of_any_mode_are_seen_as_their_files_are(model: Model, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    grey = Image.fromarray(chance.integers(0, 60000, (20, 30), dtype=np.uint16))
    turned = Image.fromarray(chance.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    grey.save(tmp_path / "grey.png")
    for name in ("turned.png", "grey.png"):
        with Image.open(tmp_path / name) as image:
            by_picture = model.predict([image, image.copy()])
        by_path = model.predict(tmp_path / name)[0]
        assert by_picture[0].path == str(tmp_path / name)
        assert by_picture[1].path == ""
        for found in by_picture:
            assert found.predictions == by_path.predictions


def test_predicting_leaves_no_trace(tmp_path: Path) -> None:
    model = a_model()
    paths = pictures(tmp_path, 2)
    model.network.train()
    resting = model.network.get_submodule("stem").eval()
    before = {n: t.clone() for n, t in model.network.state_dict().items()}
    random = torch.get_rng_state()
    model.predict(paths)
    assert model.network.training
    assert not resting.training
    assert all(torch.equal(t, before[n]) for n, t in model.network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not torch.is_inference_mode_enabled()
    model.network.get_submodule("fc").register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.predict(paths)
    assert model.network.training
    assert not resting.training


def test_out_of_memory_is_met_by_smaller_batches(tmp_path: Path) -> None:
    model = a_model()
    paths = pictures(tmp_path, 7)
    truth = model.predict(paths)
    seen = []

    def small_card(module: nn.Module, arguments: tuple[torch.Tensor]) -> None:
        if len(arguments[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        seen.append(len(arguments[0]))

    hook = model.network.register_forward_pre_hook(small_card)
    found = model.predict(paths)
    hook.remove()
    assert sum(seen) == 7
    assert [p.predictions[0]["label"] for p in found] == [p.predictions[0]["label"] for p in truth]
    model.network.register_forward_pre_hook(lambda *_: _no_memory())
    with pytest.raises(torch.OutOfMemoryError):
        model.predict(paths)


def _no_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root, or Windows, may read everything"
)
def test_a_model_that_may_not_be_read(saved: Path) -> None:
    saved.chmod(0)
    refused(saved, "cannot be opened")
