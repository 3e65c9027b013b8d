"""Writes what the programs are made of, for a release: components.py DIRECTORY

    PROGRAM.cdx.json   for each program its software bill of materials, in CycloneDX 1.6
    NOTICES.txt        the licences of all their components, which ask to be passed on with a program

A component is each crate that is compiled for a program, also one that only helps to build it: OpenSSL's source is such a
crate. What only tests use is none. Fails if a bill is not as the schema of CycloneDX says.
"""

import collections
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

PROGRAMS = ("post-confirmation", "provision")
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
TOP = pathlib.Path(__file__).parent.parent.parent
LICENCES = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|UNLICENSE)", re.IGNORECASE)
# Where crates keep the C source that they are around, with licences of its own.
SOURCES = {"openssl-src": "openssl", "aws-lc-sys": "aws-lc"}


def cargo(*arguments, target_option):
    """What a command of Cargo prints about the targets."""
    targets = [word for target in TARGETS for word in (target_option, target)]
    command = ["cargo", *arguments, "--locked", *targets]
    return subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout


def compiled_for(program):
    """Name and version of each package in a program: with this program's features alone, which `cargo metadata` mixes."""
    lines = cargo("tree", f"--package={program}", "--edges=no-dev", "--prefix=none", "--format={p}", target_option="--target")
    return {tuple(line.replace(" v", " ", 1).split()[:2]) for line in lines.splitlines() if line}


def component(package, checksums):
    """A package of Cargo as CycloneDX describes it. Those of this repository are in no registry and have no address."""
    name, version, source = package["name"], package["version"], package["source"]
    purl = PackageURL("cargo", None, name, version) if source else None
    # Cargo's older way to write OR.
    licence = LicenseFactory().make_from_string(package["license"].replace("/", " OR "))
    checksum = checksums.get((name, version))
    return Component(
        type=ComponentType.APPLICATION if name in PROGRAMS else ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=purl,
        description=package["description"],
        licenses=[licence],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
    )


def bill(program, packages, nodes, checksums):
    """A program's bill of materials, as JSON."""
    within = compiled_for(program)
    components = {id: component(package, checksums) for id, package in packages.items() if key(package) in within}
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{program} {sorted(within)}"))
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", 0))
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    for id, found in components.items():
        if packages[id]["name"] == program:
            bom.metadata.component = found
        else:
            bom.components.add(found)
        used = [dependency["pkg"] for dependency in nodes[id]["deps"] if is_compiled(dependency)]
        bom.register_dependency(found, [components[other] for other in used if other in components])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault:
        sys.exit(f"components: the bill of materials of {program} is not CycloneDX: {fault}")
    return components, text


def key(package):
    return package["name"], package["version"]


def is_compiled(dependency):
    return any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])


def licences(package):
    """The texts of a package's licences."""
    top = pathlib.Path(package["manifest_path"]).parent
    directories = [top, top / SOURCES.get(package["name"], "")]
    found = {file for directory in directories for file in directory.iterdir() if LICENCES.match(file.name)}
    return [file.read_text(errors="replace").strip() for file in sorted(found) if file.is_file()]


def notices(packages):
    """Each text of a licence once, below the names of the packages that have it."""
    names = collections.defaultdict(list)
    for package in packages:
        title = f"{package['name']} {package['version']} ({package['license']})"
        # A few have no file: their authors and the name of the licence are all that they pass on.
        nothing = f"No text of its own. Authors: {', '.join(package['authors']) or 'see ' + (package['repository'] or 'crates.io')}"
        for text in licences(package) or [nothing]:
            names[text].append(title)
    sections = sorted(("\n".join(sorted(titles)), text) for text, titles in names.items())
    line = "=" * 80
    return "".join(f"{line}\n{titles}\n{line}\n\n{text}\n\n" for titles, text in sections)


def main(directory):
    metadata = json.loads(cargo("metadata", "--format-version=1", target_option="--filter-platform"))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    lock = (TOP / "Cargo.lock").read_text()
    checksums = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = .+\nchecksum = "(.+)"', lock)
    checksums = {(name, version): checksum for name, version, checksum in checksums}

    of_all = {}
    for program in PROGRAMS:
        components, text = bill(program, packages, nodes, checksums)
        (directory / f"{program}.cdx.json").write_text(text + "\n")
        of_all |= components
        print(f"{directory / program}.cdx.json: {len(components) - 1} components")
    foreign = [packages[id] for id in of_all if packages[id]["source"]]
    (directory / "NOTICES.txt").write_text(notices(foreign))


main(pathlib.Path(sys.argv[1]))
