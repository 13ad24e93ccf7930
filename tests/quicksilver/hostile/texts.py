"""Lists of pairs and recipes that are malformed or made to do harm, by name."""

from __future__ import annotations

from tests.quicksilver.hostile.files import (
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
