"""The unused part of Chroma's index files, which Chroma fills with whatever its memory held.

Chroma 1.5.9 reserves index space for rows to come and writes it to the disk without clearing it:
what the process handled before, texts included, can stand in the file of any collection. It is
cleared with every erasure, while no call of Chroma is under way. An index that grows later may take
up memory of the process again that still holds what was erased, which nothing outside of Chroma can
prevent: so the files are cleared again when the last client of a folder closes, and, after a crash,
before the first one opens.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_HEADER = struct.Struct("<iQQQQ")  # version, offset, rows reserved, rows used, bytes of a row
_VERSION = 1
_LENGTH_BYTES = 4  # of a row in length.bin
_CHUNK = 1 << 20


def clear(folder: Path) -> None:
    """Overwrite with zeros what no row uses. No call of Chroma may be under way in the folder.

    Chroma writes what is cleared before it reads it, should a row come to stand there. A kill
    midway leaves the rows intact: a file is never cut, and nothing before its unused part is
    written to.

    Raises:
        OSError: a file cannot be written.
    """
    for header in sorted(folder.glob("*/header.bin")):
        content = header.read_bytes()
        if len(content) < _HEADER.size:
            continue
        version, offset, _reserved, used, row = _HEADER.unpack_from(content)
        if version == _VERSION:
            _zero(header.with_name("data_level0.bin"), offset + used * row)
            _zero(header.with_name("length.bin"), used * _LENGTH_BYTES)


def _zero(path: Path, start: int) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        place = file.seek(start)
        written = False
        while chunk := file.read(_CHUNK):
            if chunk.count(0) != len(chunk):
                file.seek(place)
                file.write(bytes(len(chunk)))
                written = True
            place = file.seek(place + len(chunk))
        if written:
            file.flush()
            os.fsync(file.fileno())
