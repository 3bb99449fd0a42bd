"""The content types that the ending of a URL promises."""

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.probing.http.exchange import target_of


def is_promised(url: CanonicalUrl, print_: Fingerprint | None) -> bool:
    """Tell whether what a URL gives is the file that its extension promises, and large enough for one."""
    if print_ is None or print_.content_type is None:
        return False
    extension = target_of(url).partition("?")[0].rpartition(".")[2].lower()
    agrees = print_.content_type in _TYPES.get(extension, ())
    return agrees and (print_.content_length or 0) >= _LEAST_BYTES


_LEAST_BYTES = 2048
_TYPES = {
    "jpg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "jpeg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "png": ("image/png",),
    "gif": ("image/gif",),
    "webp": ("image/webp",),
    "avif": ("image/avif",),
    "bmp": ("image/bmp", "image/x-ms-bmp"),
    "mp4": ("video/mp4",),
    "m4v": ("video/mp4", "video/x-m4v"),
    "webm": ("video/webm",),
    "mov": ("video/quicktime",),
    "avi": ("video/x-msvideo", "video/avi"),
    "mkv": ("video/x-matroska",),
    "wmv": ("video/x-ms-wmv",),
    "zip": ("application/zip", "application/x-zip-compressed"),
    "rar": ("application/vnd.rar", "application/x-rar-compressed", "application/x-rar"),
    "7z": ("application/x-7z-compressed",),
}
