"""Which families have a way out of this vantage."""

from services.probing.guard.families import BOTH, routed_families


def test_families_without_a_route_are_told() -> None:
    """A vantage without IPv6 knows it; one without any route claims both and lets looks fail."""

    def only_v4(version: int, address: str) -> None:
        if version == 6:
            raise OSError

    def nothing(version: int, address: str) -> None:
        raise OSError

    assert routed_families(only_v4) == {4}
    assert routed_families(lambda version, address: None) == BOTH == routed_families(nothing)
