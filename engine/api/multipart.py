"""The image in a `multipart/form-data` body (RFC 7578)."""

import re

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)


def first_file(body: bytes, content_type: str) -> bytes | None:
    """The first part that is a file, else the first part; None if there is none.

    Args:
        body: the whole body.
        content_type: the request's header, which names the boundary.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        return None
    delimiter = b"\r\n--" + (match.group(1) or match.group(2)).encode("latin-1")
    parts = []
    for piece in (b"\r\n" + body).split(delimiter)[1:]:
        if piece.startswith(b"--"):
            break
        head, blank, content = piece.partition(b"\r\n\r\n")
        if blank:
            parts.append((b"filename" in head.lower(), content))
    files = [content for is_file, content in parts if is_file]
    return files[0] if files else (parts[0][1] if parts else None)
