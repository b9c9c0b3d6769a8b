"""Every odd kind of picture, made on purpose: right pixels, or a right refusal."""

from __future__ import annotations

import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from foveal.data import decoding
from foveal.data.decoding import Look, look, open_image, open_path
from foveal.errors import PictureError
from foveal.values import Item
from pictures import bomb, odd, shape, unreadable

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def look_at(path: Path) -> Look:
    return look(path.parent, Item(path.name, path.name, None))


def pixels(path: Path, channels: int = 3) -> np.ndarray:
    return np.asarray(open_path(path, channels)).astype(int)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_odd_kind_opens_in_every_mode(tmp_path: Path, channels: int) -> None:
    for name in odd(tmp_path):
        image = open_image(tmp_path, Item(name, name, None), channels)
        assert (image.mode, image.size) == (MODES[channels], (40, 40)), name
        assert "transparency" not in image.info


def test_every_odd_kind_is_noted(tmp_path: Path) -> None:
    kinds = odd(tmp_path)
    assert {name: set(look_at(tmp_path / name).notes) for name in kinds} == kinds


@pytest.mark.parametrize("open_it", [lambda p: open_path(p), look_at])
def test_every_unreadable_kind_is_refused_in_three_parts(tmp_path: Path, open_it) -> None:
    for name, kind in unreadable(tmp_path).items():
        with pytest.raises(PictureError) as caught:
            open_it(tmp_path / name)
        error = caught.value
        assert (error.kind, name in error.came) == (kind, True), name
        assert all((error.came, error.allowed, error.todo))
        assert error.exit_code == 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((30, 50, 3), np.uint8)
    upright[:15, :25] = (255, 0, 0)
    upright[:15, 25:] = (0, 255, 0)
    upright[15:, :25] = (0, 0, 255)
    # What a camera stores is the inverse of what the tag says to do.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
    path = tmp_path / f"turned.{suffix}"
    stored.save(path, exif=exif, **more)
    assert np.abs(pixels(path) - upright).mean() < 8
    seen = look_at(path)
    assert (seen.width, seen.height) == (50, 30)
    reference = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    assert np.array_equal(np.asarray(reference), pixels(path))


def test_a_damaged_exif_block_harms_no_pixel(tmp_path: Path) -> None:
    shape(0).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage", quality=95)
    assert open_path(tmp_path / "a.jpg").size == (32, 32)


def test_16_bit_keeps_its_levels(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint16).repeat(4).reshape(32, 32) * 257
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        assert np.array_equal(pixels(tmp_path / name, 1), ramp // 257), name
        assert np.array_equal(pixels(tmp_path / name)[..., 2], ramp // 257), name
        assert "16-bit" in look_at(tmp_path / name).notes
    dark = np.full((8, 8), 300, np.uint16)  # is not brightened: the range is the depth's, not the picture's
    Image.fromarray(dark).save(tmp_path / "dark.png")
    assert pixels(tmp_path / "dark.png", 1).max() == 1


def test_16_bit_turned(tmp_path: Path) -> None:
    ramp = (np.arange(6 * 4, dtype=np.uint16) * 2000).reshape(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp).save(tmp_path / "a.png", exif=exif)
    assert np.abs(pixels(tmp_path / "a.png", 1) - np.rot90(ramp, -1) / 257).max() <= 0.5


def write_deep_rgb(path: Path) -> None:
    values = np.linspace(0, 65535, 16 * 16 * 3).astype(">u2").reshape(16, 16, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_16_bit_colour(tmp_path: Path) -> None:
    write_deep_rgb(tmp_path / "a.png")
    wanted = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3)
    assert np.abs(pixels(tmp_path / "a.png") - wanted).max() <= 1
    assert look_at(tmp_path / "a.png").notes == ("16-bit",)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([[0, 65535]], np.int32), [[0, 255]]),
        (np.array([[0, 300]], np.int32), [[0, 1]]),
        (np.array([[0, 2**31 - 1]], np.int32), [[0, 255]]),
        (np.array([[-32768, 32767]], np.int32), [[0, 255]]),
        (np.array([[0, 0.5, 1]], np.float32), [[0, 128, 255]]),
        (np.array([[0, 100, 255]], np.float32), [[0, 100, 255]]),
        (np.array([[0, 65535]], np.float32), [[0, 255]]),
        (np.array([[-3, 0, 3]], np.float32), [[0, 128, 255]]),
        (np.array([[0, np.nan, np.inf, 1]], np.float32), [[0, 0, 255, 255]]),
        (np.array([[np.nan, np.nan]], np.float32), [[0, 0]]),
    ],
)
def test_deep_modes_are_scaled_by_their_range(tmp_path: Path, values: np.ndarray, wanted: list) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert pixels(tmp_path / "a.tif", 1).tolist() == wanted
    assert pixels(tmp_path / "a.tif")[..., 0].tolist() == wanted
    assert look_at(tmp_path / "a.tif").grey


