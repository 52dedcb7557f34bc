"""What the local Hub keeps: a folder for each repository, with its files as they are now."""

import hashlib
import re
from dataclasses import dataclass
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

    def files(self) -> dict[str, bytes]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    @property
    def revision(self) -> str:
        sums = [(name, hashlib.sha256(content).hexdigest()) for name, content in self.files().items()]
        return hashlib.sha1(repr(sums).encode()).hexdigest()

    def write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        if ".." in path.parts or Path(name).is_absolute():
            raise Refusal(400, f"{name} lies outside the repository")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def entry(files: dict[str, bytes], name: str) -> dict:
    """A line of a listing; a name that is no file is a folder."""
    if name not in files:
        return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
    oid = hashlib.sha1(b"blob %d\0" % len(files[name]) + files[name]).hexdigest()  # as git has it
    return {"type": "file", "path": name, "oid": oid, "size": len(files[name])}
