"""The rules of the house that a machine can hold: what imports what, what is called, how long, in which words."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from volo_acquisition import registry
from volo_app.cli import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("acquisition", "decoders", "paradigms", "app", "hardware_profiles")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
CODE = sorted([*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])

#: Modules that may call what is POSIX only, guarded and documented there; this list can only get shorter.
POSIX_GUARDED: frozenset[str] = frozenset()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def loaded_by(code: str) -> set[str]:
    """Return the top names of the modules that `code` loads in a fresh interpreter, beyond those of a bare one."""
    script = (
        f"import sys, json; before = set(sys.modules)\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(done.stdout))


def importing(names: Iterable[str]) -> str:
    """Return code that imports the modules `names`."""
    return f"import importlib\nfor name in {list(names)!r}: importlib.import_module(name)"


def tops(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_the_command_line_loads_the_standard_library_only() -> None:
    assert tops(loaded_by("import volo_app.cli")) - sys.stdlib_module_names == {"volo_app"}


def test_top_level_help_imports_no_command() -> None:
    quiet = "with contextlib.redirect_stdout(io.StringIO()): volo_app.cli.main(['--help'])"
    code = f"import io, contextlib, volo_app.cli\n{quiet}"
    assert not {module for module in loaded_by(code) if module.startswith("volo_app.commands")}


def test_command_modules_load_the_standard_library_only() -> None:
    """So that ``volo COMMAND --help`` answers at once."""
    code = (
        "import importlib\nfor name in "
        + repr([c.module for c in COMMANDS.values()])
        + ": importlib.import_module(name)"
    )
    assert tops(loaded_by(code)) - sys.stdlib_module_names <= {"volo_app"}


@pytest.mark.parametrize(
    "package", ["volo_acquisition", "volo_decoders", "volo_paradigms", "volo_app", "volo_profiles"]
)
def test_a_package_itself_loads_the_standard_library_only(package: str) -> None:
    assert tops(loaded_by(f"import {package}")) - sys.stdlib_module_names == {package}


def test_decoders_load_no_window_no_driver_and_no_torch() -> None:
    home = ROOT / "decoders"
    paths = [path.relative_to(home).with_suffix("") for path in SOURCES if path.is_relative_to(home)]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    code = importing(module for module in modules if not {"export", "train"} & set(re.split(r"[._]", module)))
    assert not tops(loaded_by(code)) & {"PySide6", "pyqtgraph", "brainflow", "pylsl", "torch"}


def test_import_contracts_hold() -> None:
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_module_has_at_most_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` for that expression, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def keyword(call: ast.Call, name: str) -> object:
    for word in call.keywords:
        if word.arg == name:
            return word.value.value if isinstance(word.value, ast.Constant) else "computed"
    return None


#: Calls that run code from a file, read the machine's time, or exist on some systems only: why they are banned.
BANNED = {
    "eval": "runs text",
    "exec": "runs text",
    "pickle.load": "can run code",
    "pickle.loads": "can run code",
    "pickle.dump": "nothing is pickled",
    "joblib.load": "can run code",
    "joblib.dump": "nothing is pickled",
    "yaml.load": "can run code",
    "os.system": "a shell",
    "os.popen": "a shell",
    "os.fork": "POSIX only",
    "os.mkfifo": "POSIX only",
    "os.getuid": "POSIX only",
    "os.killpg": "POSIX only",
    "os.setsid": "POSIX only",
    "multiprocessing.Process": "take it from get_context('spawn')",
    "multiprocessing.Pool": "take it from get_context('spawn')",
    "multiprocessing.Queue": "take it from get_context('spawn')",
    "multiprocessing.set_start_method": "take get_context('spawn')",
    "print": "write to the console that was given",
    "time.time": "only clock modules read time",
    "time.perf_counter": "only clock modules read time",
    "time.monotonic": "only clock modules read time",
    "time.sleep": "sleep on the clock that was given",
}
POSIX_MODULES = {"fcntl", "resource", "pty", "termios", "pwd", "grp", "tty"}


def offences(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_clock = "clock" in path.stem
    for node in ast.walk(tree):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Assert):
            yield f"{where}: assert at run time"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{where}: a bare except"
        if isinstance(node, ast.Import | ast.ImportFrom) and name_of(path) not in POSIX_GUARDED:
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            if tops(names) & POSIX_MODULES:
                yield f"{where}: a module of POSIX only"
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        if called in BANNED and not (is_clock and called.startswith("time.")):
            yield f"{where}: {called}: {BANNED[called]}"
        if called.endswith("get_context") and [a.value for a in node.args if isinstance(a, ast.Constant)] != ["spawn"]:
            yield f"{where}: get_context without 'spawn'"
        if called == "torch.load" and keyword(node, "weights_only") is not True:
            yield f"{where}: torch.load without weights_only=True"
        if called in {"np.load", "numpy.load"} and keyword(node, "allow_pickle") is not False:
            yield f"{where}: np.load without allow_pickle=False"
        if called.startswith("subprocess.") and keyword(node, "shell"):
            yield f"{where}: a shell"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_calls_nothing_banned(path: Path) -> None:
    assert list(offences(path)) == []


def test_the_search_for_banned_calls_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    bad = tmp_path / "bad.py"
    lines = (
        "import fcntl",
        "assert x",
        "print(x)",
        "eval('1')",
        "np.load('x')",
        "torch.load('x', weights_only=False)",
        "get_context('fork')",
        "get_context()",
        "subprocess.run('x', shell=True)",
        "time.time()",
        "try: x\nexcept: y",
    )
    for line in lines:
        bad.write_text(line)
        assert len(list(offences(bad))) == 1, line


@pytest.mark.parametrize("group", registry.GROUPS)
def test_every_registered_member_imports(group: str) -> None:
    members = registry.names(group)
    assert members
    for name in members:
        assert callable(registry.load(group, name))


def test_the_command_is_declared() -> None:
    (script,) = [point for point in entry_points(group="console_scripts") if point.name == "volo"]
    assert script.value == "volo_app.cli:main"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_an_example_that_parses(name: str) -> None:
    parser = build_parser(name)
    help_text = parser.format_help()
    examples = [line.strip() for line in (parser.epilog or "").splitlines() if line.strip().startswith("volo ")]
    assert parser.description
    assert examples
    for example in examples:
        assert example in help_text
        words = shlex.split(example)
        assert words[:2] == ["volo", name]
        parser.parse_args(words[2:])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"\n## volo {name}\n")
    section = section.partition("\n## ")[0]
    common = {"--help", "--json", "--quiet", "--log-level", "--debug"}
    options = {
        word for action in build_parser(name)._actions for word in action.option_strings if word.startswith("--")
    }
    assert section
    assert not {option for option in options - common if f"`{option}" not in section}
    assert f"volo.{name}/1" in section


def test_readme_marks_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for mark in ("main", "test"):
        assert re.search(rf"^<!-- command: {mark} -->\n+```[a-z]*\n.+?\n```$", text, re.MULTILINE | re.DOTALL), mark


def tracked_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):  # not a clone: judge the code alone
        return CODE
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_names_a_path_of_one_machine() -> None:
    path_of_a_machine = re.compile(rb"(?<![\w.])/(?:" + b"|".join([b"work", b"root", b"home"]) + rb")/")
    named = []
    for path in tracked_files():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if path_of_a_machine.search(line):
                named.append(f"{name_of(path)}:{number}")
    assert named == []


def test_constraints_pin_every_dependency_exactly() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)
    names = {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["train"]]
    assert {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", text)[0]).lower() for text in wanted} <= names


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not inside functions or for types alone: what needs each other is one thing, or needs a third."""
    import grimp

    packages = ("volo_acquisition", "volo_decoders", "volo_paradigms", "volo_app")
    graph = grimp.build_graph(*packages, include_external_packages=False, cache_dir=None)
    circles = {
        frozenset({module, other})
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if graph.find_shortest_chain(importer=other, imported=module)
    }
    assert not circles
