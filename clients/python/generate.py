"""Makes src/sluice_eventstore/v1 from ../../proto with grpcio-tools, as pinned in requirements.txt. With --check it only compares."""

import re
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).parent
PROTO = HERE.parent.parent / "proto"
TARGET = HERE / "src" / "sluice_eventstore" / "v1"
PACKAGE = '"""The messages of the contract, as protoc makes them. `python generate.py` renews them."""\n'


def generate() -> dict[str, str]:
    """The files by name. The package is within this one, so that it never meets stubs that a program makes itself."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as out:
        files = [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("sluice/v1/*.proto"))]
        flags = [f"--proto_path={PROTO}", f"--proto_path={well_known}", f"--python_out={out}", f"--pyi_out={out}"]
        if protoc.main(["protoc", *flags, *files]) != 0:
            raise SystemExit("protoc failed")
        made = {path.name: path.read_text() for path in Path(out, "sluice", "v1").iterdir()}
    own = {name: re.sub(r"^from sluice\.v1 import", "from . import", text, flags=re.MULTILINE) for name, text in made.items()}
    return {"__init__.py": PACKAGE, **own}


def main() -> None:
    files = generate()
    found = {path.name: path.read_text() for path in TARGET.glob("*.py*")}
    if "--check" in sys.argv:
        if found != files:
            raise SystemExit(f"{TARGET} is not what proto/ makes: run generate.py")
        return
    for name in found.keys() - files.keys():
        (TARGET / name).unlink()
    TARGET.mkdir(exist_ok=True)
    for name, text in files.items():
        (TARGET / name).write_text(text)


main()
