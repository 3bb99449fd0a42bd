"""What is remembered of names, and for how long; time is an argument."""

from services.probing.dns.answer_cache import AnswerCache
from services.probing.dns.resolution import ResolverLimits


def test_name_servers_are_remembered_for_a_moment() -> None:
    """Looks of one moment share them, none among them too; later they are asked for again."""
    cache = AnswerCache(ResolverLimits(fresh_seconds=0.25))
    cache.put_name_servers("pics.example", ("ns1.pics.example",), 10.0)
    cache.put_name_servers("bare.example", (), 10.0)
    assert cache.name_servers("pics.example", 10.2) == ("ns1.pics.example",)
    assert cache.name_servers("bare.example", 10.2) == ()
    assert cache.name_servers("pics.example", 10.25) is None
    assert cache.name_servers("other.example", 10.0) is None


def test_name_servers_of_few_domains_are_remembered() -> None:
    """The oldest goes where there are too many."""
    cache = AnswerCache(ResolverLimits(negative_entries=2))
    for name in ("a.example", "b.example", "a.example", "c.example"):
        cache.put_name_servers(name, (), 10.0)
    assert [cache.name_servers(f"{n}.example", 10.0) for n in "abc"] == [(), None, ()]
