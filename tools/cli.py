"""``python -m tools``: what run.sh does that needs no running service."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from local import output
from local.bootstrap import COMPLETING
from local.layout import ROOT
from spindle.service.program import called_from
from tools import replace as replacing
from tools import testing
from tools.env_example import env_example
from tools.reference import reference

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)
#: The words belong to another program, which explains them itself.
_HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
SHELLS = ("bash", "zsh", "fish")
COMPLETED = "run.sh"  #: shells complete ./run.sh, and a path to it, by the name alone
#: Checked by shellcheck where there is one.
_SHELL_SCRIPTS = ("run.sh", ".ci/run")
#: An index that cannot be reached is tried for so long.
_INDEX_SECONDS = 120
_IMPORT_LINTER = 'from importlinter.cli import lint_imports_command as c; c(["--no-logo"])'


def main() -> None:
    """Run a command from the checkout's folder, or answer a shell that completes one."""
    os.chdir(ROOT)
    if COMPLETING in os.environ:
        _complete()
    else:
        app(prog_name="./run.sh")


def _complete() -> None:
    """Print verbs, options, and the questions of a reader; the environment holds the line."""
    from client.__main__ import app as client  # noqa: PLC0415 - slow to import
    from local.cli import app as local  # noqa: PLC0415

    whole = typer.Typer(no_args_is_help=True)
    for part in (local, app, client):  # the client explains its verbs itself, so it comes last
        whole.registered_commands += part.registered_commands
        whole.registered_groups += part.registered_groups
    whole(prog_name=COMPLETED, complete_var=COMPLETING)


@app.command(context_settings={**_HANDED_ON, "help_option_names": ["--help"]})
def test(context: typer.Context) -> None:
    """Run the tests: [folder ...] [--containers] [arguments of pytest].

    Folders: unit contract integration e2e chaos simulation. Example: ./run.sh test unit -k layout
    """
    raise typer.Exit(testing.run(context.args))


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.", show_default=False)],
) -> None:
    """A script that completes commands, such as: source <(./run.sh completion bash)."""
    if shell not in SHELLS:
        output.complain(f'there is no completion for "{shell}"; there is for {", ".join(SHELLS)}')
        raise typer.Exit(2)
    script = get_completion_script(prog_name=COMPLETED, complete_var=COMPLETING, shell=shell)
    # Zsh's and fish's ask a program of that name on PATH, where run.sh is not.
    own = shlex.quote(str(ROOT / COMPLETED))
    for asks in ("complete_zsh", "(commandline -cp)"):
        script = script.replace(f"{asks} {COMPLETED}", f"{asks} {own}")
    print(script)


@app.command()
def check() -> None:
    """Ruff, mypy, import-linter, shellcheck and, where it is installed, pip-audit.

    Exit code 1 when one of them finds a fault.
    """
    python = [sys.executable, "-m"]
    steps = {
        "ruff": [*python, "ruff", "check", "."],
        "ruff format": [*python, "ruff", "format", "--check", "."],
        "mypy --strict": [*python, "mypy"],
        "import-linter": [sys.executable, "-c", _IMPORT_LINTER],
    }
    if shellcheck := testing.debian_program("shellcheck"):
        steps["shellcheck"] = [shellcheck, "-x", *_SHELL_SCRIPTS]
    failed = []
    for name, command in steps.items():
        output.plain(f"== {name}")
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - the commands above
            failed.append(name)
    output.plain("== pip-audit")
    if audit(sorted(ROOT.glob("requirements*.txt"))):
        failed.append("pip-audit")
    if failed:
        output.complain(f"check found faults: {', '.join(failed)}; see above")
        raise typer.Exit(1)


def audit(pinned: Sequence[Path]) -> int:
    """Known vulnerabilities of the pins, by pip-audit, where it is there and an index answers.

    It is no dependency of ours: it would bring seventeen packages and a pip of its own into every
    developer's environment.

    :returns: 1 where one is known, else 0.
    :param pinned: requirements files with hashes, as pip-compile makes them.
    """
    program = shutil.which("pip-audit", path=str(Path(sys.executable).parent)) or shutil.which(
        "pip-audit"
    )
    if program is None:
        output.plain("pip-audit is not installed (pip install pip-audit): nothing was looked up")
        return 0
    files = [word for file in pinned for word in ("-r", str(file))]
    command = [program, *files, "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - the program found above
            [*command, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INDEX_SECONDS,
        )
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        output.plain("no index answered: nothing was looked up")
        return 0
    return _told(found)


def _told(found: Sequence[dict[str, Any]]) -> int:
    known = [each for each in found if "skip_reason" not in each]
    for each in known:
        for fault in each["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "none yet"
            output.complain(f"{each['name']} {each['version']}: {fault['id']}; fixed in: {fixed}")
    if not known:
        output.plain("no index knew any of the packages: nothing was looked up")
        return 0
    faulty = sum(bool(each["vulns"]) for each in known)
    output.plain(f"{len(known)} of {len(found)} packages looked up, {faulty} with known faults")
    return 1 if faulty else 0


@app.command(context_settings=_HANDED_ON)
def bench(context: typer.Context) -> None:
    """Measure: [name ...]."""
    from benchmarks.__main__ import app as benchmarks  # noqa: PLC0415 - numpy and more

    benchmarks(context.args, prog_name="./run.sh bench")


@app.command(context_settings=_HANDED_ON)
def score(context: typer.Context) -> None:
    """The anomaly detector over a file of timestamp,value."""
    from tools.score import app as scoring  # noqa: PLC0415 - numpy and more

    os.chdir(called_from())  # the files are named from there
    scoring(context.args, prog_name="./run.sh score")


@app.command(name="check-drive", context_settings=_HANDED_ON)
def check_drive(context: typer.Context) -> None:
    """Will a drive fail? From saved outputs of smartctl --json -x: FILE... | -, --json."""
    from tools.check_drive import app as checking  # noqa: PLC0415 - the rules are read then

    os.chdir(called_from())  # the files are named from there
    checking(context.args, prog_name="./run.sh check-drive")


@app.command(context_settings=_HANDED_ON)
def replace(context: typer.Context) -> None:
    """Replace text literally in the files here."""
    raise typer.Exit(replacing.main(context.args, ROOT))


@app.command(name="env-example")
def print_env_example() -> None:
    """Every setting, as .env.example shows it."""
    print(env_example(), end="")


@app.command(name="reference")
def print_reference() -> None:
    """docs/reference.md, made from the code."""
    print(reference(), end="")
