"""The columns of the work list against lists; what they hold is exact."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.probing.schedule.columns import LATEST, Blobs, Instants

owners = st.integers(0, 200)
instants = st.integers(0, LATEST) | st.sampled_from([0, 1, LATEST - 1, LATEST])
blobs = st.binary(max_size=80) | st.integers(250, 70_000 - 4_500).map(bytes)


@given(st.lists(st.tuples(owners, instants, instants), max_size=60))
def test_instants_come_back_to_the_microsecond(puts: list[tuple[int, int, int]]) -> None:
    """Whoever shares a byte with the other instant, or sits next to it, changes nothing."""
    column, model = Instants(), {}
    for owner, first, second in puts:
        column.put(owner, first, second)
        model[owner] = (first, second)
        assert model == {owner: column.pair(owner) for owner in model}


def test_instants_take_thirteen_bytes() -> None:
    """Two machine words would take sixteen; a little is kept to spare."""
    column = Instants()
    for owner in range(100_000):
        column.put(owner, owner, LATEST - owner)
    assert len(column._pairs) <= 100_000 * 13 * 1.01


@settings(deadline=None)
@given(
    st.lists(blobs, max_size=200),
    st.lists(st.tuples(owners, blobs), max_size=40),
)
def test_blobs_come_back_as_they_went_in(
    first: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    """In full pages and in the last one, whatever the lengths are and become."""
    column, model = Blobs(), []
    for data in first:
        column.append(data)
        model.append(data)
    for owner, data in changes:
        if owner < len(model):
            column[owner] = model[owner] = data
    assert len(column) == len(model)
    assert model == [column[owner] for owner in range(len(model))]


def test_blobs_keep_no_garbage() -> None:
    """What is written over or emptied is gone: a record costs its bytes and its length."""
    column = Blobs()
    for _ in range(1_000):
        column.append(bytes(500))
    for owner in range(1_000):
        column[owner] = bytes(74)
    assert column.size == 1_000 * 75
    for owner in range(1_000):
        column[owner] = b""
    assert column.size == 1_000
