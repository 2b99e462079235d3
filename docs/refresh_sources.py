"""Rewrite the parts of these pages that come from the source: run it after a change.

    python docs/refresh_sources.py

``<!-- source: FILE NAME -->`` stands before a code block that holds the function or
class NAME of FILE without its docstrings; ``<!-- table: KIND -->`` before a table made
by the function of that kind. ``tests/test_docs.py`` fails while a page is stale.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scratchgan.datasets.download.published import PUBLISHED
from scratchgan.models.architecture import plan_discriminator, plan_generator
from scratchgan.training.presets import PRESETS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = ROOT / "scratchgan"

_CODE = re.compile(
    r"(<!-- source: (\S+) (\S+) -->\n+```python\n).*?(^```$)", re.M | re.S
)
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n+)(?:^\|.*\n)*", re.M)


def refresh(text: str) -> str:
    """Return a page with every marked block and table as the source has it now."""
    text = _CODE.sub(lambda m: m[1] + source_of(m[2], m[3]) + m[4], text)
    return _TABLE.sub(lambda m: m[1] + _markdown(*TABLES[m[2]]()), text)


def source_of(file: str, name: str) -> str:
    """Return the source of a function or class without docstrings.

    A method comes under the first line of its class, so that it stays as it is
    formatted in the file.

    Raises
    ------
    LookupError
        If the file has no such name.
    """
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    node: ast.AST = ast.parse(text)
    code = []
    for part in name.split("."):
        found = [n for n in node.body if getattr(n, "name", None) == part]
        if not found:
            raise LookupError(f"{file} has no {name}")
        if isinstance(node, ast.ClassDef):
            code.append(lines[node.lineno - 1])
        node = found[0]
    dropped: set[int] = set()  # lines of docstrings, counted from 1
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            first = inner.body[0]
            if ast.get_docstring(inner) is not None and len(inner.body) > 1:
                dropped |= set(range(first.lineno, first.end_lineno + 1))
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    numbers = range(start, node.end_lineno + 1)
    code += [lines[number - 1] for number in numbers if number not in dropped]
    # No blank line where a class's docstring was.
    return re.sub(r":\n\n", ":\n", "\n".join(code) + "\n")


def preset_table() -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the presets."""
    header = "preset, image, G, D, batch, lr, l2, z, order, length, tiles".split(", ")
    rows = []
    for name, preset in PRESETS.items():
        net = preset.network
        z = "N(0, 1)" if net.latent == "normal" else "U(-1, 1)"
        length = (
            f"{preset.steps:,} steps" if preset.steps else f"{preset.epochs} epochs"
        )
        rows.append(
            [
                f"`{name}`",
                f"{net.height}x{net.width}x{net.channels}",
                f"{sum(stage.parameters for stage in plan_generator(net)):,}",
                f"{sum(stage.parameters for stage in plan_discriminator(net)):,}",
                f"{preset.batch_size}",
                f"{preset.lr:g}",
                f"{preset.l2:g}",
                f"{net.latent_dim}, {z}",
                preset.update_order,
                length,
                f"{preset.grid_rows}x{preset.grid_columns}",
            ]
        )
    return header, rows


def module_table() -> tuple[list[str], list[list[str]]]:
    """Return header and rows of all modules: what each one's first line says."""
    rows = []
    for path, tree in _modules():
        idea = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        where = path.relative_to(ROOT).as_posix()
        rows.append([f"[`{where}`](../{where})", idea.replace("``", "`")])
    return ["module", "its one idea"], rows


def import_table() -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the packages: what each imports of scratchgan."""
    imports: dict[str, set[str]] = {}
    for path, tree in _modules():
        of = _part(path.relative_to(PACKAGE).with_suffix("").as_posix())
        seen = imports.setdefault(of, set())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "") != "scratchgan":
                parent, _, rest = (node.module or "").partition(".")
                if parent == "scratchgan":
                    seen.add(_part(rest.replace(".", "/")))
        seen.discard(of)
    imports.pop("__init__", None)
    rows = [
        [f"`{name}`", ", ".join(f"`{n}`" for n in sorted(imports[name])) or "nothing"]
        for name in sorted(imports, key=lambda name: (_depth(name, imports), name))
    ]
    return ["part", "imports of scratchgan"], rows


def published_table() -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the published datasets."""
    rows = [
        [
            f"[`{published.name}`]({published.page})",
            published.title,
            f"{published.images:,}",
            f"{published.size / 1e9:.2f} GB",
            "yes" if published.downloadable else "by hand",
            published.terms,
        ]
        for published in PUBLISHED.values()
    ]
    return ["set", "what it is", "images", "size", "download", "terms"], rows


def files_table(name: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the files of one published dataset."""
    files = PUBLISHED[name].files
    rows = [[f"`{file.name}`", f"{file.size:,}", f"`{file.sha256}`"] for file in files]
    return ["file", "bytes", "SHA-256"], rows


TABLES = {
    "presets": preset_table,
    "modules": module_table,
    "imports": import_table,
    "published": published_table,
}
for _name in PUBLISHED:
    TABLES["files_" + _name.replace("-", "_")] = partial(files_table, _name)


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _part(module: str) -> str:
    """Return the package of ``nn/conv``, or the module itself where it has none."""
    return module.split("/")[0]


def _depth(name: str, imports: dict[str, set[str]]) -> int:
    """Return the length of the longest chain of imports below a part."""
    return 1 + max((_depth(n, imports) for n in imports.get(name, ())), default=0)


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Refresh all pages and say which changed."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (fresh := refresh(text)) != text:
            page.write_text(fresh, encoding="utf-8")
            sys.stdout.write(f"refreshed {page}\n")


if __name__ == "__main__":
    main()
