"""Take out of a text whatever looks like a URL, a host name or an address.

The last line of defence of the logs: nothing should hand them such a text in the first place.
"""

import ipaddress
import re
from functools import cache

from publicsuffixlist import PublicSuffixList

_URL = re.compile(r"\b(?:h(?:xx|tt)ps?|ftp|wss?)(?:://|\[:\]//|%3a%2f%2f)[^\s\"'<>]+", re.I)
# Not behind a slash: parts of a path such as /usr/lib/x.py are no hosts.
_HOST = re.compile(r"(?<![\w./-])(?:[\w-]+(?:\.|\[\.\]))+[a-z][\w-]*\.?(?![\w/-]*\()", re.I)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.I)
# RFC 2606 and RFC 7686 names stand in no list of suffixes.
_RESERVED = frozenset({"example", "test", "invalid", "onion"})
# Country codes that are also ends of the program's own file and module names.
_FILE_ENDS = (".py", ".so", ".md", ".sh")


def redact(text: str) -> str:
    """Replace what names a place on the network by `[url]`, `[host]` or `[address]`."""
    text = _URL.sub("[url]", text)
    text = _IPV4.sub(_address, text)
    text = _IPV6.sub(_address, text)
    return _HOST.sub(_host, text)


def _address(match: re.Match[str]) -> str:
    text = match[0]
    # "2001:db8::1: refused": the last colon belongs to the sentence.
    end = ":" if text.endswith(":") and not text.endswith("::") else ""
    try:
        address = ipaddress.ip_address(text.removesuffix(end))
    except ValueError:
        return text
    return text if address.is_loopback or address.is_unspecified else f"[address]{end}"


def _host(match: re.Match[str]) -> str:
    name = match[0].replace("[.]", ".").rstrip(".").lower()
    return "[host]" if _is_host(name) else match[0]


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def _is_host(name: str) -> bool:
    if name.endswith(_FILE_ENDS):
        return False
    return name.rpartition(".")[2] in _RESERVED or _suffixes().privatesuffix(name) is not None
