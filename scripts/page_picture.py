"""What a screenshot of the status page must show.

usage: page_picture.py light|dark FILE.png     the ground is light or dark, and text stands out on it all over the page
"""

import struct
import sys
import zlib


def rows(data):
    """Lines of grey values, 0 to 255, of a PNG of 8 bits in RGB or RGBA without interlacing."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit("page_picture: no PNG")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    if depth != 8 or colour not in (2, 6) or interlace:
        sys.exit(f"page_picture: depth {depth}, colour {colour}, interlace {interlace} are not read here")
    size = 4 if colour == 6 else 3
    raw, stride, before = zlib.decompress(packed), width * size, bytes(width * size)
    for line in range(height):
        start = line * (stride + 1)
        kind, now = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = now[i - size] if i >= size else 0
            up, corner = before[i], before[i - size] if i >= size else 0
            guess = (0, left, up, (left + up) // 2, paeth(left, up, corner))[kind]
            now[i] = (now[i] + guess) & 255
        before = bytes(now)
        yield [(now[i] * 2 + now[i + 1] * 5 + now[i + 2]) // 8 for i in range(0, stride, size)]


def paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def main(scheme, path):
    with open(path, "rb") as file:
        lines = list(rows(file.read()))
    counts = [0] * 256
    for line in lines:
        for grey in line:
            counts[grey] += 1
    ground = counts.index(max(counts))
    if (ground > 200) != (scheme == "light") or (ground < 80) != (scheme == "dark"):
        sys.exit(f"page_picture: the ground of the {scheme} page is {ground} of 255")
    # Text that differs from the ground by more than half of the scale, in many lines of the picture.
    written = sum(any(abs(grey - ground) > 128 for grey in line) for line in lines)
    if written * 5 < len(lines):
        sys.exit(f"page_picture: text stands out in {written} of {len(lines)} lines")
    print(f"{scheme}: ground {ground}, text in {written} of {len(lines)} lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
