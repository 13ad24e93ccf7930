"""Run the examples, and write what they print and draw into docs/gallery.md and docs/images.

Run: ``python docs/gallery.py`` (some minutes; needs the package installed, matplotlib and pillow).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent
EXAMPLES = DOCS.parent / "examples"
IMAGES = DOCS / "images"
HEAD = """\
# Gallery

Every example of the folder `examples/`, with what it printed and drew when `python docs/gallery.py`
was last run.
"""


@dataclass(frozen=True)
class Entry:
    """An example: its file, a title, and the picture that it leaves in its folder, if any."""

    file: str
    title: str
    picture: str = ""
    runs: bool = True


ENTRIES = [
    Entry("disc_to_c.py", "A disc becomes a C", "disc_to_c.gif"),
    Entry("register.ipynb", "Register two images", "registered/report.png"),
    Entry("network_with_shooting.py", "A network that ends in geodesic shooting"),
    Entry("instead_of_grid_sample.py", "In place of grid_sample"),
    Entry("numpy_alone.py", "NumPy alone"),
    Entry("cupy_and_torch.py", "CuPy and torch share memory", runs=False),
]


def code_of(file: str) -> str:
    """Return the code of an example; of a notebook that of all its cells."""
    text = (EXAMPLES / file).read_text()
    if not file.endswith(".ipynb"):
        return text.strip()
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def run(code: str, folder: Path) -> str:
    """Run code in a folder; return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def keep_picture(source: Path, name: str) -> Path:
    """Copy an animation, or a picture at 900 pixels a row in 64 colours, into docs/images."""
    target = IMAGES / name
    if source.suffix == ".gif":
        target.write_bytes(source.read_bytes())
        return target
    with Image.open(source) as picture:
        picture.thumbnail((900, 900))
        picture.convert("RGB").quantize(64).save(target, optimize=True)
    return target


def section(entry: Entry) -> str:
    """Write the section of an example, running it."""
    code = code_of(entry.file)
    parts = [f"## {entry.title}"]
    if entry.runs:
        with tempfile.TemporaryDirectory() as folder:
            printed = run(code, Path(folder)).strip()
            if entry.picture:
                source = Path(folder) / entry.picture
                kept = keep_picture(source, Path(entry.file).stem + source.suffix)
                parts.append(f"![{entry.title}](images/{kept.name})")
        parts.append(f"```text\n{printed}\n```")
    else:
        parts.append("Needs a GPU; not run for this page.")
    parts.append(f"`examples/{entry.file}`:\n\n```python\n{code}\n```")
    return "\n\n".join(parts)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    sections = [section(entry) for entry in ENTRIES]
    (DOCS / "gallery.md").write_text("\n\n".join([HEAD.strip(), *sections]) + "\n")


if __name__ == "__main__":
    main()
