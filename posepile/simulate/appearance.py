"""What a person looks like: skin, hair and clothes."""

import colorsys
import dataclasses

import numpy as np

from posepile.simulate.mesh import (
    CHECK,
    LOGO,
    MOTTLED,
    PLAIN,
    SIDE_STRIPE,
    STRIPES_ACROSS,
    STRIPES_ALONG,
    Material,
)

_SKIN = np.array([[240, 205, 180], [224, 178, 145], [198, 145, 110], [150, 100, 70], [92, 60, 44]])
_HAIR = np.array([[28, 22, 20], [52, 36, 26], [92, 62, 38], [150, 112, 66], [196, 160, 104],
                  [120, 56, 34], [150, 148, 146]])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Appearance:
    """Colours and cuts.

    Attributes:
        skin, hair, lips, eyes: RGB in 0..255.
        hair_style: 'bald', 'short', 'long' or 'bun'.
        top, bottom, shoes: materials of the clothes.
        sleeve: how far the sleeves go along the arm, 0 (none) to 1 (the wrist).
        bottom_style: 'trousers' or 'skirt'.
        bottom_length: how far trousers or skirt go from the hip (0) to the ankle (1).
        looseness: distance of the clothes from the body, mm.
    """

    skin: tuple
    hair: tuple
    lips: tuple
    eyes: tuple
    hair_style: str
    top: Material
    bottom: Material
    shoes: Material
    sleeve: float
    bottom_style: str
    bottom_length: float
    looseness: float

    @classmethod
    def random(cls, rng, female=False):
        """Random clothes; the two halves of an outfit differ in colour."""
        tone = rng.uniform(0, len(_SKIN) - 1)
        skin = np.array([np.interp(tone, np.arange(len(_SKIN)), _SKIN[:, i]) for i in range(3)])
        skin = np.clip(skin + rng.normal(0, 5, 3), 30, 250)
        hair = np.clip(_HAIR[rng.integers(len(_HAIR))] + rng.normal(0, 8, 3), 10, 240)
        styles, odds = ('short', 'long', 'bun', 'bald'), (0.75, 0.1, 0.02, 0.13)
        if female:
            odds = (0.25, 0.5, 0.25, 0.0)
        skirt = female and rng.random() < 0.3
        short = rng.random() < (0.8 if skirt else 0.45)
        hue = rng.random()
        return cls(
            skin=tuple(skin),
            hair=tuple(hair),
            lips=tuple(skin * 0.6 + np.array([150, 60, 60]) * 0.4),
            eyes=((90, 60, 35), (60, 90, 130), (70, 100, 70))[rng.integers(3)],
            hair_style=str(rng.choice(styles, p=odds)),
            top=_random_top(rng, hue),
            bottom=_random_bottom(rng, hue),
            shoes=Material(_random_colour(rng, rng.random(), (0, 0.5), (0.15, 0.95))),
            sleeve=float(rng.choice([0.1, 0.3, 0.34, 0.62, 0.97], p=[0.1, 0.3, 0.2, 0.1, 0.3])),
            bottom_style='skirt' if skirt else 'trousers',
            bottom_length=float(rng.uniform(0.3, 0.5) if short else rng.uniform(0.92, 0.965)),
            looseness=float(rng.uniform(4, 15)),
        )


def _random_colour(rng, hue, saturation, value):
    rgb = colorsys.hsv_to_rgb(hue % 1, rng.uniform(*saturation), rng.uniform(*value))
    return tuple(255 * c for c in rgb)


def _random_top(rng, hue):
    colour = _random_colour(rng, hue, (0.0, 0.9), (0.25, 0.98))
    second = _random_colour(rng, hue + rng.uniform(0.2, 0.8), (0.0, 0.9), (0.15, 1.0))
    kind = rng.choice([PLAIN, STRIPES_ALONG, STRIPES_ACROSS, CHECK, LOGO],
                      p=[0.4, 0.18, 0.08, 0.12, 0.22])  # fmt: skip
    scale = rng.uniform(55, 110) if kind == LOGO else rng.uniform(25, 70)
    centre = (rng.uniform(-20, 20), rng.uniform(260, 320))
    return Material(colour, int(kind), second, float(scale), centre)


def _random_bottom(rng, hue):
    if rng.random() < 0.4:  # jeans and dark cloth
        colour = _random_colour(rng, 0.6, (0.1, 0.6), (0.12, 0.5))
    else:
        colour = _random_colour(rng, hue + rng.uniform(0.25, 0.75), (0.0, 0.8), (0.15, 0.9))
    kind = rng.choice([PLAIN, MOTTLED, SIDE_STRIPE], p=[0.55, 0.25, 0.2])
    second = tuple(0.8 * c for c in colour) if kind == MOTTLED else (235, 235, 235)
    return Material(colour, int(kind), second, 12.0)
