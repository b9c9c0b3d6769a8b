"""Make the pictures of docs/gallery.md: the bundled weights, and openly licensed photographs.

    pip install scikit-image        # for its photographs; not a dependency of Foveal
    python docs/gallery.py [--out docs/gallery] [--only maps two painted layers kernels]

The photographs are scikit-image's: the cat Chelsea (Stefan van der Walt, CC0), a cup of coffee (Rachel Michetti,
CC0), a rocket (SpaceX, public domain).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from skimage import data

import foveal
from foveal.plan.published import model_of
from foveal.verbs.explain import Explanations

NETWORK = "efficientnet_lite0"
METHODS = (
    "gradcam", "occlusion", "rise", "integrated_gradients", "smoothgrad", "guided_gradcam", "guided_backprop",
    "gradient",
)  # fmt: skip


def photographs() -> dict[str, Image.Image]:
    return {name: Image.fromarray(getattr(data, name)()) for name in ("chelsea", "coffee", "rocket")}


def side_by_side(pictures: list[Image.Image], columns: int, gap: int = 12) -> Image.Image:
    """Pictures in rows, on white."""
    rows = [pictures[n : n + columns] for n in range(0, len(pictures), columns)]
    widths = [max(row[n].width for row in rows if n < len(row)) for n in range(min(columns, len(pictures)))]
    heights = [max(picture.height for picture in row) for row in rows]
    size = (sum(widths) + gap * (len(widths) + 1), sum(heights) + gap * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (sum(widths[:x]) + gap * (x + 1), sum(heights[:y]) + gap * (y + 1)))
    return sheet


def kept(picture: Image.Image, file: Path, longest: int = 1600) -> None:
    picture = picture.convert("RGB")
    picture.thumbnail((longest, 4 * longest))
    picture.save(file, quality=84, optimize=True)
    print(f"{file}: {picture.width} x {picture.height}, {file.stat().st_size / 1000:.0f} kB")


def told(rows: Explanations) -> None:
    """What the captions in gallery.md are written from."""
    for row in rows:
        print(f"\n{row.method} of {row.target}, score {row.score:.3f}: {row.alt}")
        for said in (*row.says, *row.verdict.says):
            print(f"  {said}")


def maps(out: Path) -> None:
    """What the network says of the cat, by eight methods; of the others by two, and how far three can be believed."""
    pictures = photographs()
    rows = foveal.explain(NETWORK, pictures["chelsea"], method=METHODS, verdict=False)
    told(rows)
    kept(side_by_side([row.image() for row in rows], 4), out / "chelsea.jpg", 2000)
    for name in ("coffee", "rocket"):
        rows = foveal.explain(NETWORK, pictures[name], method=("gradcam", "occlusion"), verdict=False)
        told(rows)
        kept(side_by_side([row.image() for row in rows], 2), out / f"{name}.jpg")
    told(foveal.explain(NETWORK, pictures["coffee"], method=("gradcam", "gradient", "guided_backprop")))


def two(out: Path) -> None:
    """Two things in one picture, each asked for."""
    cat, cup = (photographs()[name].resize((250, 250)) for name in ("chelsea", "coffee"))
    both = side_by_side([cat, cup], 2, gap=0)
    square = Image.new("RGB", (600, 600), (124, 124, 124))
    square.paste(both, (50, 175))
    said = model_of(NETWORK).predict(square)[0].predictions[:5]
    print([f"{row['label']} {row['probability']:.3f}" for row in said])
    for method in ("gradcam", "occlusion"):
        rows = foveal.explain(
            NETWORK, square, method=method, target="Egyptian cat", against="espresso", verdict=False
        )
        told(rows)
        kept(side_by_side([row.image() for row in rows], 3), out / f"two-{method}.jpg")


def painted(out: Path) -> None:
    """What excites channels and classes most; the three photographs lend their colours and spectrum."""
    folder = out / "photographs"
    folder.mkdir(exist_ok=True)
    for name, picture in photographs().items():
        picture.save(folder / f"{name}.png")
    for name, options in (
        ("channels", {"layer": "blocks.3", "channels": range(6)}),
        ("espresso", {"label": "espresso"}),
        ("cat", {"label": "Egyptian cat"}),
    ):
        made = foveal.portray(NETWORK, "maximize", folder, steps=256, **options)
        print("\n".join(made.portrait.says))
        kept(made.portrait.drawn(), out / f"painted-{name}.jpg")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def layers(out: Path) -> None:
    """Feature maps from the first layer to the last."""
    file = out / "coffee.png"
    photographs()["coffee"].save(file)
    made = foveal.portray(
        NETWORK, "activations", picture=file, layer="conv_stem,blocks.0,blocks.1,blocks.2,blocks.4,blocks.6"
    )
    file.unlink()
    print("\n".join(made.portrait.says))
    kept(made.portrait.drawn(), out / "layers.jpg")


def kernels(out: Path) -> None:
    """The first layer's kernels."""
    made = foveal.portray(NETWORK, "filters")
    print("\n".join(made.portrait.says))
    kept(made.portrait.drawn(), out / "kernels.jpg")


PARTS = {"maps": maps, "two": two, "painted": painted, "layers": layers, "kernels": kernels}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "gallery")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        PARTS[name](asked.out)


if __name__ == "__main__":
    main()
