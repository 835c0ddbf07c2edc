"""Data sets whose labels have one rate, known by their classes: what `mapping.txt` lists names the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["KnownRate", "known_rate"]


class KnownRate(NamedTuple):
    """The rate of a data set.

    Parameters
    ----------
    name : str
    rate : FrameRate

    Examples
    --------
    >>> KnownRate("GTEA", FrameRate(15)).rate.hz
    15.0
    """

    name: str
    rate: FrameRate


# The lists that MS-TCN's copies of the sets come with, and the rates that their labels were sampled at.
_CLASSES = {
    KnownRate("GTEA", FrameRate(15)): "take open pour close shake scoop stir put fold spread background",
    KnownRate("50Salads", FrameRate(30)): """
        cut_tomato place_tomato_into_bowl cut_cheese place_cheese_into_bowl cut_lettuce place_lettuce_into_bowl
        add_salt add_vinegar add_oil add_pepper mix_dressing peel_cucumber cut_cucumber place_cucumber_into_bowl
        add_dressing mix_ingredients serve_salad_onto_plate action_start action_end""",
    KnownRate("Breakfast", FrameRate(15)): """
        SIL pour_cereals pour_milk stir_cereals take_bowl pour_coffee take_cup spoon_sugar stir_coffee pour_sugar
        pour_oil crack_egg add_saltnpepper fry_egg take_plate put_egg2plate take_eggs butter_pan take_knife cut_orange
        squeeze_orange pour_juice take_glass take_squeezer spoon_powder stir_milk spoon_flour stir_dough pour_dough2pan
        fry_pancake put_pancake2plate pour_flour cut_fruit put_fruit2bowl peel_fruit stir_fruit cut_bun smear_butter
        take_topping put_toppingOnTop put_bunTogether take_butter stir_egg pour_egg2pan stirfry_egg add_teabag
        pour_water stir_tea""",
}
_KNOWN = {frozenset(classes.split()): known for known, classes in _CLASSES.items()}


def known_rate(classes: AbstractSet[str]) -> KnownRate | None:
    """Return the data set that has exactly these classes, None where none is known.

    Examples
    --------
    >>> known_rate({"take", "put"}) is None
    True
    """
    return _KNOWN.get(frozenset(classes))
