"""The languages of the toy world, one file each, written for this project."""

from __future__ import annotations

from collections.abc import Mapping

from xtl_jax.world.language import Lexicon
from xtl_jax.world.lexicons import ar, de, en, es, hi, ru, sw, tr, zh

LEXICONS: Mapping[str, Lexicon] = {
    module.LEXICON.language: module.LEXICON
    for module in (en, de, es, sw, tr, ru, ar, hi, zh)
}
