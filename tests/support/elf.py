"""ELF files as small as they can be, with the linking that a test wants (ELF gABI)."""

import struct

X86_64, AARCH64 = 62, 183


def elf(
    needed: tuple[str, ...] = (), *, search: str = "", interpreter: str = "", machine: int = X86_64, wide: bool = True
) -> bytes:
    """Return a little-endian ELF file: one loaded segment that is the whole file, and its dynamic section."""
    header_size, entry_size = (64, 56) if wide else (52, 32)
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in (*needed, search, interpreter))
    places, at = [], 1
    for name in (*needed, search, interpreter):
        places.append(at)
        at += len(name.encode()) + 1
    start = header_size + 3 * entry_size
    dynamic_at = start + len(strings)
    tags = [(1, place) for place in places[: len(needed)]]
    tags += [(29, places[len(needed)])] if search else []
    tags += [(5, start), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ" if wide else "<iI", *tag) for tag in tags)
    size = dynamic_at + len(dynamic)
    segments = [(1, 0, 0, size), (2, dynamic_at, dynamic_at, len(dynamic))]
    if interpreter:
        segments.append((3, start + places[-1], start + places[-1], len(interpreter) + 1))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    form = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
    header = ident + struct.pack(
        form, 3, machine, 1, 0, header_size, 0, 0, header_size, entry_size, len(segments), 0, 0, 0
    )
    table = b""
    for kind, offset, address, length in segments:
        if wide:
            table += struct.pack("<IIQQQQQQ", kind, 4, offset, address, address, length, length, 1)
        else:
            table += struct.pack("<IIIIIIII", kind, offset, address, address, length, length, 4, 1)
    return header + table.ljust(3 * entry_size, b"\0") + strings + dynamic
