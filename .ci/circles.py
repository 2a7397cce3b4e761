#!/usr/bin/env python3
"""Finds source files of a crate that use each other in a circle, and fails where there are any.

    .ci/circles.py [--edges] CRATE_FOLDER...

The sources are read as text. An edge goes from a file to the file that defines a name used in the first one: by a
`use`, or by a path in the code (`crate::…`, `super::…`, `self::…`, a child module, an imported module). Re-exports are
followed to the definition and are no edges themselves. `mod` items, code under `cfg(test)`, comments and strings are
no edges either. Calls of methods make no edge, since the type of the value is named elsewhere. A circle is a strongly
connected component of more than one file. `--edges` prints all edges, each with a name that makes it.
"""
import re
import sys
from pathlib import Path

IDENT = r"[A-Za-z_][A-Za-z0-9_]*"

# Files whose users are not followed. clap's derive names all commands in the root of the command line, and three
# commands need that root: `demo` parses command lines, `man` and `completions` print it.
ROOTS = {"appsec-cli": "src/cli.rs"}


def plain(source):
    """The source without comments, and with empty strings and characters."""
    pattern = re.compile(
        r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^\\'\n])'""",
        re.S,
    )
    return pattern.sub(lambda found: " " if found[0].startswith("/") else '""', source)


def end_of_item(text, start):
    """The end of the item that begins at `start`: after its block, or after its semicolon."""
    depth = 0
    for place in range(start, len(text)):
        char = text[place]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0 and char == "}":
                return place + 1
        elif char in ";," and depth == 0:
            return place + 1
    return len(text)


def without_tests(text):
    """The text without items under `cfg(test)`."""
    attribute = re.compile(r"#\[\s*(?:cfg\(\s*(?:all\(\s*)?test\b[^\]]*|test|tokio::test[^\]]*)\]")
    kept, place = [], 0
    while found := attribute.search(text, place):
        kept.append(text[place : found.start()])
        item = found.end()
        while further := re.match(r"\s*#\[[^\]]*\]", text[item:]):
            item += further.end()
        place = end_of_item(text, item)
    kept.append(text[place:])
    return "".join(kept)


def leaves(tree, prefix=()):
    """The paths of a use tree: the segments of each, and the name that it binds (`*` for a glob)."""
    tree = tree.strip()
    if not tree:
        return
    if "{" in tree:
        head, _, rest = tree.partition("{")
        head = tuple(part.strip() for part in head.split("::") if part.strip())
        inner, depth, start = rest.rsplit("}", 1)[0], 0, 0
        for place, char in enumerate(inner + ","):
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 0:
                yield from leaves(inner[start:place], prefix + head)
                start = place + 1
        return
    path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
    path = prefix + tuple(part.strip() for part in path.split("::") if part.strip())
    if path[-1] == "self":
        path = path[:-1]
    yield path, alias.strip() or path[-1]


class Module:
    def __init__(self, file, path):
        self.file, self.path = file, path
        self.children, self.defined, self.public, self.imports, self.globs = {}, set(), {}, {}, []
        self.body = ""


DEFINITION = re.compile(
    rf"\b(?:struct|enum|trait|type|union|static|macro_rules!|const)\s+(?:mut\s+)?({IDENT})|\bfn\s+({IDENT})"
)
USE = re.compile(r"(?<![\w.])(pub(?:\s*\([^)]*\))?\s+)?use\s+([^;]+);")
INLINE = re.compile(rf"(?<![\w.])(?:pub(?:\s*\([^)]*\))?\s+)?mod\s+({IDENT})\s*\{{")
CHILD = re.compile(rf"(?<![\w.])(?:pub(?:\s*\([^)]*\))?\s+)?mod\s+({IDENT})\s*;")


def fill(module, text):
    """Reads a module and its inline modules from their text."""
    while found := INLINE.search(text):
        end = end_of_item(text, found.start())
        inner = Module(module.file, module.path + (found[1],))
        module.children[found[1]] = inner
        fill(inner, text[found.end() : end - 1])
        text = text[: found.start()] + text[end:]
    for found in USE.finditer(text):
        for path, name in leaves(found[2]):
            if path[-1] == "*":
                module.globs.append((path[:-1], bool(found[1])))
            elif found[1]:
                module.public[name] = path
            else:
                module.imports[name] = path
    text = CHILD.sub(" ", USE.sub(" ", text))
    for found in DEFINITION.finditer(text):
        if found[1]:
            module.defined.add(found[1])
        elif text.count("{", 0, found.start()) == text.count("}", 0, found.start()):
            module.defined.add(found[2])
    module.body = text


class Crate:
    def __init__(self, folder):
        self.folder = folder
        source = folder / "src"
        self.root, self.macros, self.modules = None, {}, []
        roots = [source / name for name in ("lib.rs", "main.rs") if (source / name).is_file()]
        for path in roots:
            self.root = self.load(path, ())
        for module in self.modules:
            for name in re.findall(rf"#\[macro_export\]\s*macro_rules!\s+({IDENT})", module.body):
                self.macros[name] = module

    def load(self, file, path):
        module = Module(file, path)
        text = without_tests(plain(file.read_text(encoding="utf-8")))
        declared = CHILD.findall(text)
        fill(module, text)
        self.register(module)
        folder = file.parent if file.name in ("lib.rs", "main.rs", "mod.rs") else file.parent / file.stem
        for name in declared:
            for candidate in (folder / f"{name}.rs", folder / name / "mod.rs"):
                if candidate.is_file():
                    module.children[name] = self.load(candidate, path + (name,))
        return module

    def register(self, module):
        self.modules.append(module)
        for child in module.children.values():
            self.register(child)

    def module(self, path):
        found = self.root
        for name in path:
            found = found.children.get(name) if found else None
        return found

    def resolve(self, module, path, seen=frozenset(), private=True):
        """The module that defines the item of the path; `None` for a path to a module and for other crates."""
        if (id(module), path) in seen or not path:
            return None
        seen = seen | {(id(module), path)}
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.resolve(self.root, rest, seen)
        if first == "self":
            return self.resolve(module, rest, seen)
        if first == "super":
            return self.resolve(self.module(module.path[:-1]), rest, seen)
        if first in module.children and rest:
            return self.resolve(module.children[first], rest, seen)
        # A module may have the name of a function beside it: a path that ends here names the module.
        if first in module.children and first not in module.public:
            return None
        if first in module.defined:
            return module
        for names in (module.public, module.imports):
            if first in names and names[first][0] != first:
                return self.resolve(module, names[first] + rest, seen)
        for glob, _ in module.globs:
            if found := self.resolve(module, glob + path, seen):
                return found
        if module is self.root and first in self.macros:
            return self.macros[first]
        return None

    def edges(self):
        """Pairs of files, each with one name that makes the edge."""
        found = {}

        def add(module, path):
            target = self.resolve(module, path)
            root = self.folder / ROOTS.get(self.folder.name, "")
            if target and target.file not in (module.file, root):
                found.setdefault((module.file, target.file), "::".join(path))

        for module in self.modules:
            for path in module.imports.values():
                add(module, path)
            for path in re.findall(rf"(?<![\w:.])(?:{IDENT}\s*::\s*)+{IDENT}", module.body):
                path = tuple(part.strip() for part in path.split("::"))
                if path[0] in ("crate", "super", "self") or path[0] in module.children or path[0] in module.imports:
                    # What follows a type is a variant or a function: the path is shortened until it resolves.
                    for length in range(len(path), 1, -1):
                        if self.resolve(module, path[:length]):
                            add(module, path[:length])
                            break
            names = set(re.findall(IDENT, module.body)) if module.globs or module.public else ()
            for name in names:
                if name in module.public or (
                    module.globs and name not in module.defined and name not in module.imports and name not in module.children
                ):
                    add(module, (name,))
        return found


def circles(edges):
    """The strongly connected components of more than one file."""
    after = {}
    for source, target in edges:
        after.setdefault(source, set()).add(target)

    def reach(start):
        seen, left = set(), [start]
        while left:
            for further in after.get(left.pop(), ()):
                if further not in seen:
                    seen.add(further)
                    left.append(further)
        return seen

    reached = {file: reach(file) for file in after}
    components = []
    for file in sorted(after):
        component = {other for other in reached[file] if file in reached.get(other, ())}
        if component and component not in components:
            components.append(component)
    return components


def main(arguments):
    show = "--edges" in arguments
    failed = False
    for folder in map(Path, (argument for argument in arguments if argument != "--edges")):
        edges = Crate(folder).edges()
        found = circles(edges)
        failed |= bool(found)
        print(f"{folder.name}: {len(edges)} edges, {len(found)} circles")
        if show:
            for (source, target), name in sorted(edges.items()):
                print(f"  {source.relative_to(folder)} -> {target.relative_to(folder)} ({name})")
        for component in found:
            print("  a circle of", len(component), "files:")
            for (source, target), name in sorted(edges.items()):
                if source in component and target in component:
                    print(f"    {source.relative_to(folder)} -> {target.relative_to(folder)} ({name})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
