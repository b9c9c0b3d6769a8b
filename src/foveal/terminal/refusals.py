"""What cyclopts refuses, said in our three parts: what came, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
)
from cyclopts.exceptions import RepeatArgumentError, UnusedCliTokensError

from ..errors import OptionError, nearest

# What other programs call our options.
OTHER_WORDS = {
    **dict.fromkeys(("rate", "learning-rate", "learningrate", "learn-rate", "alpha", "lr0", "max-lr"), "lr"),
    **dict.fromkeys(("batch-size", "bs", "batchsize"), "batch"),
    **dict.fromkeys(("model", "arch", "architecture", "net", "backbone"), "network"),
    **dict.fromkeys(("imgsz", "img-size", "image-size", "input-size", "resolution", "crop"), "size"),
    **dict.fromkeys(("wd", "decay"), "weight-decay"),
    **dict.fromkeys(("num-workers", "jobs", "threads"), "workers"),
    **dict.fromkeys(("output", "output-dir", "outdir", "name", "save"), "out"),
    **dict.fromkeys(("checkpoint", "ckpt", "init"), "weights"),
    **dict.fromkeys(("continue", "restart"), "resume"),
    **dict.fromkeys(("amp", "half", "fp16", "bf16"), "precision"),
    **dict.fromkeys(("gpu", "gpus", "cuda"), "device"),
    **dict.fromkeys(("augmentation", "aug"), "augment"),
    **dict.fromkeys(("scheduler", "sched"), "schedule"),
    **dict.fromkeys(("topk", "top-k", "k"), "top"),
    **dict.fromkeys(("early-stopping", "early-stop"), "patience"),
    **dict.fromkeys(("time", "max-time", "timeout"), "minutes"),
    **dict.fromkeys(("methods", "explainer", "explainers"), "method"),
    **dict.fromkeys(("class", "label", "category"), "target"),
    **dict.fromkeys(("n-trials", "num-trials", "num-samples"), "trials"),
    **dict.fromkeys(("cv", "kfold", "k-fold", "kfolds", "n-splits"), "folds"),
    **dict.fromkeys(("project", "log-dir", "root-dir"), "runs-dir"),
}

# What other programs, or other people, call our verbs.
OTHER_VERBS = {
    **dict.fromkeys(("fit", "learn", "finetune", "fine-tune", "fine_tune"), "train"),
    **dict.fromkeys(("test", "val", "validate", "eval", "score"), "evaluate"),
    **dict.fromkeys(("infer", "inference", "classify", "detect", "segment", "label"), "predict"),
    **dict.fromkeys(("interpret", "attribute", "gradcam", "saliency", "visualize"), "explain"),
    **dict.fromkeys(("doctor", "debug", "check"), "diagnose"),
    **dict.fromkeys(("search", "optimize", "hpo", "sweep"), "tune"),
    **dict.fromkeys(("summary", "models", "networks"), "anatomy"),
    **dict.fromkeys(("info", "data", "dataset", "show"), "inspect"),
    **dict.fromkeys(("list", "ls", "history"), "runs"),
    **dict.fromkeys(("rm", "remove"), "runs delete"),
    **dict.fromkeys(("continue", "restart"), "runs resume"),
    "help": "--help",
}

WITH_ARGUMENTS = ("anatomy", "explain")
"""Verbs with commands that take an argument in a command's place as well."""


def refusal(
    error: CycloptsError, words: list[str], verbs: tuple[str, ...], groups: Mapping[str, tuple[str, ...]]
) -> OptionError:
    """The same refusal as an OptionError; `groups` are the commands of verbs that have some."""
    verb = next((word for word in words if word in verbs), "")
    after = words[words.index(verb) + 1 :][:1] if verb else []
    if verb in groups and after and not after[0].startswith("-"):
        if after[0] in groups[verb]:
            verb = f"{verb} {after[0]}"
        elif verb not in WITH_ARGUMENTS:
            return _unknown_command(verb, after[0], groups[verb])
    usage = f"foveal {verb}".strip() + " --help"
    match error:
        case UnknownOptionError():
            return _unknown_option(error, usage)
        case UnknownCommandError():
            return _unknown_verb(words, verbs, groups)
        case CoercionError():
            return _wrong_value(error, usage)
        case RepeatArgumentError():
            name = error.token.keyword or error.token.value
            return OptionError(
                f"{name} was given more than once.", f"{name} takes one value.", "Give it once."
            )
        case UnusedCliTokensError():
            left = " ".join(repr(word) for word in error.unused_tokens or [])
            return OptionError(
                f"There is nothing that {left} could mean here.",
                f"{_arguments(error)} and options that begin with --.",
                f'See "{usage}"; a name with spaces belongs in quotes.',
            )
        case MissingArgumentError():
            return _missing(error, usage)
    return OptionError(f"{error}", "What the help of this command lists.", f'See "{usage}".')


