"""One training on several processes, as torchrun starts them: who is who, and what they agree on.

Process 0 leads: it reads the data, plans, decides, saves and speaks. The others take their shares of every batch
and wait for its word wherever something is decided: a clock, a signal or a full memory of one process is heard by
all before anybody acts on it. An error of one ends all of them, and is told once.

Gradients are not left to torch's DistributedDataParallel but added up here, after the backward pass: they are
weighted by pictures, so that batches of any size come out exact; a process that runs out of memory can ask all
to do the batch again in smaller pieces, which a half-started exchange would not survive; and the loop sees the
network itself, with its frozen stages, auxiliary heads and tasks' own ways to call it. Running statistics are
averaged along with them: after each step all processes hold the very same network, and process 0's state is that
of all. What it costs is the overlap of the exchange with the backward pass.
"""

from __future__ import annotations

import os
import platform
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import FovealError, OptionError, RunError
from .shares import Share

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCE = (
    "Goyal et al. 2017, Accurate, Large Minibatch SGD, section 3 (gradients are averaged over the whole batch); "
    "Li et al. 2020, PyTorch Distributed, section 3.2 (buckets)"
)
BUCKET = 25 * 2**20
"""Bytes of gradients that are sent together, as in torch's DistributedDataParallel."""
PATIENCE = timedelta(days=7)
"""A process that waits for another's word waits as long as that lives: a dead one closes its connection."""

Value = TypeVar("Value")


class Elsewhere(Exception):
    """Another process of the training has said what is wrong: this one ends without a word, with `exit_code`."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def rank() -> int:
    """This process's number, 0 where it is the only one."""
    return int(os.environ["RANK"]) if several() else 0


def local_rank() -> int:
    """This process's number among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) if several() else 0


def several() -> bool:
    """Whether torchrun (or who sets the same variables) started several processes for one training."""
    there = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return there and os.environ["WORLD_SIZE"].isdigit() and int(os.environ["WORLD_SIZE"]) > 1


def beside() -> int:
    """How many processes of this training are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if several() else 1


