"""Blocks: a vantage that is kept out. They move nothing; all that follows is that another vantage looks."""

from schemas.events import LookMade
from schemas.methodology import Methodology
from services.core.case import Block, Spell
from services.core.runs import pending_runs


def record_block(spell: Spell, look: LookMade, methodology: Methodology) -> None:
    """Count a block in a row, unless it met a vantage that was only asked because another finds the URL gone.

    One that does not last gives way to another vantage's: a late look of whoever was asked is not the watch.
    """
    if spell.run is not None and spell.run.vantages[0] == look.vantage:
        spell.run.shut_out = True
    block = spell.block
    if block is not None and block.vantage == look.vantage:
        block.looks += 1
        return
    lasting = block is not None and is_lasting(block, methodology)
    if not lasting and not _gone_elsewhere(spell, look):
        spell.block = Block(vantage=look.vantage, looks=1)


def clear_block(spell: Spell, block: Block, look: LookMade, methodology: Methodology) -> None:
    """End the row of the vantage that got through; another's only while no vantage was asked for its sake."""
    if block.vantage == look.vantage or not is_lasting(block, methodology):
        spell.block = None


def is_lasting(block: Block, methodology: Methodology) -> bool:
    """Tell whether a block lasts, so that another vantage has to look, if vantages may disagree at all."""
    rule = methodology.confirmation
    return rule.vantages > 1 and block.looks >= rule.blocked_looks


def _gone_elsewhere(spell: Spell, look: LookMade) -> bool:
    """Tell whether other vantages find it gone, and this one does not."""
    return any(look.vantage not in run.vantages for run in pending_runs(spell))
