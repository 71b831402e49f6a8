"""The documentation, followed: ``python -m tests.support.followed_docs [PAGE ...]`` runs README and docs.

Every section (``## ``) is followed from its beginning in an empty folder with a store of two releases in
``weighbridge-store``. In it every block marked ``sh``, ``console`` or ``python`` runs, in order:

- ``sh``: each command. ``console``: each line after ``$``, and what it prints is compared with what stands below
  it, except for numbers, times, versions and digests; ``...`` stands for anything.
- ``python``: the block as a program; ``python NAME.py`` makes that file instead.
- ``weighbridge serve`` goes on until the end of the section; port 8000 in later blocks is where it listens.
- ``VERSION`` is the older of the two releases. ``s3://my-bucket`` is a bucket with versions.

Comments right above a block say what a reader need not know: ``<!-- not run: why -->``, ``<!-- exit: 3 -->``,
``<!-- before: commands that bring about what the section is about -->``, ``<!-- not compared: why -->``.
"""

import io
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.quick_task import copy, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.entrypoints.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(
    r"(?P<marks>(?:^<!--(?:(?!-->).)*-->\n)*)^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!--\s*(not run|exit|before|not compared):\s*(.*?)\s*-->", re.DOTALL)
#: What differs from run to run: versions, digests, numbers, and the widths of columns.
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{8}|\bVERSION\b"), "<version>"),
    (re.compile(r"\b(?=\d*[a-f])[0-9a-f]{8,64}\b"), "<digest>"),
    (re.compile(r"[-+]?\d[\d.,:]*(?:e[-+]\d+)?"), "0"),
    (re.compile(r"[ \t]+"), " "),
)


class Block(NamedTuple):
    """A fenced block: its line, language, the name behind that, its text, and what comments say of it."""

    line: int
    language: str
    name: str
    text: str
    marks: dict[str, str]


class Section(NamedTuple):
    """What stands below a heading."""

    title: str
    blocks: list[Block]