def test_12_bit_tiff_reaches_white(tmp_path: Path) -> None:
    # two pixels of 12 bits: 0x000 and 0xFFF, uncompressed little-endian TIFF
    tags = [
        (256, 3, 2),
        (257, 3, 1),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 1),
        (279, 4, 3),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    data = b"II*\0" + struct.pack("<I", 12) + b"\x00\x0f\xff\0" + directory + struct.pack("<I", 0)
    (tmp_path / "a.tif").write_bytes(data)
    assert pixels(tmp_path / "a.tif", 1).tolist() == [[0, 255]]


def test_cmyk_colours_are_near_right(tmp_path: Path) -> None:
    image = Image.new("RGB", (48, 16))
    for place, colour in enumerate([(200, 30, 30), (30, 200, 30), (30, 30, 200)]):
        image.paste(colour, (place * 16, 0, place * 16 + 16, 16))
    for name in ("a.jpg", "a.tif"):
        image.convert("CMYK").save(tmp_path / name, **({"quality": 100} if name == "a.jpg" else {}))
        assert np.abs(pixels(tmp_path / name) - np.asarray(image).astype(int)).mean() < 6, name


def test_alpha_is_laid_over_white_and_kept_for_four_channels(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1))
    for place, pixel in enumerate([(255, 0, 0, 255), (0, 0, 0, 0), (0, 0, 255, 128)]):
        image.putpixel((place, 0), pixel)
    image.save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 255]]]
    assert pixels(tmp_path / "a.png", 1)[0, 1] == 255
    assert pixels(tmp_path / "a.png", 4)[0].tolist() == [[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 255, 128]]
    image.convert("LA").save(tmp_path / "la.png")
    assert pixels(tmp_path / "la.png")[0, 1].tolist() == [255, 255, 255]


def test_opaque_alpha_is_no_oddity(tmp_path: Path) -> None:
    shape(0).convert("RGBA").save(tmp_path / "a.png")
    assert look_at(tmp_path / "a.png").notes == ()
    assert pixels(tmp_path / "a.png", 4)[..., 3].min() == 255
    assert np.array_equal(pixels(tmp_path / "a.png"), np.asarray(shape(0)))


def test_transparent_colour_of_palette_and_grey(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    assert pixels(tmp_path / "p.png")[0].tolist() == [[255, 255, 255], [200, 100, 50]]
    assert look_at(tmp_path / "p.png").notes == ("alpha", "palette")
    image.save(tmp_path / "bytes.png", transparency=bytes([0, 128]))
    assert pixels(tmp_path / "bytes.png")[0, 0].tolist() == [255, 255, 255]
    grey = Image.new("L", (2, 1), 7)
    grey.putpixel((1, 0), 90)
    grey.save(tmp_path / "l.png", transparency=7)
    assert pixels(tmp_path / "l.png", 1)[0].tolist() == [255, 90]


def test_the_first_frame_counts(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    for name in ("a.gif", "a.png", "a.webp"):
        red.save(tmp_path / name, save_all=True, append_images=[blue], duration=40)
        assert pixels(tmp_path / name)[4, 4].tolist() == pytest.approx([255, 0, 0], abs=3), name
        assert "animated" in look_at(tmp_path / name).notes, name


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_colour_spaces_of_tiff(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (4, 4), (140, 128, 128))
    image.save(tmp_path / "a.tif")
    values = pixels(tmp_path / "a.tif")[0, 0]
    assert np.ptp(values) <= 3
    assert 100 < values.mean() < 160


def test_grey_is_told_by_pixels_not_by_mode(tmp_path: Path) -> None:
    grey = shape(0, 200).convert("L")
    grey.convert("RGB").save(tmp_path / "a.png")
    grey.convert("RGB").save(tmp_path / "a.jpg")
    grey.quantize(8).save(tmp_path / "p.png")
    assert all(look_at(tmp_path / name).grey for name in ("a.png", "a.jpg", "p.png"))
    spot = grey.convert("RGB")
    spot.putpixel((199, 199), (9, 8, 9))
    spot.save(tmp_path / "spot.png")
    assert not look_at(tmp_path / "spot.png").grey
    assert not look_at_saved(shape(0), tmp_path).grey


def look_at_saved(image: Image.Image, folder: Path) -> Look:
    image.save(folder / "saved.png")
    return look_at(folder / "saved.png")


def test_the_hash_is_of_the_files_bytes(tmp_path: Path) -> None:
    import hashlib

    seen = look_at_saved(shape(0), tmp_path)
    data = (tmp_path / "saved.png").read_bytes()
    assert (seen.sha256, seen.bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: object) -> None:
        raise AssertionError("decoded")

    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    for side in (10_001, 20_000, 60_000):  # silent, warned of and refused by Pillow itself
        with pytest.raises(PictureError, match=f"{side * side:,} pixels") as caught:
            open_path(bomb(tmp_path / f"{side}.png", side, side))
        assert caught.value.kind == "too-large"


def test_a_picture_just_small_enough_is_not_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape(0, 64).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 64 * 64)
    assert open_path(tmp_path / "a.png").size == (64, 64)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(PictureError, match="64 x 64 = 4,096 pixels"):
        open_path(tmp_path / "a.png")


def test_a_folder_with_a_pictures_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(PictureError, match="it is a folder") as caught:
        open_path(tmp_path / "a.jpg")
    assert caught.value.kind == "not-an-image"


def test_what_a_file_really_is(tmp_path: Path) -> None:
    for start, word in (
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"<svg xmlns", "SVG"),
        (b"\0" * 50, "no picture"),
    ):
        (tmp_path / "a.jpg").write_bytes(start + b"....")
        with pytest.raises(PictureError, match=word) as caught:
            open_path(tmp_path / "a.jpg")
        assert caught.value.kind == "not-an-image"
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    with pytest.raises(PictureError, match="HEIC"):
        open_path(tmp_path / "a.jpg")


