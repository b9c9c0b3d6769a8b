"""Which settings of a sliding window give an output, and why the others do not: torch's own rules."""

from __future__ import annotations

from math import gcd

from ..errors import OptionError
from .arithmetic import Axis, Setting

WAYS = 12
"""Numbers of groups that a refusal lists at most."""


def check(setting: Setting) -> None:
    """Refuse what torch refuses.

    Raises:
        OptionError: an output that would be empty, a kernel larger than the padded input, a pooling window
            that could lie on padding alone, an output padding that is too large, or groups that do not divide
            the channels or the filters.
    """
    _grouped(setting)
    alike = len(set(setting.axes)) == 1
    for axis, name in zip(setting.axes, ("height", "width"), strict=False):
        along = "" if alike else f" Along the {name}:"
        if setting.kind == "transposed":
            _transposed(axis, along)
            continue
        half, widest = axis.kernel // 2, max(axis.before, axis.after)
        if setting.pools and widest > half:
            raise OptionError(
                f"{along} A padding of {widest} around a pooling window of {axis.kernel}.".lstrip(),
                f"At most half the window, here {half}: beyond that, windows could lie on padding alone.",
                f"Give --padding {half} or less, or a larger --kernel.",
            )
        if axis.output < 1:
            raise _too_large(axis, along, half if setting.pools else None)


def _grouped(setting: Setting) -> None:
    if not (setting.channels % setting.groups or setting.filters % setting.groups):
        return
    most = gcd(setting.channels, setting.filters)
    ways = [n for n in range(1, most + 1) if most % n == 0]
    shown = [str(n) for n in (ways if len(ways) <= WAYS else [*ways[: WAYS - 1], ways[-1]])]
    raise OptionError(
        f"--groups {setting.groups} with {setting.channels} channel{'' if setting.channels == 1 else 's'} and "
        f"{setting.filters} filter{'' if setting.filters == 1 else 's'}.",
        "Groups cut the channels into equal parts, and the filters too, so their number divides both: "
        f"here {', '.join(shown)}.",
        f"Give --groups {ways[-1]}, or multiples of {setting.groups} as --channels and --filters.",
    )


def _too_large(axis: Axis, along: str, most_padding: int | None) -> OptionError:
    padded, over = axis.padded, axis.stride - 1 if axis.ceil else 0  # that far may the last window reach
    what = "A kernel" if most_padding is None else "A window"
    covers = f" with dilation {axis.dilation} covers {axis.reach} cells and" if axis.dilation > 1 else ""
    padding = str(axis.before) if axis.before == axis.after else f"{axis.before} and {axis.after}"
    most = (padded + over - 1) // axis.dilation + 1
    need = -(-(axis.reach - over - axis.size) // 2)
    ways = [] if most_padding is not None and need > most_padding else [f"--padding {need} or more"]
    if axis.dilation > 1:
        ways.append("a smaller --dilation")
    ways.append(f"an --input of at least {axis.reach - over - axis.before - axis.after}")
    return OptionError(
        f"{along} {what} of {axis.kernel}{covers} does not fit an input of {axis.size} with padding {padding}: "
        f"the output would have {axis.output} cells.".lstrip(),
        f"It must not be larger than the padded input, here {axis.before} + {axis.size} + {axis.after} = {padded}"
        + (f"; as the size is rounded up, it may be {padded + over}." if over else "."),
        f"Give {', '.join(ways)}, or a kernel of at most {most}.",
    )


def _transposed(axis: Axis, along: str) -> None:
    room = max(axis.stride, axis.dilation)
    if axis.output_padding >= room:
        raise OptionError(
            f"{along} An output padding of {axis.output_padding} with stride {axis.stride} and dilation "
            f"{axis.dilation}.".lstrip(),
            "It must be smaller than the stride or than the dilation: it only says which of the sizes that a "
            "convolution of this stride makes alike is meant.",
            f"Give --output-padding {'0' if room == 1 else f'0 to {room - 1}'}, or a larger --stride.",
        )
    if axis.output < 1:
        most = (axis.output + axis.before + axis.after - 1) // 2
        padding = str(axis.before) if axis.before == axis.after else f"{axis.before} and {axis.after}"
        raise OptionError(
            f"{along} A padding of {padding} cuts off all of the {axis.output + axis.before + axis.after} cells "
            f"that the kernel fills: the output would have {axis.output} cells.".lstrip(),
            f"A transposed convolution's padding is cut off on each side; here at most {most}.",
            f"Give --padding {most} or less, a larger --kernel, or a larger --input.",
        )
