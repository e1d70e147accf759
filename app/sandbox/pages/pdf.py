"""The smallest PDF (ISO 32000-1) that shows some lines of text."""

from collections.abc import Sequence

_HEAD = b"%PDF-1.4\n"


def one_page(lines: Sequence[str]) -> bytes:
    """One A4 page with these lines; what Latin-1 lacks is shown as a question mark."""
    shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    stream = f"BT /F1 11 Tf 16 TL 56 780 Td\n{shown}ET".encode("latin-1", "replace")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _assembled(parts)


def _assembled(parts: Sequence[bytes]) -> bytes:
    body, places = bytearray(_HEAD), []
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(parts) + 1
    return bytes(body) + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, len(body))
    )


def _escaped(line: str) -> str:
    plain = line.replace("\N{MINUS SIGN}", "-").replace("\N{MULTIPLICATION SIGN}", "x")
    return plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
