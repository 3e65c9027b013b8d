"""Packs the program `bootstrap` in a directory into `bootstrap.zip` beside it, for Lambda: pack.py DIRECTORY

The same program gives the same zip: one entry named bootstrap, executable, with the earliest date that a zip can hold.
Fails for a program that Lambda's Amazon Linux 2023 could not start. Its glibc is 2.34:
https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html
"""

import pathlib
import re
import sys
import zipfile

NEWEST_GLIBC = (2, 34)

program = pathlib.Path(sys.argv[1]) / "bootstrap"
target = program.with_suffix(".zip")
content = program.read_bytes()
# That of an earlier build must not be deployed in place of a program that is refused.
target.unlink(missing_ok=True)

# The names of symbols' versions are text in the program, whatever its architecture.
versions = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"\0GLIBC_(\d+\.\d+(?:\.\d+)?)(?=\0)", content)}
if not versions:
    sys.exit(f"pack: {program} needs no glibc: build it for aarch64-unknown-linux-gnu or x86_64-unknown-linux-gnu")
newest = max(versions)
if newest > NEWEST_GLIBC:
    needed, there = (".".join(map(str, version)) for version in (newest, NEWEST_GLIBC))
    sys.exit(f"pack: {program} needs glibc {needed}, and Lambda has {there}: build it with cargo-lambda and Zig")

entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.create_system = 3  # Unix, so that the mode counts.
entry.external_attr = 0o100755 << 16
with zipfile.ZipFile(target, "w") as archive:
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)

unpacked, packed = (f"{path.stat().st_size / 2**20:.1f} MiB" for path in (program, target))
print(f"{target}: {packed}, unpacked {unpacked}, for glibc {'.'.join(map(str, newest))} or newer")
