"""A Hub on this machine, for tests: repositories are folders, the protocol is the one that the Hub's client speaks.

    python tests/slow/hub/server.py FOLDER      # serves FOLDER/models/OWNER/NAME, FOLDER/datasets/… and FOLDER/spaces/…

Enough for from_pretrained, load_dataset, evaluate.load, create_repo and upload_folder, with HF_ENDPOINT set to its
address and HF_HUB_DISABLE_XET=1. Anybody may read; to write takes the token. A repository has one branch and its
files as they are now: the revision is a checksum of them.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from repositories import LARGE, Refusal, Repository, entry, sha256

LOOPBACK = Path(__file__).parent / "loopback"
PIECE = 2**20  # bytes of a file in memory at a time


@dataclass
class Hub:
    """Starts to serve when made, until `close`.

    Attributes:
        root: Folder with the repositories, as in the module's docstring.
        token: What those who write must show.
        user: To whom the token belongs; may write into repositories under this name alone.
        before_commit: Called with the repository's id before each commit; what it raises is an error 500.
        requests: Method and path of all that was asked.
        commits: Titles, by ``"models/OWNER/NAME"``.
    """

    root: Path
    token: str = "hf_of_nobody"
    user: str = "learner"
    before_commit: Callable[[str], None] = lambda repo_id: None
    requests: list[str] = field(default_factory=list)
    commits: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self):
        self.large: dict[str, Path | None] = {}  # by SHA-256; None while it is announced and not yet there
        self.large_files = tempfile.TemporaryDirectory()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answer,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.large_files.cleanup()

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """For a client's process: ours, but this Hub, an empty cache at `home`, and no other host (`loopback/sitecustomize.py`)."""
        ours = {name: value for name, value in os.environ.items() if not re.match("HF_|HUGGING_FACE|.*_PROXY$", name, re.IGNORECASE)}
        here = {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home), "PYTHONPATH": str(LOOPBACK)}
        return ours | here | ({"HF_TOKEN": token} if token else {})

    def page(self, kind: str, repo_id: str) -> str:
        return f"{self.url}/{repo_id}" if kind == "models" else f"{self.url}/{kind}/{repo_id}"


