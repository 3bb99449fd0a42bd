"""Tell one story on several servers, each with a rule of its own."""

from collections.abc import Mapping

import pytest

from tests.realservers.daemons import KINDS


def by_rule(rules: Mapping[str, str]) -> pytest.MarkDecorator:
    """Run a test with `kind` and `rule` for each entry; its name begins with the server's."""
    pairs = [(name.split()[0], rule) for name, rule in rules.items()]
    assert all(kind in KINDS for kind, _ in pairs)
    names = [name.replace(" ", "_") for name in rules]
    return pytest.mark.parametrize(("kind", "rule"), pairs, ids=names)
