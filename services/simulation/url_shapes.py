"""The shapes of URLs: which of a host's paths and queries one program of it answers."""

from typing import NamedTuple


class UrlShape(NamedTuple):
    """URLs that differ in nothing but an id: what stands before it, and what behind."""

    before: str
    after: str

    def target(self, name: str) -> str:
        """Write the path and query of an id."""
        return f"{self.before}{name}{self.after}"

    def covers(self, target: str) -> bool:
        """Tell whether a path and query are of this shape."""
        return target.startswith(self.before) and target.endswith(self.after)


FILE = UrlShape("/i/", ".jpg")
QUERY = UrlShape("/view.php?id=", "")
MIDDLE = UrlShape("/photos/", "/large.jpg")
