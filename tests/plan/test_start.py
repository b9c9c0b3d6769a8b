"""Where a network starts from: weights from an address, served here, and what is wrong with some."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

import small
from foveal import catalog
from foveal.errors import ModelError, OfflineError
from foveal.options import TrainOptions, make
from foveal.plan import choose
from foveal.plan.start import Start


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address it is served at on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def start(tmp_path: Path, weights: str) -> Start:
    options = make(TrainOptions, {"weights": weights, "network": "resnet9"})
    return choose(small.drawings(tmp_path), options)


def test_weights_from_an_address(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    network = catalog.find("architectures", "resnet9").build("resnet9", outputs=3, channels=1, size=12)
    torch.save(network.state_dict(), folder / "w.pth")
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()[:8]
    (folder / "w.pth").rename(folder / f"w-{digest}.pth")
    found = start(tmp_path, f"{address}/w-{digest}.pth")
    assert found.state is not None
    assert small.equal(dict(found.state()), dict(network.state_dict()))
    assert found.origin is not None
    assert found.origin["source"].startswith(address)


def test_an_address_whose_file_is_another(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / "w-00000000.pth").write_bytes(b"something else")
    with pytest.raises(ModelError) as error:
        start(tmp_path, f"{address}/w-00000000.pth")
    assert "SHA-256" in error.value.came


def test_an_address_with_nothing_there(served: tuple[Path, str], tmp_path: Path) -> None:
    _, address = served
    with pytest.raises(OfflineError) as error:
        start(tmp_path, f"{address}/none.pth")
    assert "404" in error.value.came
    assert "--weights" in error.value.todo


def test_one_of_our_own_that_is_damaged_is_not_taken_for_a_foreign_one(tmp_path: Path) -> None:
    """Also with --network beside it: a flipped byte must not slip in through the other door."""
    from foveal.card import Card
    from foveal.model import Model

    task = small.task()
    network = catalog.find("architectures", "resnet9").build("resnet9", outputs=3, channels=1, size=12)
    about = {"name": "resnet9", "outputs": 3, "channels": 1, "size": 12}
    file = tmp_path / "own.safetensors"
    Model(network, task, small.PRE, Card(task=task.card(), architecture=about, preprocessing=small.PRE)).save(
        file
    )
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ModelError) as error:
        start(tmp_path, str(file))
    assert "own.safetensors" in error.value.came