def test_formats_that_start_programs_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(PictureError) as caught:
        open_path(tmp_path / "a.jpg")
    assert caught.value.kind == "not-an-image"


def refusal(path: Path) -> str:
    try:
        open_path(path)
    except PictureError as error:
        return error.kind
    return ""


def test_every_cut_of_a_file_is_refused_or_read_never_worse(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "gif", "bmp", "tif", "webp"):
        shape(0, 24).save(tmp_path / f"whole.{suffix}")
        data = (tmp_path / f"whole.{suffix}").read_bytes()
        kinds = []
        for length in range(1, len(data), max(1, len(data) // 25)):
            path = tmp_path / f"cut.{suffix}"
            path.write_bytes(data[:length])
            kinds.append(refusal(path))
        assert set(kinds) <= {"truncated", "unreadable", "not-an-image", ""}, suffix
        assert sum(map(bool, kinds)) >= 15, suffix


def test_noise_in_a_file_is_refused_or_read_never_worse(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for suffix in ("jpg", "png", "gif", "tif", "webp", "bmp"):
        shape(0, 24).save(tmp_path / f"whole.{suffix}")
        whole = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        for _ in range(25):
            data = whole.copy()
            data[draw.integers(0, len(data), 8)] = draw.integers(0, 256, 8)
            (tmp_path / "a.bin").write_bytes(data.tobytes())
            try:
                look_at(tmp_path / "a.bin")
            except PictureError:
                pass


def test_pillows_warnings_do_not_leak_and_others_do(tmp_path: Path) -> None:
    shape(0).save(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:-3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            open_path(tmp_path / "a.tif")
        except PictureError:
            pass
        with pytest.raises(PictureError):
            open_path(bomb(tmp_path / "b.png", 10_500, 10_500))
        assert caught == []
        warnings.warn("mine", stacklevel=1)
        assert [str(w.message) for w in caught] == ["mine"]


def test_silence_is_of_one_thread_only(tmp_path: Path) -> None:
    inside, done = threading.Event(), threading.Event()

    def decode() -> None:
        with decoding._silent():
            inside.set()
            done.wait(5)

    thread = threading.Thread(target=decode)
    thread.start()
    try:
        assert inside.wait(5)
        with pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
    finally:
        done.set()
        thread.join()


NAMES = [
    "日本語.png",
    "صورة.png",
    "😀 face.png",
    "caf\u00e9.png",
    "cafe\u0301.png",
    "it's.png",
    "a b.png",
    "#%&;.png",
    "-x.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_every_script(tmp_path: Path, name: str) -> None:
    shape(0).save(tmp_path / name)
    assert look_at(tmp_path / name).width == 32


@pytest.mark.skipif(os.name == "nt", reason="Windows allows neither in a name")
@pytest.mark.parametrize("name", ['quo"te.png', "new\nline.png", "back\\slash.png", "tab\t.png"])
def test_names_that_only_some_systems_allow(tmp_path: Path, name: str) -> None:
    shape(0).save(tmp_path / name)
    assert open_image(tmp_path, Item(name, name, None)).size == (32, 32)


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 5000 + ".png", "gone.png"])
def test_names_that_no_system_allows_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError):
        open_image(tmp_path, Item(name, name, None))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    shape(0).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(PictureError, match="cannot be opened"):
        open_path(tmp_path / "a.png")


def photograph(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth blots with fine grain, as large as a camera's."""
    draw = np.random.default_rng(7)
    blots = Image.fromarray(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    grain = Image.fromarray(draw.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8))
    return Image.blend(blots.resize((width, height)), grain.resize((width, height)), 0.15).convert(mode)


def psnr(one: Image.Image, other: Image.Image) -> float:
    """In decibels, both at the shorter side of the smaller one."""
    size = min(one.size, other.size)
    apart = [np.asarray(x.resize(size, Image.Resampling.BICUBIC), dtype=float) for x in (one, other)]
    return float(10 * np.log10(255**2 / max(((apart[0] - apart[1]) ** 2).mean(), 1e-9)))


def test_a_large_jpeg_is_scaled_while_it_is_decoded(tmp_path: Path) -> None:
    """Of 12 megapixels: never shorter than what was wanted, by a power of two, and hardly to be told apart."""
    photograph(4000, 3000).save(tmp_path / "a.jpg", quality=92)
    item = Item("a.jpg", "a.jpg", None)
    whole = open_image(tmp_path, item)
    assert whole.size == (4000, 3000)
    for shorter, size in ((300, (500, 375)), (375, (500, 375)), (381, (1000, 750)), (751, (2000, 1500))):
        seen = open_image(tmp_path, item, 3, shorter)
        assert (seen.size, seen.mode) == (size, "RGB")
        assert min(seen.size) >= shorter
        kept = (round(shorter * 4 / 3), shorter)
        assert psnr(seen.resize(kept), whole.resize(kept)) > 36
    for shorter in (1501, 3000, 9000):
        assert open_image(tmp_path, item, 3, shorter).tobytes() == whole.tobytes()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_scaled_jpegs_of_every_kind(tmp_path: Path, mode: str, progressive: bool) -> None:
    """Odd sides, too: the last pixels of a block that is not full are not lost."""
    for n, (width, height) in enumerate([(801, 403), (403, 801), (797, 799)]):
        photograph(width, height, mode).save(tmp_path / f"{n}.jpg", quality=95, progressive=progressive)
        item = Item(f"{n}.jpg", f"{n}.jpg", None)
        for channels in (1, 3, 4):
            whole = open_image(tmp_path, item, channels)
            for shorter in (100, 150, 201):
                seen = open_image(tmp_path, item, channels, shorter)
                assert shorter <= min(seen.size) < 2 * shorter + 2
                assert max(seen.size) / min(seen.size) == pytest.approx(
                    max(width, height) / min(width, height), rel=0.02
                )
                assert seen.mode == MODES[channels]
                assert psnr(seen, whole) > 27


@pytest.mark.parametrize("orientation", range(1, 9))
def test_scaled_jpegs_are_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph(600, 400).save(tmp_path / "a.jpg", exif=exif, quality=95)
    item = Item("a.jpg", "a.jpg", None)
    seen, whole = (open_image(tmp_path, item, 3, shorter) for shorter in (100, None))
    assert seen.size == ((150, 100) if orientation < 5 else (100, 150))
    assert whole.size == ((600, 400) if orientation < 5 else (400, 600))
    assert psnr(seen, whole) > 30


def test_only_jpegs_are_scaled_and_broken_ones_refused_as_ever(tmp_path: Path) -> None:
    image = photograph(400, 300)
    for suffix in ("png", "webp", "bmp", "tif"):
        image.save(tmp_path / f"a.{suffix}")
        assert open_image(tmp_path, Item("", f"a.{suffix}", None), 3, 40).size == (400, 300)
    image.save(tmp_path / "tiny.jpg")
    data = (tmp_path / "tiny.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError) as caught:
        open_image(tmp_path, Item("cut.jpg", "cut.jpg", None), 3, 40)
    assert caught.value.kind == "truncated"
    assert open_image(tmp_path, Item("", "tiny.jpg", None), 3, 1).size == (50, 38)
    assert open_image(tmp_path, Item("", "tiny.jpg", None), 3, 5000).size == (400, 300)


def test_the_filter_of_warnings_can_be_copied_as_text(tmp_path: Path) -> None:
    """scikit-learn hands the filters on to its threads so."""
    from sklearn.utils.parallel import Parallel, delayed

    shape(0, 20).save(tmp_path / "a.png")
    open_path(tmp_path / "a.png", 3)
    assert Parallel(n_jobs=1)(delayed(abs)(n) for n in (-1, 2)) == [1, 2]