def sections(page: Path) -> list[Section]:
    """The sections of a page that have blocks; what stands before the first heading is one too."""
    text = page.read_text()
    starts = [0, *(found.start() for found in re.finditer(r"^## ", text, re.MULTILINE)), len(text)]
    found = []
    for start, end in pairwise(starts):
        blocks = [_block(fence, text) for fence in _FENCE.finditer(text, start, end)]
        if blocks:
            found.append(Section(text[start:end].partition("\n")[0].lstrip("# "), blocks))
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a block, each with what the page says that it prints."""
    shown: list[tuple[str, str]] = []
    command = ""
    for line in block.text.splitlines():
        if block.language == "console":
            if line.startswith("$ "):
                command = line[2:]
            elif command:
                command += f"\n{line.removeprefix('> ')}"
            else:
                before, printed = shown.pop()
                shown.append((before, f"{printed}{line}\n"))
                continue
        else:
            command += f"\n{line}" if command else line
        if _is_whole(command):
            if shlex.split(command, comments=True):
                shown.append((command, ""))
            command = ""
    assert not command, f"line {block.line}: {command!r} does not end"
    return shown


def likeness(printed: str) -> str:
    """What was printed without what differs from run to run."""
    for pattern, stands_for in _CHANGING:
        printed = pattern.sub(stands_for, printed)
    return "\n".join(line.strip() for line in printed.strip().splitlines())


def is_like(printed: str, shown: str) -> bool:
    """Whether a command printed what the page shows."""
    wanted = ""
    for line in likeness(shown).splitlines():
        wanted += r"(.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
    return re.fullmatch(wanted, f"{likeness(printed)}\n".lstrip("\n")) is not None


class Follower:
    """Follows blocks in the current folder, in this process where that saves seconds of imports.

    Args:
        serves: whether services run; else they and the requests to them are left out.
    """

    def __init__(self, serves: bool = True) -> None:
        self._serves = serves
        self._servers: list[subprocess.Popen[bytes]] = []
        self._address = ""

    def follow(self, block: Block) -> None:
        """Run a block.

        Raises:
            AssertionError: it does not end as it should, or prints something else than is shown.
        """
        if "before" in block.marks:
            for command, _ in commands(block._replace(language="sh", text=block.marks["before"])):
                if not self._is_left_out(command):
                    self.run(command)
        if "not run" in block.marks:
            return
        if block.language == "python" and block.name:
            Path(block.name).write_text(block.text)
        elif block.language == "python":
            code, printed = self._bash(
                f"{shlex.quote(sys.executable)} - <<'BLOCK'\n{self._here(block.text)}\nBLOCK"
            )
            assert code == 0, printed
        elif block.language in ("sh", "console"):
            self._follow_commands(block)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; gives its exit code and what it printed on either stream."""
        command = re.sub(r"(?<![\w/])\.venv/bin/", "", self._here(command))
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            os.environ.update(word.split("=", 1) for word in words[1:])
            return 0, ""
        variables = {}
        while re.match(r"\w+=", words[0]):
            name, _, variables[name] = words.pop(0).partition("=")
        if words[:2] == ["weighbridge", "serve"]:
            return self._serve(words, variables)
        is_ours = words[0] == "weighbridge" and not variables and not _has_operators(command)
        code, printed = in_process(words) if is_ours else self._bash(command)
        # What a reader's folder is called in the pages.
        return code, printed.replace(str(Path.cwd()), "/srv")

    def stop(self) -> None:
        """End what still serves."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.communicate(timeout=60)

    def _follow_commands(self, block: Block) -> None:
        shown = commands(block)
        for place, (command, expected) in enumerate(shown, 1):
            if self._is_left_out(command):
                continue
            code, printed = self.run(command)
            # The mark is about the last command of a block.
            wanted = block.marks.get("exit", "0") if place == len(shown) else "0"
            assert str(code) == wanted, f"{command}\nended with {code}:\n{printed}"
            if block.language == "console" and "not compared" not in block.marks:
                assert is_like(printed, expected), f"{command}\nprinted:\n{printed}"

    def _is_left_out(self, command: str) -> bool:
        return not self._serves and re.match(r"(\w+=\S+ )*(weighbridge serve|curl )", command) is not None

    def _serve(self, words: list[str], variables: dict[str, str]) -> tuple[int, str]:
        # On a free port, whatever it says.
        words = shlex.split(shlex.join(words).replace("--port 8000", "--port 0"))
        log = Path(f"serve-{len(self._servers)}.log")
        with log.open("wb") as file:
            server = subprocess.Popen(
                [_program(words[0]), *words[1:]],
                stderr=subprocess.STDOUT,
                stdout=file,
                env={**os.environ, **variables, "WEIGHBRIDGE_PORT": "0"},
            )
        self._servers.append(server)
        while server.poll() is None:
            if found := re.search(r"listening on http://(127\.0\.0\.1:\d+)", log.read_text()):
                self._address = found[1]
                return 0, log.read_text()
            try:
                server.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        return server.returncode, log.read_text()

    def _bash(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        return done.returncode, done.stdout

    def _here(self, text: str) -> str:
        older, _ = two_releases()
        text = re.sub(r"\bVERSION\b", str(older.version), text)
        return text.replace("127.0.0.1:8000", self._address) if self._address else text


def in_process(words: list[str]) -> tuple[int, str]:
    """Run the command line in this process; gives its exit code and what it printed on either stream."""
    printed = io.BytesIO()
    streams = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
    argv, sys.argv = sys.argv, words
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = root.handlers[:], root.level, ours.level
    code: Any = 0
    try:
        with redirect_stdout(streams), redirect_stderr(streams):
            main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = argv
        root.handlers[:], root.level, ours.level = before
        streams.flush()
    return code, printed.getvalue().decode()


@contextmanager
def a_place(serves: bool = True, **environment: str) -> Iterator[Follower]:
    """A folder with the store, as the current one, and who follows blocks there; no other setting counts."""
    before, where = dict(os.environ), Path.cwd()
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    follower = Follower(serves)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            for name in [name for name in os.environ if name.startswith(("WEIGHBRIDGE_", "AWS_", "OTEL_"))]:
                del os.environ[name]
            os.environ.update(environment, COLUMNS="200", NO_COLOR="1")
            os.environ["WEIGHBRIDGE_TASK"] = f"{ROOT / 'tests/support/quick_task.py'}:QUICK"
            os.chdir(folder)
            copy(store_of_two(), LocalStore(Path("weighbridge-store"), create=True))
            yield follower
        finally:
            follower.stop()
            os.chdir(where)
            os.environ.clear()
            os.environ.update(before)
            for number, handler in signals.items():
                signal.signal(number, handler)


def follow(section: Section, serves: bool = True, **environment: str) -> None:
    """Follow a section in a place of its own.

    Raises:
        AssertionError: with the line, the command, and what it did.
    """
    with a_place(serves, **environment) as follower:
        for block in section.blocks:
            try:
                follower.follow(block)
            except Exception as error:
                raise AssertionError(f"line {block.line}: {error}") from error


def _block(fence: re.Match[str], text: str) -> Block:
    line = text.count("\n", 0, fence.start("language")) + 1
    return Block(line, fence["language"], fence["name"] or "", fence["text"], dict(_MARK.findall(fence["marks"])))


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    heredoc = re.search(r"<<'?(\w+)'?", command)
    return not command.endswith("\\") and (heredoc is None or command.endswith(f"\n{heredoc[1]}"))


def _has_operators(command: str) -> bool:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    return any(set(word) <= set("();<>|&") for word in lexer if word) or "$" in command or "*" in command


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextmanager
def a_bucket(endpoint: str) -> Iterator[dict[str, str]]:
    """A bucket with versions called ``my-bucket`` on a server of tests; gives the variables that lead to it."""
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    client: Any = boto3.Session(*keys.values(), region_name="us-east-1").client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="my-bucket")
    client.put_bucket_versioning(Bucket="my-bucket", VersioningConfiguration={"Status": "Enabled"})
    try:
        yield {**keys, "AWS_ENDPOINT_URL_S3": endpoint, "AWS_CONFIG_FILE": os.devnull}
    finally:
        for page in client.get_paginator("list_object_versions").paginate(Bucket="my-bucket"):
            for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                client.delete_object(Bucket="my-bucket", Key=entry["Key"], VersionId=entry["VersionId"])
        client.delete_bucket(Bucket="my-bucket")


def _main(names: list[str]) -> int:
    from tests.integration.conftest import MotoServer

    faults = 0
    server = MotoServer()
    logging.getLogger("werkzeug").disabled = True
    for page in [Path(name).resolve() for name in names] or PAGES:
        for section in sections(page):
            shown = f"{page.relative_to(ROOT)}: {section.title}"
            try:
                with a_bucket(server.url) as aws:
                    follow(section, **aws)
            except AssertionError as error:
                faults += 1
                print(f"FAILED {shown}\n{error}", flush=True)
                if not isinstance(error.__cause__, AssertionError):
                    traceback.print_exception(error.__cause__)
            else:
                print(f"ok     {shown}", flush=True)
            for block in section.blocks:
                if "not run" in block.marks:
                    print(f"       not run: line {block.line}, {block.marks['not run']}")
    server.stop()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
