"""A Broden of four pictures, written to disk in the published layout."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE, MAP_SIDE = 16, 8
LABELS = {  # number -> name, and how many pictures have it in each category
    1: ("black-c", {"color": 4}),
    2: ("white-c", {"color": 2}),
    3: ("fabric", {"material": 1, "object": 1}),
    4: ("car", {"object": 2}),
    5: ("street-s", {"scene": 2}),
    6: ("wheel", {"part": 2}),
    300: ("door", {"part": 2, "object": 1}),  # needs the green channel: 300 = 44 + 256 * 1
    7: ("striped", {"texture": 1}),
    8: ("dotted", {"texture": 1}),
}
HEAD = "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture"
CODES = {  # category -> numbers by code; not in the order of the numbers
    "color": (1, 2),
    "object": (4, 3, 300),
    "part": (300, 6),
    "material": (3,),
    "scene": (5,),
    "texture": (8, 7),
}
ROWS = (
    "ade20k/a.jpg,train,16,16,8,8,ade20k/a_color.png,ade20k/a_object.png,ade20k/a_part_1.png;ade20k/a_part_2.png,,5,",
    "ade20k/b.jpg,val,16,16,8,8,ade20k/b_color.png,ade20k/b_object.png,,,5,",
    "opensurfaces/c.jpg,train,16,16,8,8,opensurfaces/c_color.png,,,opensurfaces/c_material.png,,",
    "dtd/d.jpg,val,16,16,8,8,dtd/d_color.png,,,,,7;8",
)


def numbers() -> dict[str, npt.NDArray[np.int64]]:
    """What stands in each map of the miniature."""

    def halves(left: int, right: int) -> npt.NDArray[np.int64]:
        values = np.full((MAP_SIDE, MAP_SIDE), left)
        values[:, MAP_SIDE // 2 :] = right
        return values

    return {
        "ade20k/a_color.png": halves(1, 2),
        "ade20k/a_object.png": halves(4, 0),
        "ade20k/a_part_1.png": halves(300, 0),
        "ade20k/a_part_2.png": halves(6, 6),
        "ade20k/b_color.png": halves(1, 1),
        "ade20k/b_object.png": halves(300, 3),
        "opensurfaces/c_color.png": halves(2, 1),
        "opensurfaces/c_material.png": halves(0, 3),
        "dtd/d_color.png": halves(1, 1),
    }


def coded(values: npt.NDArray[np.int64]) -> Image.Image:
    """A label map as Broden saves it: red + 256 * green."""
    rgb = np.stack([values % 256, values // 256, np.zeros_like(values)], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def write(root: Path, rows: Sequence[str] = ROWS, codes: Mapping[str, Sequence[int]] = CODES) -> Path:
    """Writes the miniature; gives its folder."""
    for folder in ("ade20k", "opensurfaces", "dtd"):
        (root / "images" / folder).mkdir(parents=True)
    for name, values in numbers().items():
        coded(values).save(root / "images" / name)
    for place, row in enumerate(rows):
        pixels = np.full((SIDE, SIDE, 3), 40 * place, np.uint8)
        Image.fromarray(pixels).save(root / "images" / row.partition(",")[0])
    (root / "index.csv").write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    table(root / "label.csv", "number,name,category,frequency,coverage,syns", label_rows())
    category_rows = [[name, min(each), max(each), len(each), 4] for name, each in codes.items()]
    table(root / "category.csv", "name,first,last,count,frequency", category_rows)
    for category, each in codes.items():
        code_rows = [[code, number, LABELS[number][0], 1, 0.5] for code, number in enumerate(each, start=1)]
        table(root / f"c_{category}.csv", "code,number,name,frequency,coverage", code_rows)
    return root


def label_rows() -> list[list[object]]:
    return [
        [number, name, ";".join(f"{category}({count})" for category, count in counts.items()), 4, 0.5, ""]
        for number, (name, counts) in LABELS.items()
    ]


def table(path: Path, head: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head.split(","))
        writer.writerows(rows)
