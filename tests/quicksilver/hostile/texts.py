"""Lists of pairs and recipes that are malformed or made to do harm, by name."""

from __future__ import annotations

from tests.quicksilver.hostile.files import (
    ZIPPED,
    Maker,
    holding,
    in_the_way,
    named,
    pipe,
)

LISTS: dict[str, Maker] = {
    "absent": named("absent.csv"),
    "a folder": in_the_way("pairs.csv"),
    "a pipe": pipe("pairs.csv"),
    "empty": holding(b"", "pairs.csv"),
    "no target": holding(b"moving\na.nii\n", "pairs.csv"),
    "an unknown column": holding(b"moving,target,weight\na,b,1\n", "pairs.csv"),
    "a column twice": holding(b"moving,target,target\nbad.csv,bad.csv,bad.csv\n", "pairs.csv"),
    "files that are not there": holding(b"moving,target\na.nii,b.nii\n", "pairs.csv"),
    "no file": holding(b"moving,target\n,\n", "pairs.csv"),
    "a name that leads elsewhere": holding(
        b"id,moving,target\n../../a,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "a name twice": holding(
        b"id,moving,target\na,pairs.csv,pairs.csv\na,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "more entries than columns": holding(b"moving,target\na,b,c\n", "pairs.csv"),
    "a name too long for a file": holding(b"moving,target\n" + b"n" * 300 + b",b\n", "pairs.csv"),
    "UTF-16": holding("moving,target\na,b\n".encode("utf-16"), "pairs.csv"),
    "NUL": holding(b"moving,target\na\0,b\n", "pairs.csv"),
    "an endless entry": holding(b"moving,target\n" + b"a" * 200000 + b",b\n", "pairs.csv"),
}

YAML_LAUGHS = b"a: &a [x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n + 98, n + 98, b", ".join([b"*%c" % (n + 97)] * 9)) for n in range(9)
)

RECIPES: dict[str, Maker] = {
    "absent": named("absent.yaml"),
    "a folder": in_the_way("bad.yaml"),
    "a pipe": pipe("bad.yaml"),
    "empty": holding(b"", "bad.yaml"),
    "words": holding(b"train well", "bad.yaml"),
    "no YAML": holding(b"a: [1, 2\nb: }", "bad.yaml"),
    "an object": holding(b"!!python/object/apply:os.mkdir [harm]", "bad.yaml"),
    "an unknown entry": holding(b"magic: true\n", "bad.yaml"),
    "no text": holding(bytes(range(256)), "bad.yaml"),
    "a billion laughs": holding(YAML_LAUGHS, "bad.yaml"),
    "100,000 deep": holding(b"[" * 100_000, "bad.yaml"),
    "a number of 5,000 digits": holding(b"seed: " + b"9" * 5000, "bad.yaml"),
}

WHOLE = """\
name: a
training_data: b
licence: c
data: {labels: "*.nii", shape: [16, 16, 16], spacing: 2.0, origin: [0, 0, 0], held_out: 2}
prediction: {steps: 2}
"""
"""A recipe to which one entry is added."""

ENTRIES: dict[str, str] = {
    "two data": "data: {}",
    "features of words": "network: {features: many}",
    "no features": "network: {features: 0}",
    "a billion features": "network: {features: 1000000000}",
    "infinite features": "network: {features: .inf}",
    "an unknown architecture": "network: {architecture: magic}",
    "a list for a network": "network: [1, 2]",
    "an unknown entry of the network": "network: {magic: 1}",
    "corrections below zero": "network: {corrections: -1}",
    "a billion corrections": "network: {corrections: 1000000000}",
    "a sharpness of NaN": "network: {sharpness: .nan}",
    "no gamma": "shooting: {gamma: 0}",
    "a gamma of NaN": "shooting: {gamma: .nan}",
    "an alpha below zero": "shooting: {alpha: -1}",
    "a power of a billion": "shooting: {power: 1000000000}",
    "a billion time steps": "shooting: {steps: 1000000000}",
    "half a time step": "shooting: {steps: 0.5}",
    "an unknown method": "shooting: {method: evil}",
    "words for steps": "prediction: {steps: many}",
    "steps below zero": "prediction: {steps: -5}",
    "a rate of infinity": "prediction: {steps: 2, rate: .inf}",
    "an unfolding of NaN": "prediction: {steps: 2, unfolding: .nan}",
    "words for a seed": "seed: now",
    "an anchor of nothing": "network: *nothing",
    "a tab": "\tseed: 1",
}

DATA: dict[str, tuple[str, str]] = {
    "a shape of words": ("[16, 16, 16]", "large"),
    "a flat shape": ("[16, 16, 16]", "[16, 16]"),
    "a shape beyond memory": ("[16, 16, 16]", "[3000, 2000, 2000]"),
    "a shape below zero": ("[16, 16, 16]", "[-16, 16, 16]"),
    "no spacing": ("spacing: 2.0", "spacing: 0"),
    "a spacing of NaN": ("spacing: 2.0", "spacing: .nan"),
    "an origin at infinity": ("origin: [0, 0, 0]", "origin: [.inf, 0, 0]"),
    "nobody held out": ("held_out: 2", "held_out: 0"),
    "a pattern without a star": ('"*.nii"', '"a.nii"'),
    "a pattern of two stars": ('"*.nii"', '"*/*.nii"'),
    "a pattern that leads elsewhere": ('"*.nii"', '"../*.nii"'),
    "an absolute pattern": ('"*.nii"', '"/etc/*.nii"'),
    "a pattern with NUL": ('"*.nii"', '"\\0*.nii"'),
    "nothing to learn from": ('labels: "*.nii", ', ""),
    "matrices that are not there": ("held_out: 2", "held_out: 2, matrices: absent.json"),
}

RECIPES |= {
    name: holding(f"{WHOLE}{entry}\n".encode(), "bad.yaml") for name, entry in ENTRIES.items()
}
RECIPES |= {
    name: holding(WHOLE.replace(*change).encode(), "bad.yaml") for name, change in DATA.items()
}

PAIR = b"id,moving,target\n"
LISTS |= {
    "a header alone": holding(b"moving,target\n", "pairs.csv"),
    "blank lines": holding(b"\n" * 1000, "pairs.csv"),
    "semicolons": holding(b"moving;target\na;b\n", "pairs.csv"),
    "tabs": holding(b"moving\ttarget\na\tb\n", "pairs.csv"),
    "an id that is a page": holding(PAIR + b"index.html,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id that is the table": holding(PAIR + b"summary.csv,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id that is failures": holding(PAIR + b"failures,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of two dots": holding(PAIR + b"..,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of a root": holding(PAIR + b"/tmp/a,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of an escape": holding(PAIR + b"\x1b[31ma,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of 300 characters": holding(PAIR + b"a" * 300 + b",pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of a line": holding(PAIR + b'"a\nb",pairs.csv,pairs.csv\n', "pairs.csv"),
    "an open quote": holding(b'moving,target\n"a,b\n', "pairs.csv"),
    "no text": holding(bytes(range(256)), "pairs.csv"),
    "latin-1": holding("moving,target\né,b\n".encode("latin-1"), "pairs.csv"),
    "one entry": holding(b"moving,target\na\n", "pairs.csv"),
    "zipped": holding(ZIPPED, "pairs.csv"),
}
