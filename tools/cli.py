"""``python -m tools``: what run.sh does that needs no running service."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from local import output
from local.bootstrap import COMPLETING
from local.layout import ROOT
from spindle.files import called_from
from tools import replace as replacing
from tools import testing
from tools.audit import audit
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
_IMPORT_LINTER = 'from importlinter.cli import lint_imports_command as c; c(["--no-logo"])'


def main() -> None:
    """Run a command from the checkout's folder."""
    os.chdir(ROOT)
    app(prog_name="./run.sh")


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
    print(get_completion_script(prog_name=COMPLETED, complete_var=COMPLETING, shell=shell))


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
