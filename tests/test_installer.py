"""The installer: what it lists is what is installed, and the application it builds runs without a Python."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest

from volo_acquisition import registry
from volo_app import health
from volo_app.cli import COMMANDS
from volo_paradigms.layout import layout_names

ROOT = Path(__file__).resolve().parent.parent
INSTALLER = ROOT / "installer"
ROOMS = ("acquisition", "decoders", "paradigms", "app", "hardware_profiles")


@pytest.fixture(scope="module")
def freeze() -> ModuleType:
    return load("freeze")


@pytest.fixture(scope="module")
def check_build() -> ModuleType:
    return load("check_build")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return load("build")


def load(name: str) -> ModuleType:
    """Import a module of the installer, which is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(INSTALLER))
        return importlib.import_module(name)


def launch(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the application's first module as it is, with the Python that runs the tests."""
    command = [sys.executable, str(INSTALLER / "launcher.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_packages_are_those_of_the_five_rooms(freeze: ModuleType) -> None:
    found = {path.parent.name for room in ROOMS for path in (ROOT / room).glob("*/__init__.py")}
    assert set(freeze.packages(ROOT)) == found


def test_hidden_imports_are_the_modules_of_all_plugins_and_the_libraries_asked_for_by_name(freeze: ModuleType) -> None:
    targets = {
        target.partition(":")[0] for group in freeze.plugins(distributions()).values() for target in group.values()
    }
    by_name = {"array_api_compat.numpy.fft", "array_api_compat.numpy.linalg", "onnxruntime", "pyxdf"}
    assert set(freeze.hidden_imports(distributions(), (3, 12))) == targets | by_name
    assert set(freeze.hidden_imports(distributions(), (3, 11))) == targets | by_name | {"pkg_resources"}


def test_the_plugins_found_are_those_of_the_registry(freeze: ModuleType) -> None:
    found = freeze.plugins(distributions())
    assert {group: sorted(members) for group, members in found.items()} == {
        group: registry.names(group) for group in registry.GROUPS
    }


def test_every_hidden_import_is_installed(freeze: ModuleType) -> None:
    assert [name for name in freeze.hidden_imports(distributions()) if importlib.util.find_spec(name) is None] == []


def test_commands_lie_in_packages_that_are_collected_whole(freeze: ModuleType) -> None:
    assert {command.module.partition(".")[0] for command in COMMANDS.values()} <= set(freeze.packages(ROOT))
    assert all(freeze.is_wanted(command.module) for command in COMMANDS.values())


def test_data_files_are_all_files_of_the_packages_that_are_no_code(freeze: ModuleType) -> None:
    listed = {}
    for room in ROOMS:
        for package in (ROOT / room).glob("*/__init__.py"):
            for path, folder in freeze.data_files(ROOT / room, package.parent.name):
                assert path.is_file()
                assert path == ROOT / room / folder / path.name
                listed[f"{folder}/{path.name}"] = path
    assert {f"volo_paradigms/layouts/{name}.toml" for name in layout_names()} <= set(listed)
    kinds = ("*.toml", "*.txt")
    assert {path for room in ROOMS for kind in kinds for path in (ROOT / room).rglob(kind)} == set(listed.values())


def test_tests_of_libraries_stay_out_and_modules_with_such_a_name_inside_stay_in(freeze: ModuleType) -> None:
    assert not freeze.is_wanted("scipy.signal.tests.test_filters")
    assert not freeze.is_wanted("sklearn.conftest")
    assert freeze.is_wanted("numpy.testing")
    assert freeze.is_wanted("volo_decoders.onnx.testvector")


@pytest.mark.parametrize(
    ("platform", "wanted"),
    [("linux", {"libA.so"}), ("darwin", {"libA.dylib"}), ("win32", {"A.dll", "gforce64.dll"})],
)
def test_native_libraries_of_other_systems_stay_out(
    platform: str, wanted: set[str], freeze: ModuleType, tmp_path: Path
) -> None:
    every = ("libA.so", "libA_raspberry.so", "libA.dylib", "A.dll", "A32.dll", "A_x86.dll", "A-x86.dll", "gforce64.dll")
    for name in every:
        (tmp_path / name).touch()
    assert {path.name for path in freeze.native_libraries(tmp_path, platform)} == wanted


def test_brainflows_own_library_is_among_the_native_ones(freeze: ModuleType) -> None:
    brainflow = next(iter(distributions(name="brainflow")))
    folder = Path(str(brainflow.locate_file("brainflow/lib")))
    assert any("BoardController" in path.name for path in freeze.native_libraries(folder))


def test_the_environment_of_the_check_has_no_program_and_a_home_of_its_own(
    check_build: ModuleType, tmp_path: Path
) -> None:
    environment = check_build.clean_environment(tmp_path)
    assert environment["HOME"] == environment["USERPROFILE"] == str(tmp_path)
    assert not Path(environment["PATH"]).exists()
    assert set(environment) <= {"HOME", "USERPROFILE", "PATH", "SYSTEMROOT", "TEMP"}


def test_plugins_that_lack_or_fail_or_came_from_elsewhere_are_told(check_build: ModuleType) -> None:
    wanted = {"volo.sources": {"a": "m:A", "b": "m:B"}, "volo.outputs": {"o": "m:O"}}
    assert check_build.plugin_problems(wanted, {"volo.sources": {"a": "", "b": ""}, "volo.outputs": {"o": ""}}) == []
    told = {"volo.sources": {"a": "no module", "c": ""}}
    assert check_build.plugin_problems(wanted, told) == [
        "volo.outputs o is missing",
        "volo.sources b is missing",
        "volo.sources c is not in the wheel",
        "volo.sources a: no module",
    ]


def test_an_application_that_is_not_there_or_fails_fails_every_check_by_name(
    check_build: ModuleType, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    lines: list[str] = []
    expected = check_build.Expected(version="1", plugins={}, data=("volo_paradigms/four.toml",), build_paths=())
    failed = check_build.check(tmp_path / "nowhere", place, expected, lines.append)
    assert len(failed) == len(lines) == 9
    assert all(line.startswith("FAIL") for line in lines)


def test_a_file_that_names_a_folder_of_the_building_machine_is_found(check_build: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "volo"
    folder.mkdir()
    (folder / "quiet.json").write_text("{}")
    (folder / "telling.json").write_text('{"url": "file:///builder/wheels"}')
    place = tmp_path / "place"
    place.mkdir()
    lines: list[str] = []
    expected = check_build.Expected(version="1", plugins={}, data=(), build_paths=("/builder",))
    check_build.check(folder, place, expected, lines.append)
    assert "telling.json" in lines[0]
    assert "quiet.json" not in lines[0]


def test_a_build_replaces_an_earlier_build(build: ModuleType, check_build: ModuleType, tmp_path: Path) -> None:
    built, target = tmp_path / "new", tmp_path / "out" / "volo"
    for folder in (built, target):
        (folder / "_internal").mkdir(parents=True)
        check_build.executable_in(folder).touch()
    (built / "new.txt").touch()
    (target / "old.txt").touch()
    build.put_in_place(built, target)
    assert (target / "new.txt").exists()
    assert not (target / "old.txt").exists()


def test_a_build_replaces_nothing_else(build: ModuleType, tmp_path: Path) -> None:
    built, target = tmp_path / "new", tmp_path / "volo"
    built.mkdir()
    target.mkdir()
    (target / "thesis.txt").touch()
    with pytest.raises(build.BuildError, match="no build of Volo"):
        build.put_in_place(built, target)
    assert (target / "thesis.txt").exists()


def test_the_builder_lets_no_python_variable_in(build: ModuleType) -> None:
    environment = build._build_environment({"PYTHONPATH": "elsewhere", "PYTHONHOME": "elsewhere", "PATH": "kept"})
    assert environment["PATH"] == "kept"
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(environment)


def test_the_tools_for_building_are_pinned_exactly() -> None:
    lines = (INSTALLER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.partition(";")[0].strip() for line in lines if line and not line.startswith("#")]
    assert any(pin.startswith("pyinstaller==") for pin in pins)
    assert all(pin.count("==") == 1 for pin in pins)


def test_the_launcher_passes_the_command_line_on() -> None:
    done = launch("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("volo ")
    assert launch("nonsense").returncode == 2


def test_the_launcher_stands_for_the_python_that_doctor_asks_to_probe_imports() -> None:
    done = launch("-m", "volo_app.import_probe", "json", "no_such_module")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["name"], first["error"]) == ("json", "")
    assert "no_such_module" in second["error"]


def test_the_launcher_runs_no_other_module() -> None:
    done = launch("-m", "this")
    assert done.returncode == 2
    assert "unknown option" in done.stderr


def test_the_launcher_tells_every_plugin() -> None:
    told = json.loads(launch("--plugins").stdout)
    assert {group: sorted(members) for group, members in told.items()} == {
        group: registry.names(group) for group in registry.GROUPS
    }
    assert not [error for members in told.values() for error in members.values() if error]


def test_a_built_application_does_not_advise_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    check = health._check_package("numpy", ">=999", {"detail": "", "error": ""})
    assert check.status == "fail"
    assert "pip" not in check.mend
    assert "folder" in check.mend


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_application_builds_and_runs_without_a_python(tmp_path: Path) -> None:
    requirements = str(INSTALLER / "requirements.txt")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    fetch = [*pip, "download", "--quiet", "--no-deps", "--dest", str(tmp_path / "fetched"), "-r", requirements]
    fetched = subprocess.run(fetch, capture_output=True, text=True, timeout=300, check=False)
    if fetched.returncode != 0:
        pytest.skip(f"pyinstaller cannot be installed: {fetched.stderr.strip().splitlines()[-1:]}")
    out = tmp_path / "out"
    command = [sys.executable, str(INSTALLER / "build.py"), "--out", str(out), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1400, check=False)
    shutil.rmtree(out, ignore_errors=True)  # 400 MB that pytest would keep
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
