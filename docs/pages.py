"""Hook of MkDocs: a page for every public operator and module, made of its docstring."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from mkdocs.structure.files import File, Files

import quicksilver_ext.operators as qs

SECTIONS = ("Args", "Shape", "Returns", "Raises", "Cost", "Example")


def public() -> dict[str, Any]:
    return {name: getattr(qs, name) for name in qs.__all__}


def page(name: str, thing: Any) -> str:
    """Markdown: signature, what it says, its sections, its example as code."""
    kind = "class " if inspect.isclass(thing) else ""
    signature = str(inspect.signature(thing)).replace("torch.Tensor", "Tensor").replace("'", "")
    text = inspect.cleandoc(thing.__doc__)
    parts = re.split(rf"^({'|'.join(SECTIONS)}):", text, flags=re.MULTILINE)
    lines = [f"# {name}", f"```python\n{kind}{name}{signature}\n```", code_spans(parts[0])]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        body = textwrap.dedent(body if body.startswith("\n") else f"    {body.strip()}")
        lines.append(f"## {title}")
        lines.append(f"```python\n{body.strip()}\n```" if title == "Example" else listed(body))
    return "\n\n".join(lines) + "\n"


def code_spans(text: str) -> str:
    """A name in single quotes links to its page."""
    known = public()
    return re.sub(
        r"(?<!`)`(\w+)`(?!`)",
        lambda m: f"[`{m[1]}`]({m[1]}.md)" if m[1] in known else m[0],
        text,
    )


def listed(body: str) -> str:
    """The arguments of a section as a list, other text as it is."""
    body = textwrap.dedent(body).strip()
    items = re.split(r"^(?=\w[\w, ]*: )", body, flags=re.MULTILINE)
    if len(items) < 2:
        return code_spans(body)
    entries = [" ".join(item.split()) for item in items if item.strip()]
    return "\n".join(
        "* " + re.sub(r"^([\w, ]+): ", r"**\1**: ", code_spans(entry)) for entry in entries
    )


def on_files(files: Files, config: Any) -> Files:
    names = sorted(public(), key=str.lower)
    for name in names:
        text = page(name, public()[name])
        files.append(File.generated(config, f"operators/{name}.md", content=text))
    index = "\n".join(
        f"* [`{name}`]({name}.md): {code_spans(first_line(public()[name]))}" for name in names
    )
    text = f"# Operators\n\n{index}\n\nWhat each promises: [the table](properties.md).\n"
    files.append(File.generated(config, "operators/index.md", content=text))
    return files


def first_line(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__).split("\n")[0]
