"""What the local Hub keeps: a folder for each repository, with its files as they are now."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)  # stricter than the client's own check, as the Hub's is
LARGE = (".safetensors", ".parquet", ".bin")  # go up by LFS, apart from the commit


class Refusal(Exception):
    """An answer other than success: status, one line, and the code by which the client knows what is missing."""

    def __init__(self, status: int, message: str, code: str = ""):
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Repository:
    """One branch, no past: the revision is a checksum of the files."""

    folder: Path

    @classmethod
    def find(cls, root: Path, kind: str, repo_id: str) -> "Repository":
        """`kind` is "models", "datasets" or "spaces"."""
        folder = root / kind / repo_id
        if ".." in folder.parts or not folder.is_dir():
            raise Refusal(404, f"There is no repository {repo_id}", "RepoNotFound")
        return cls(folder)

    @classmethod
    def make(cls, root: Path, kind: str, repo_id: str) -> bool:
        """Returns whether it is new."""
        name = repo_id.split("/")[1]
        if not NAME.fullmatch(name):
            raise Refusal(400, f"Invalid repository name {name!r}: it must begin and end with a letter or digit")
        new = not (root / kind / repo_id).exists()
        (root / kind / repo_id).mkdir(parents=True, exist_ok=True)
        return new

    def files(self) -> dict[str, Path]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in paths}

    @property
    def revision(self) -> str:
        sums = [(name, sha256(path)) for name, path in self.files().items()]
        return hashlib.sha1(repr(sums).encode()).hexdigest()

    def write(self, name: str, content: bytes | Path) -> None:
        """Writes what it is given, or what is in the file that it is given."""
        path = self.folder / name
        if ".." in path.parts or Path(name).is_absolute():
            raise Refusal(400, f"{name} lies outside the repository")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)


def sha256(path: Path) -> str:
    return _checksum(path, "sha256", path.stat().st_size, path.stat().st_mtime_ns)


def git_id(path: Path) -> str:
    """Checksum of a file as git has it."""
    return _checksum(path, "git", path.stat().st_size, path.stat().st_mtime_ns)


@cache
def _checksum(path: Path, kind: str, size: int, changed: int) -> str:
    """Remembered as long as the file stays as it is: weights are read once, not at each request."""
    begin = hashlib.sha256 if kind == "sha256" else lambda: hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file:
        return hashlib.file_digest(file, begin).hexdigest()


def entry(files: dict[str, Path], name: str) -> dict:
    """A line of a listing; a name that is no file is a folder."""
    if name not in files:
        return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
    return {"type": "file", "path": name, "oid": git_id(files[name]), "size": files[name].stat().st_size}
