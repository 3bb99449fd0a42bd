"""The supervisor's parts that need no process."""

from services.runtime.supervisor import Backoff, RotatingFile


def test_backoff_doubles_up_to_its_cap():
    """A child that keeps dying is restarted ever later, but never later than the cap."""
    backoff = Backoff(first_seconds=0.5, longest_seconds=3.0)
    assert [backoff.seconds(n) for n in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.seconds(10_000) == 3.0


def test_log_is_renamed_when_it_has_grown(tmp_path):
    """Years of log fit the disk: so many files of so many bytes, the newest without a number."""
    file = RotatingFile(tmp_path / "role.log", max_bytes=4, files=3)
    for line in (b"one\n", b"two\n", b"three\n", b"4\n"):
        file.write(line)
    file.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"role.log": "4\n", "role.log.1": "three\n", "role.log.2": "two\n"}


def test_log_is_not_cut_in_the_middle_of_a_line(tmp_path):
    """A line that comes in two pieces stays in one file."""
    file = RotatingFile(tmp_path / "role.log", max_bytes=4, files=2)
    file.write(b"half a ")
    file.write(b"line\n")
    file.close()
    assert (tmp_path / "role.log.1").read_text() == "half a line\n"
