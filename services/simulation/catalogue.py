"""Every scenario by its name."""

from services.simulation.article import NAME, article
from services.simulation.scenarios import demo, gauntlet

SCENARIOS = {"demo": demo, "gauntlet": gauntlet, NAME: article}