class Answer(BaseHTTPRequestHandler):
    """One request: finds the method of this class whose pattern in `ROUTES` fits the path."""

    hub: Hub
    protocol_version = "HTTP/1.1"  # keeps connections

    def log_message(self, *args):
        pass

    def answer(self) -> None:
        url = urlsplit(self.path)
        path, self.query, self.body = unquote(url.path), parse_qs(url.query), tempfile.SpooledTemporaryFile(PIECE)
        for piece in self.pieces():
            self.body.write(piece)
        self.body.seek(0)
        self.hub.requests.append(f"{self.command} {path}")
        try:
            found = next(((name, fit) for name, pattern in ROUTES.items() if (fit := re.fullmatch(pattern, path))), None)
            if found is None:
                raise Refusal(404, f"This Hub has no {path}", "EntryNotFound")
            getattr(self, found[0])(**found[1].groupdict())
        except Refusal as refusal:
            self.send(refusal.status, {"error": str(refusal)}, **{"X-Error-Code": refusal.code, "X-Error-Message": str(refusal)})
        except BrokenPipeError:
            pass  # the client was killed
        except Exception as error:
            self.send(500, {"error": repr(error)})
        finally:
            self.body.close()

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def pieces(self) -> Iterator[bytes]:
        """What the client sends, piece by piece."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def send(self, status: int, content: dict | list | None = None, **headers: str) -> None:
        text = b"" if content is None else json.dumps(content).encode()
        self.send_head(status, len(text), **{"Content-Type": "application/json"}, **headers)
        if self.command != "HEAD":
            self.wfile.write(text)

    def send_head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def check_token(self, owner: str | None = None) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            raise Refusal(401, "Invalid username or password.")
        if owner not in (None, self.hub.user):
            raise Refusal(403, f"You have no right to write under the name {owner}")

    # -- Who and what ------------------------------------------------------------------------------------------------

    def who_am_i(self) -> None:
        self.check_token()
        self.send(200, {"type": "user", "name": self.hub.user, "orgs": [], "auth": {"type": "access_token"}})

    def validate_card(self) -> None:
        self.send(200, {"errors": [], "warnings": []})

    def create(self) -> None:
        wish = json.load(self.body)
        owner = wish.get("organization") or self.hub.user
        self.check_token(owner)
        kind, repo_id = (wish.get("type") or "model") + "s", f"{owner}/{wish['name']}"
        new = Repository.make(self.hub.root, kind, repo_id)
        note = {} if new else {"error": "You already created this repository"}
        self.send(200 if new else 409, {"url": self.hub.page(kind, repo_id), **note})

    # -- Reading -----------------------------------------------------------------------------------------------------

    def info(self, kind: str, repo_id: str) -> None:
        repository = Repository.find(self.hub.root, kind, repo_id)
        told = {"id": repo_id, "sha": repository.revision, "siblings": [{"rfilename": name} for name in repository.files()]}
        self.send(200, told | {"author": repo_id.split("/")[0], "tags": [], "private": False, "gated": False, "disabled": False})

    def branches(self, kind: str, repo_id: str) -> None:
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": Repository.find(self.hub.root, kind, repo_id).revision}
        self.send(200, {"branches": [main], "tags": [], "converts": []})

    def tree(self, kind: str, repo_id: str, folder: str | None) -> None:
        files, prefix = Repository.find(self.hub.root, kind, repo_id).files(), f"{folder}/" if folder else ""
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        inside = {name[len(prefix) :] for name in files if name.startswith(prefix)}
        if prefix and not inside:
            raise Refusal(404, f"There is no folder {folder}", "EntryNotFound")
        shown = {"/".join(name.split("/")[: None if deep else 1]) for name in inside}
        self.send(200, [entry(files, prefix + name) for name in sorted(shown)])

    def paths(self, kind: str, repo_id: str) -> None:
        files = Repository.find(self.hub.root, kind, repo_id).files()
        is_json = "json" in self.headers.get("Content-Type", "")
        wanted = json.load(self.body)["paths"] if is_json else parse_qs(self.body.read().decode()).get("paths", [])
        there = [name for name in wanted if name in files or any(other.startswith(f"{name}/") for other in files)]
        self.send(200, [entry(files, name) for name in there])

    def file(self, kind: str | None, repo_id: str, revision: str, name: str) -> None:
        repository = Repository.find(self.hub.root, kind or "models", repo_id)
        head = {"X-Repo-Commit": repository.revision, "Accept-Ranges": "bytes"}
        if revision not in ("main", repository.revision):
            raise Refusal(404, f"There is no revision {revision}", "RevisionNotFound")
        path = repository.files().get(name)
        if path is None:
            raise Refusal(404, f"There is no file {name}", "EntryNotFound")
        head["ETag"] = f'"{sha256(path)}"'
        status, start, size = 200, 0, path.stat().st_size
        end = size - 1
        if part := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            status, start, end = 206, int(part[1]), min(int(part[2] or size), size - 1)
            head["Content-Range"] = f"bytes {start}-{end}/{size}"
        self.send_head(status, end + 1 - start, **head)
        if self.command != "HEAD" and size:
            with path.open("rb") as file:
                self.connection.sendfile(file, start, end + 1 - start)

    # -- Pushing: how each file is to come, the large ones, then the commit ------------------------------------------

    def plan_upload(self, kind: str, repo_id: str) -> None:
        self.check_token(repo_id.split("/")[0])
        Repository.find(self.hub.root, kind, repo_id)
        names = [file["path"] for file in json.load(self.body)["files"]]
        modes = {name: "lfs" if name.endswith(LARGE) else "regular" for name in names}
        self.send(200, {"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]})

    def announce_large(self, kind: str | None, repo_id: str) -> None:
        self.check_token(repo_id.split("/")[0])
        files = [{"oid": file["oid"], "size": file["size"]} for file in json.load(self.body)["objects"]]
        for file in files:
            if self.hub.large.setdefault(file["oid"]) is None:  # what is there already need not come again
                file["actions"] = {"upload": {"href": f"{self.hub.url}/large/{file['oid']}"}}
        self.send(200, {"transfer": "basic", "objects": files})

    def take_large(self, oid: str) -> None:
        if oid not in self.hub.large:
            raise Refusal(401, "Announce it first")  # no token: to know the address is the permission
        if hashlib.file_digest(self.body, "sha256").hexdigest() != oid:
            raise Refusal(400, "The checksum is another one")
        self.body.seek(0)
        path = Path(self.hub.large_files.name) / oid
        with path.open("wb") as file:
            shutil.copyfileobj(self.body, file)
        self.hub.large[oid] = path
        self.send(200)

    def commit(self, kind: str, repo_id: str) -> None:
        self.check_token(repo_id.split("/")[0])
        repository = Repository.find(self.hub.root, kind, repo_id)
        self.hub.before_commit(repo_id)
        for line in map(json.loads, self.body):
            value = line["value"]
            match line["key"]:
                case "header":
                    self.hub.commits[f"{kind}/{repo_id}"].append(value["summary"])
                case "file":
                    repository.write(value["path"], base64.b64decode(value["content"]))
                case "lfsFile":
                    repository.write(value["path"], self.hub.large[value["oid"]])
                case other:
                    raise Refusal(400, f"This Hub knows no {other}")
        revision = repository.revision
        self.send(200, {"commitUrl": f"{self.hub.page(kind, repo_id)}/commit/{revision}", "commitOid": revision, "success": True})


REPO = r"(?P<repo_id>[^/]+/[^/]+)"
KIND = r"(?P<kind>models|datasets|spaces)"
OF_KIND = r"(?:(?P<kind>datasets|spaces)/)?"  # models stand at the root
ROUTES = {
    "who_am_i": "/api/whoami-v2",
    "validate_card": "/api/validate-yaml",
    "create": "/api/repos/create",
    "info": f"/api/{KIND}/{REPO}(?:/revision/[^/]+)?",
    "branches": f"/api/{KIND}/{REPO}/refs",
    "tree": f"/api/{KIND}/{REPO}/tree/[^/]+(?:/(?P<folder>.+))?",
    "paths": f"/api/{KIND}/{REPO}/paths-info/[^/]+",
    "file": f"/{OF_KIND}{REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)",
    "plan_upload": f"/api/{KIND}/{REPO}/preupload/[^/]+",
    "announce_large": rf"/{OF_KIND}{REPO}\.git/info/lfs/objects/batch",
    "take_large": "/large/(?P<oid>[0-9a-f]{64})",
    "commit": f"/api/{KIND}/{REPO}/commit/[^/]+",
}


if __name__ == "__main__":
    hub = Hub(Path(sys.argv[1]))
    print(f"HF_ENDPOINT={hub.url} HF_HUB_DISABLE_XET=1 HF_TOKEN={hub.token}  (Ctrl+C ends it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        hub.close()