@dataclass(eq=False)
class Crew:
    """The processes of a training, as one of them sees them; of one alone, what it wants is what is done.

    All calls are made by all of the crew, in the same order. Enter it to connect; leaving it with an error tells
    the others, who then leave with `Elsewhere`, and process 0 with the error itself.
    """

    rank: int = 0
    size: int = 1
    asked: Callable[[], bool] = field(default=lambda: False, repr=False)
    """Whether this process was asked to stop."""
    stop: bool = False
    """Whether any was, as all of them know since the last `turn`."""
    busy: bool = False
    """Whether an exchange is under way, which cannot be left."""
    over: bool = False

    @property
    def alone(self) -> bool:
        return self.size == 1

    @property
    def share(self) -> Share:
        return Share(self.rank, self.size)

    def __enter__(self) -> Crew:
        import torch
        import torch.distributed as dist

        if self.alone:
            return self
        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        if gpus:
            torch.cuda.set_device(local_gpu(torch.cuda.device_count()))
        from torch.distributed.rendezvous import rendezvous

        store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=PATIENCE))
        # torchrun keeps one store over restarts: what processes that are gone wrote there must not be found
        start = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')} of {self.size}"
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpus else "gloo",
            store=dist.PrefixStore(f"foveal, start {start}", store),  # type: ignore[attr-defined]
            rank=self.rank, world_size=self.size, timeout=PATIENCE,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import torch.distributed as dist

        if self.alone:
            return
        try:
            if error is not None and not (self.over or self.busy):
                self._tell(error)
        finally:
            dist.destroy_process_group()

    # --- what is agreed on ---

    def any(self, mine: bool) -> bool:
        """Whether one of them says so."""
        return mine if self.alone else self._word(flag=mine)[1] > 0

    def turn(self, seconds: float, broken: bool = False) -> tuple[float, bool]:
        """After a step: process 0's clock for all, and whether its loss was not finite; notes `stop`."""
        if self.alone:
            return seconds, broken
        lead = self.rank == 0
        word = self._word(flag=lead and broken, stop=self.asked(), seconds=seconds if lead else 0.0)
        self.stop = self.stop or word[2] > 0
        return word[3], word[1] > 0

    def told(self, value: Value) -> Value:
        """Process 0's value, for all; what the others give is not looked at."""
        if self.alone:
            return value
        self._word()
        return self._sent(value, 0)  # type: ignore[no-any-return]

    def gathered(self, value: Value) -> list[Value]:
        """Everybody's value, in their order, for all."""
        if self.alone:
            return [value]
        import torch.distributed as dist

        self._word()
        found: list[Any] = [None] * self.size
        with self.exchanging():
            dist.all_gather_object(found, value)
        return found

    def collected(self, value: Value) -> list[Value]:
        """Everybody's value, in their order, for process 0; nothing for the others."""
        if self.alone:
            return [value]
        import torch.distributed as dist

        self._word()
        found: list[Any] | None = [None] * self.size if self.rank == 0 else None
        with self.exchanging():
            dist.gather_object(value, found)
        return found or []

    # --- what is added up ---

    def add_up(self, network: nn.Module, loss: Tensor, weight: float, synced: bool = False) -> Tensor:
        """The gradients, running statistics and loss that one process would have of the whole batch; returns
        the loss, and puts the others in their places.

        Args:
            loss: 0-dimensional; it and the gradients are weighted by `weight` already.
            weight: this process's share of the batch's pictures.
            synced: the running statistics are the whole batch's already.
        """
        import torch

        trained = [p for p in network.parameters() if p.requires_grad]
        there = self._which([p.grad is not None for p in trained])
        for parameter, wanted in zip(trained, there, strict=True):
            if wanted and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        statistics = [] if synced else running(network)
        with torch.no_grad():
            for held in statistics:
                held.mul_(weight)
        total = loss.detach().clone().reshape(1)
        self._sum([*(p.grad for p in trained if p.grad is not None), *statistics, total])
        return total[0]

    def _which(self, there: list[bool]) -> list[bool]:
        """Which of the gradients somebody has; nearly always all have the same."""
        import torch
        import torch.distributed as dist

        mark = float(zlib.crc32(bytes(there)))
        both = torch.tensor([mark, -mark], dtype=torch.float64)
        with self.exchanging():
            dist.all_reduce(both, dist.ReduceOp.MAX)
            if both[0] == -both[1]:
                return there
            flags = torch.tensor(there, dtype=torch.int32)
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return flags.bool().tolist()

    def _sum(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over the processes in the place of each tensor."""
        import torch
        import torch.distributed as dist

        with torch.no_grad(), self.exchanging():
            sent = []
            for bucket in buckets(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                flat = flat if flat.is_cuda else flat.cpu()
                sent.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
            for bucket, flat, work in sent:
                work.wait()
                parts = torch.split(flat, [tensor.numel() for tensor in bucket])
                for tensor, part in zip(bucket, parts, strict=True):
                    tensor.copy_(part.view(tensor.shape))

    # --- how it is said ---

    def _word(
        self, *, flag: bool = False, stop: bool = False, seconds: float = 0.0, failed: int = 0
    ) -> list[float]:
        """The largest of what each says: failed, flag, stop, seconds. Before anything else that is exchanged, so
        that an error of one is heard by all."""
        import torch
        import torch.distributed as dist

        word = torch.tensor([failed, flag, stop, seconds], dtype=torch.float64)
        with self.exchanging():
            dist.all_reduce(word, dist.ReduceOp.MAX)
        said: list[float] = word.tolist()
        if said[0] and said[0] != failed:
            self._hear(int(said[0]) - 1)
        return said

    def _sent(self, value: Any, source: int) -> Any:
        import torch.distributed as dist

        box = [value if self.rank == source else None]
        with self.exchanging():
            dist.broadcast_object_list(box, src=source)
        return box[0]

    @contextmanager
    def exchanging(self) -> Iterator[None]:
        """Inside, the crew exchanges something: who leaves it with an error has lost the others."""
        self.busy = True
        try:
            yield
        except RuntimeError as error:  # torch's own for a connection that was closed
            self.over = True
            if self.rank:
                raise Elsewhere(1) from error
            raise RunError(
                f"One of the {self.size} processes of this training is gone ({str(error).splitlines()[0][:200]}).",
                "All of them, until the end; nothing is lost but the steps since the last saved state.",
                "torchrun --max-restarts 3 goes on by itself; else call the same with: foveal train --resume RUN",
            ) from error
        else:
            self.busy = False

    def _tell(self, error: BaseException) -> None:
        """Say that this process cannot go on, and why."""
        said = error
        if not isinstance(error, FovealError | KeyboardInterrupt):
            said = RunError(
                f"Process {self.rank} of {self.size}, on {platform.node()}, ended with {type(error).__name__}: {error}",
                "This should not happen: it is a bug in Foveal.",
                "Please report it, with what that process said of it.",
            )
            said.exit_code = 1
        try:
            self._word(failed=self.rank + 1)
            self._sent(said, self.rank)
        except Elsewhere:
            return  # it is gone already, or failed as well
        self.over = True
        if self.rank and isinstance(error, FovealError):
            raise Elsewhere(error.exit_code) from error  # process 0 says it

    def _hear(self, source: int) -> None:
        said = self._sent(None, source)
        self.over = True
        if isinstance(said, KeyboardInterrupt):
            raise Elsewhere(130)
        raise said if self.rank == 0 else Elsewhere(said.exit_code)


ALONE = Crew()
_crew: list[Crew] = []


def current() -> Crew:
    """The crew that this process works in now."""
    return _crew[-1] if _crew else ALONE


@contextmanager
def connected() -> Iterator[Crew]:
    """Inside, the processes that torchrun started are one crew.

    Raises:
        OptionError: more of them than GPUs on this machine.
    """
    with Crew(rank(), int(os.environ["WORLD_SIZE"])) as crew:
        _crew.append(crew)
        try:
            yield crew
        finally:
            _crew.remove(crew)


def local_gpu(there: int) -> int:
    """The number of this process's own GPU, of so many on its machine.

    Raises:
        OptionError: there are more processes than GPUs.
    """
    if beside() > there:
        raise OptionError(
            f"torchrun started {beside()} processes on this machine, which has {there} GPU{'s' * (there != 1)}.",
            "At most one process a GPU.",
            f"Give --nproc-per-node {there}; or, to train on the processor, set CUDA_VISIBLE_DEVICES to nothing.",
        )
    return local_rank()


def normalises(network: nn.Module) -> bool:
    """Whether it normalises over batches."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(isinstance(module, _BatchNorm) for module in network.modules())


def running(network: nn.Module) -> list[Tensor]:
    """The running statistics that a step in training moves."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [
        held
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.training
        for held in (module.running_mean, module.running_var)
        if held is not None
    ]


def buckets(tensors: Sequence[Tensor], most: int = BUCKET) -> Iterator[list[Tensor]]:
    """The tensors in their order, those of one type and device together until they are `most` bytes."""
    kinds: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for kind in kinds.values():
        bucket: list[Tensor] = []
        held = 0
        for tensor in kind:
            bucket.append(tensor)
            held += tensor.numel() * tensor.element_size()
            if held >= most:
                yield bucket
                bucket, held = [], 0
        if bucket:
            yield bucket
