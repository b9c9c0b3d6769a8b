"""The rules of the house, held over the real tree."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import foveal

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "foveal"
FILES = sorted(SOURCE.rglob("*.py"))
PLUGINS = ("architectures", "augmentations", "explainers", "portraits", "readers", "schedules", "tasks")
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LOOP = 400, 60, 120
TWO_COMMANDS = ("pip install . && foveal train", 'pip install ".[test]" && pytest')


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def module_of(file: Path) -> str:
    parts = ["foveal", *file.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def test_files_are_short() -> None:
    lengths = {name_of(f): len(f.read_text(encoding="utf-8").splitlines()) for f in FILES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
    assert len(lengths) > 20


def test_functions_are_short() -> None:
    long = {}
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                loop = name_of(file) == "loop/fit.py" and node.name == "fit"
                if length > (LONGEST_LOOP if loop else LONGEST_FUNCTION):
                    long[f"{name_of(file)}:{node.name}"] = length
    assert long == {}


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = re.compile(r"(^|_)(utils?|helpers?|misc|common)$")
    assert [
        name_of(f) for f in FILES if any(drawers.search(part) for part in f.with_suffix("").parts[-2:])
    ] == []


def dangers(tree: ast.Module) -> Iterator[str]:
    """What may run code that came with a file, or hide an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in (
                    "pickle",
                    "cPickle",
                    "_pickle",
                    "joblib",
                    "marshal",
                    "shelve",
                    "dill",
                ):
                    yield f"imports {name}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        last = called.rpartition(".")[2]
        if called in ("eval", "exec", "__import__", "compile", "yaml.load", "yaml.unsafe_load"):
            yield f"calls {called}"
        if last == "load" and called.startswith(("torch.", "t.")) and keywords.get("weights_only") != "True":
            yield f"calls {called} without weights_only=True"
        if last in ("load_state_dict_from_url", "load_url") and keywords.get("weights_only") != "True":
            yield f"calls {called} without weights_only=True"
        if keywords.get("allow_pickle", "False") != "False":
            yield f"calls {called} with allow_pickle"
        if keywords.get("weights_only", "True") != "True":
            yield f"calls {called} with weights_only={keywords['weights_only']}"
        if keywords.get("trust_remote_code", "False") != "False" or keywords.get("shell", "False") != "False":
            yield f"calls {called} trusting what came"


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "torch.hub.load_state_dict_from_url(url)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "exec(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_dangers_are_seen(code: str) -> None:
    assert list(dangers(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["torch.load(path, weights_only=True)", "network.eval()", "np.load(path)", "re.compile(text)"]
)
def test_what_is_safe_is_let_be(code: str) -> None:
    assert list(dangers(ast.parse(code))) == []


def test_nothing_that_was_read_is_run() -> None:
    found = {name_of(f): list(dangers(tree_of(f))) for f in FILES}
    assert {name: what for name, what in found.items() if what} == {}


def test_modules_are_imported_by_name_in_the_catalog_only() -> None:
    allowed = {"catalog.py", "__init__.py"}
    harmless = ("importlib.metadata", "importlib.resources")
    found = []
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found += [
                name_of(file)
                for name in names
                if name.split(".")[0] in ("importlib", "runpy", "pkgutil") and not name.startswith(harmless)
            ]
    assert set(found) <= allowed
    assert "catalog.py" in found


def plugins() -> list[Path]:
    return [f for kind in PLUGINS for f in sorted((SOURCE / kind).glob("[!_]*.py"))]


@pytest.mark.parametrize("file", plugins(), ids=name_of)
def test_a_plugin_says_what_it_is_and_where_it_is_from(file: Path) -> None:
    tree = tree_of(file)
    docstring = ast.get_docstring(tree)
    assert docstring, "has no docstring"
    assert "\n" not in docstring, "its docstring is longer than a line"
    names = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names |= {t.id for t in targets if isinstance(t, ast.Name)}
    assert "SOURCE" in names, "has no SOURCE"


def layers() -> dict[str, int]:
    """Top-level module -> its height, from the import rules in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rows = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return {
        name.strip(" ()"): height
        for height, row in enumerate(reversed(rows))
        for name in re.split("[|:]", row)
    }


LAYER_BY_LAYER = """
import importlib, json, sys
loaded = []
for names in json.load(sys.stdin):
    for name in names:
        importlib.import_module(name)
    loaded.append([m for m in sys.modules if m.startswith("foveal.")])
print(json.dumps(loaded))
"""


@pytest.mark.parametrize("last_first", [False, True])
def test_importing_a_module_loads_nothing_above_it(last_first: bool) -> None:
    """Layer by layer from the lowest: once all of one are loaded, nothing above it is. In both orders, as of two that
    import each other one cannot be the first."""
    heights = layers()
    rows: dict[int, list[str]] = {-1: ["foveal"]}
    for name in sorted(module_of(f) for f in FILES if f.name not in ("__main__.py",)):
        if name != "foveal":
            rows.setdefault(heights[name.split(".")[1]], []).append(name)
    order = [sorted(rows[height], reverse=last_first) for height in sorted(rows)]
    ran = subprocess.run(
        [sys.executable, "-c", LAYER_BY_LAYER],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert sum(map(len, order)) > 400
    above = []
    for height, loaded in zip(sorted(rows), json.loads(ran.stdout), strict=True):
        above += [f"layer {height} loads {one}" for one in loaded if heights[one.split(".")[1]] > height]
    assert above == []


@pytest.mark.parametrize(
    "code",
    [
        "import foveal",
        "import foveal; dir(foveal); foveal.FovealError; foveal.TrainOptions; foveal.Dataset",
        "from foveal.terminal.app import main; main(['--help'])",
        "from foveal.terminal.app import main; main(['train', '--help'])",
        "from foveal.terminal.app import main; main(['--version'])",
        "from foveal.terminal.app import main; main(['train', '--epocs', '3'])",
        "import foveal.catalog; foveal.catalog.names('architectures')",
    ],
)
def test_no_torch_is_loaded(code: str) -> None:
    check = (
        "import sys; print('loaded', [m for m in ('torch', 'timm', 'sklearn', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "loaded []"


def test_public_names_are_sorted_and_there() -> None:
    assert foveal.__all__ == sorted(foveal.__all__)
    for name in foveal.__all__:
        assert getattr(foveal, name).__doc__, name
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = foveal.nothing_of_ours  # type: ignore[attr-defined]


def test_readme_opens_with_exactly_two_commands_and_ci_runs_the_second() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    opening = readme.split("\n## ")[0]
    commands = [
        line
        for block in re.findall(r"```[a-z]*\n(.*?)```", opening, re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]
    assert tuple(commands) == TWO_COMMANDS
    assert TWO_COMMANDS[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