def _unknown_option(error: UnknownOptionError, usage: str) -> OptionError:
    name = (error.token.keyword or error.token.value).split("=", 1)[0]
    known = sorted({n for a in error.argument_collection if a.parse for n in a.names if n.startswith("--")})
    if not known:
        known = ["--help", "--version"]
    word = name.lstrip("-")
    if len(word) == 1:
        near = [flag for flag in known if flag[2:].startswith(word)]
    else:
        other = f"--{OTHER_WORDS.get(word.replace('_', '-'), '')}"
        near = [other] if other in known else [f"--{n}" for n in nearest(word, [flag[2:] for flag in known])]
    return OptionError(
        f"There is no option {name}.",
        f"Known: {', '.join(known)}",
        f"Did you mean {' or '.join(near)}?" if near else f'See "{usage}".',
    )


def _unknown_verb(
    words: list[str], verbs: tuple[str, ...], groups: Mapping[str, tuple[str, ...]]
) -> OptionError:
    word = words[0]
    inside = [f"{verb} {word}" for verb, commands in groups.items() if word in commands]
    other = OTHER_VERBS.get(word.lower())
    near = inside or ([other] if other and not Path(word).exists() else nearest(word, verbs))
    if word.startswith("-"):
        return OptionError(
            f"There is no option {word} before a verb.",
            f"foveal VERB --option, where VERB is one of {', '.join(verbs)}; or --help, --version.",
            'See "foveal --help".',
        )
    if near:
        todo = f"Did you mean {' or '.join(f'foveal {n}' for n in near)}?"
    elif Path(word).exists():
        todo = f'To look at this data: "foveal inspect {word}"; to learn from it: "foveal train {word}".'
    else:
        todo = 'See "foveal --help".'
    return OptionError(f"There is no verb {word!r}.", f"Known: {', '.join(verbs)}", todo)


def _unknown_command(verb: str, word: str, known: tuple[str, ...]) -> OptionError:
    near = nearest(word, known)
    return OptionError(
        f"There is no command {word!r} of foveal {verb}.",
        f"foveal {verb} alone, or with one of: {', '.join(known)}.",
        f"Did you mean {' or '.join(f'foveal {verb} {n}' for n in near)}?"
        if near
        else f'See "foveal {verb} --help".',
    )


def _wrong_value(error: CoercionError, usage: str) -> OptionError:
    """What `options.make` itself says of the value, so that Python and the terminal say the same."""
    name, came = _name(error), error.token.value if error.token else ""
    if error.argument is not None and error.token is not None:
        from .. import options
        from .flags import checked

        said = checked(options.TrainOptions, error.argument.field_info.name, came)
        if said is not None:
            return said
    wanted = getattr(error.target_type, "__name__", "a value of its kind")
    words = {"int": "a whole number", "float": "a number", "bool": "yes or no"}
    return OptionError(
        f"{name} was given as {came!r}.",
        f"{name} takes {words.get(wanted, wanted)}.",
        f'Give another value, or leave {name} out; see "{usage}".',
    )


def _missing(error: MissingArgumentError, usage: str) -> OptionError:
    name = _name(error)
    if name.startswith("--"):
        return OptionError(
            f"{name} was given without a value.",
            f"{name} VALUE",
            f'Give a value, or leave {name} out; see "{usage}".',
        )
    return OptionError(f"{name} is missing.", f"{_arguments(error)} in this order.", f'See "{usage}".')


def _name(error: CoercionError | MissingArgumentError) -> str:
    """The argument as it was typed, or as the help calls it."""
    if getattr(error, "keyword", None):
        return str(error.keyword)  # type: ignore[union-attr]
    token = getattr(error, "token", None)
    if token is not None and token.keyword:
        return str(token.keyword)
    return error.argument.name if error.argument is not None else "A value"


def _arguments(error: CycloptsError) -> str:
    """The positional arguments that the command takes."""
    if error.app is None or error.target is None:
        return "No arguments"
    found = error.app.assemble_argument_collection()
    names = [a.name for a in found if a.field_info.is_positional and not a.name.startswith("--")]
    return "Allowed: " + (" ".join(names) or "no arguments")
