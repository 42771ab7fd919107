"""What the drawings are labelled with: concepts in the six categories of Broden (Bau et al. 2017, table 1)."""

from dataclasses import dataclass

SCENES = ("meadow", "beach", "street", "night", "room", "mountain", "underwater", "desert")
OBJECTS = (
    *("face", "cat", "owl", "robot", "car", "bus", "house", "boat"),
    *("tree", "flower", "fish", "clock", "balloon", "butterfly"),
)
PARTS = (
    *("eye", "nose", "mouth", "ear", "hair", "beak", "wing", "antenna", "wheel", "window", "door", "roof", "chimney"),
    *("sail", "hull", "trunk", "crown", "petal", "stem", "leaf", "fin", "tail", "hand", "dial", "basket"),
)
MATERIALS = ("wood", "brick", "stone", "metal", "grass", "water", "sand", "fabric", "snow")
TEXTURES = (
    *("striped", "dotted", "chequered", "zigzag", "gridded", "wavy", "ringed", "crosshatched", "speckled", "scaly"),
)
COLOURS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")
BY_CATEGORY = {
    "scene": SCENES,
    "object": OBJECTS,
    "part": PARTS,
    "material": MATERIALS,
    "texture": TEXTURES,
    "colour": COLOURS,
}
CATEGORIES = tuple(BY_CATEGORY)


@dataclass(frozen=True)
class Concept:
    """One thing that pixels can be labelled with.

    Args:
        id: its number in the label maps, from 1; 0 means no label.
        name: in words.
        category: scene, object, part, material, texture or colour.
    """

    id: int
    name: str
    category: str


CONCEPTS = tuple(
    Concept(number, name, category)
    for number, (category, name) in enumerate(
        ((category, name) for category, names in BY_CATEGORY.items() for name in names), start=1
    )
)
ID_OF = {(concept.category, concept.name): concept.id for concept in CONCEPTS}
