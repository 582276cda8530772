"""Checks that a generator has left nothing out: every operation of the document has a function in its output, and its log
has no warning but the known ones. check_coverage.py OPENAPI LOG FOLDER..."""

import json, pathlib, re, sys

# What openapi-generator says of every document of OpenAPI 3.1, of bytes, of free-form objects and of examples.
KNOWN = [
    r"OpenAPI 3\.1 support is still in beta",
    r"Could not compute datatypeWithEnum from",
    r"Codegen property is null",
    r"Object \((model name matches existing language type|reserved word)\) cannot be used as",
    r"\(reserved word\) cannot be used as (parameter|model) name",
    r"Ignoring complex example on request body",
    r"Failed to get the schema name: null",
    # openapi-python-client knows no lines of JSON, tables and plain texts as bodies; it writes the function with the others.
    r"^WARNING parsing (PATCH|POST) \S+ within \w+\.$",
]

document, log, *folders = sys.argv[1:]
operations = [
    operation["operationId"]
    for item in json.load(open(document))["paths"].values()
    for operation in item.values()
    if "responses" in operation
]
text = "\n".join(
    path.read_text()
    for folder in map(pathlib.Path, folders)
    for path in ([folder] if folder.is_file() else sorted(folder.rglob("*")))
    if path.is_file() and path.suffix in (".py", ".ts", ".go", ".java")
)
functions = {name.replace("_", "").lower() for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text)}
# openapi-python-client names a file after each operation.
functions |= {path.stem.replace("_", "").lower() for folder in folders for path in pathlib.Path(folder).rglob("*.py")}
missing = [name for name in operations if name.lower() not in functions]
warnings = [
    line.strip()
    for line in open(log, errors="replace")
    if re.search(r"\bWARN(ING)?\b|will not be generated|\bERROR\b", line) and not any(re.search(known, line) for known in KNOWN)
]
if missing or warnings:
    sys.exit(f"WRONG: {log}: without a function: {missing}; warnings: {warnings}")
print(f"{len(operations)} operations, none left out")
