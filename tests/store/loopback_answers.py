"""What the loopback Hub answers: the routes that the clients ask for, acting on its repositories."""

import base64
import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.store.loopback_repos import (
    DATE,
    Blob,
    Commit,
    Refused,
    Repo,
    log,
    mode,
    regular,
    revisions,
    sha1,
    tree,
    validate,
)

# What each token of the tests may do. The names in "orgs" are namespaces that it may write to beside its own.
TOKENS = {
    "alice-write": {"name": "alice", "role": "write", "orgs": ["org"]},
    "alice-read": {"name": "alice", "role": "read", "orgs": ["org"]},
    "bob-write": {"name": "bob", "role": "write", "orgs": []},
}
REPO = re.compile(r"/api/(?:datasets|models)/([^/]+/[^/]+)(?:/(.*))?")


class Answers:
    """Mixed into the handler of a request, which sets `hub`, `command`, `route`, `query` and `headers`."""

    hub: Any
    command: str
    route: str
    query: dict[str, list[str]]
    headers: Any

    def answer(self, body: bytes) -> tuple[int, dict[str, str], bytes | tuple[Path, int, int]]:
        route = self.route
        if not route.startswith("/api/") and "/resolve/" in route:
            return self._resolve()
        answer: Any
        if route == "/api/whoami-v2":
            answer = self._whoami()
        elif route == "/api/repos/create":
            answer = self._create(json.loads(body))
        elif route == "/api/validate-yaml":
            answer = validate(json.loads(body)["content"])
        elif route.startswith("/api/collections"):
            answer = self._collection(json.loads(body) if body else {})
        elif route.endswith("/info/lfs/objects/batch"):
            answer = self._batch(json.loads(body))
        elif route.startswith("/lfs/"):
            answer = self._store(Path(body.decode()))
        elif route == "/verify":
            answer = {}
        elif match := REPO.fullmatch(route):
            answer = self._dataset(self._repo(match[1]), match[2] or "", body)
        else:
            raise Refused(404, f"no route {self.command} {route}", "EntryNotFound")
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _user(self) -> dict[str, Any] | None:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise Refused(401, "Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def _whoami(self) -> Any:
        user = self._user()
        if user is None:
            raise Refused(401, "Unauthorized")
        role = {"displayName": "test", "role": user["role"]}
        orgs = [{"name": name} for name in user["orgs"]]
        return {
            "type": "user",
            "name": user["name"],
            "orgs": orgs,
            "auth": {"type": "access_token", "accessToken": role},
        }

    def _member(self, repo: str) -> bool:
        user, namespace = self._user(), repo.partition("/")[0]
        return user is not None and namespace in {user["name"], *user["orgs"]}

    def _check_write(self, repo: str) -> None:
        user = self._user()
        if user is None:
            raise Refused(401, "Unauthorized")
        if user["role"] != "write" or not self._member(repo):
            raise Refused(403, f"You don't have the rights to write to {repo}")

    def _repo(self, repo: str) -> Repo:
        held: Repo | None = self.hub.repos.get(repo)
        if held is None or (held.private and not self._member(repo)):
            raise Refused(401 if self._user() is None else 404, "Repository not found", "RepoNotFound")
        return held

    def _create(self, asked: dict[str, Any]) -> Any:
        user = self._user() or {"name": "?"}
        repo = f"{asked.get('organization') or user['name']}/{asked['name']}"
        self._check_write(repo)
        kind = "" if asked.get("type", "model") == "model" else "datasets/"
        url = {"url": f"{self.hub.url}/{kind}{repo}", "name": repo}
        if repo in self.hub.repos:
            raise Refused(409, "You already created this dataset repo", None, **url)
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repos[repo] = held = Repo(repo, bool(private))
        held.add(
            "main", "initial commit", {".gitattributes": regular(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")}
        )
        return url

    def _dataset(self, repo: Repo, rest: str, body: bytes) -> Any:
        what, _, rest = rest.partition("/")
        if self.command in {"POST", "DELETE"} and what != "paths-info":
            self._check_write(repo.id)
        if what in {"", "revision"}:
            return self._info(repo, repo.resolve(rest or "main"))
        if what == "tree":
            revision = max(
                (name for name in revisions(repo) if f"{rest}/".startswith(f"{name}/")), key=len, default=rest
            )
            folder = rest.removeprefix(revision).strip("/")
            return tree(repo.resolve(revision), folder, "true" in [v.lower() for v in self.query.get("recursive", [])])
        if what == "paths-info":
            asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
            return [item for path in asked for item in tree(repo.resolve(rest), "", True) if item["path"] == path]
        if what == "preupload":
            commit = repo.resolve(rest)
            return {"files": [mode(file, commit.files.get(file["path"])) for file in json.loads(body)["files"]]}
        if what == "commit":
            return self._commit(repo, rest, [json.loads(line) for line in body.decode().splitlines() if line])
        if what == "refs":
            kinds = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags)}
            return {"converts": [], "pullRequests": []} | {
                name: [{"name": key, "ref": f"refs/{kind}/{key}", "targetCommit": oid} for key, oid in refs.items()]
                for name, (kind, refs) in kinds.items()
            }
        if what == "commits":
            return list(log(repo, repo.resolve(rest)))
        if what in {"tag", "branch"}:
            return self._ref(repo, repo.tags if what == "tag" else repo.branches, what, rest, json.loads(body or b"{}"))
        raise Refused(404, f"no route {self.route}", "EntryNotFound")

    def _info(self, repo: Repo, commit: Commit) -> Any:
        return {
            "id": repo.id,
            "sha": commit.oid,
            "lastModified": DATE,
            "private": repo.private,
            "gated": "auto" if repo.gated else False,
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            "tags": [],
        }

    def _commit(self, repo: Repo, branch: str, lines: list[dict[str, Any]]) -> Any:
        header, files = lines[0]["value"], dict(repo.resolve(branch).files)
        if header.get("parentCommit") not in {None, repo.branches[branch]}:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            value, path = line["value"], line["value"]["path"]
            if line["key"] == "file":
                files[path] = regular(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if not self.hub.lfs_path(value["oid"]).is_file():
                    raise Refused(400, f"LFS object {value['oid']} of {path} was not uploaded")
                files[path] = Blob(sha1(value["oid"].encode()), value["size"], None, value["oid"])
            elif line["key"] == "deletedFile" and path in files:
                del files[path]
            elif line["key"] == "deletedFolder":
                files = {name: blob for name, blob in files.items() if not name.startswith(f"{path.rstrip('/')}/")}
            else:
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        commit = repo.add(branch, header["summary"], files)
        return {
            "success": True,
            "commitOid": commit.oid,
            "commitUrl": f"{self.hub.url}/datasets/{repo.id}/commit/{commit.oid}",
        }

    def _ref(self, repo: Repo, refs: dict[str, str], what: str, rest: str, asked: dict[str, Any]) -> Any:
        name = rest if what == "branch" or self.command == "DELETE" else asked["tag"]
        if self.command == "DELETE":
            if refs.pop(name, None) is None:
                raise Refused(404, f"no {what} {name}", "RevisionNotFound")
            return {}
        if name in refs:
            raise Refused(409, f"{what} {name} exists already")
        refs[name] = repo.resolve(rest if what == "tag" else asked.get("startingPoint") or "main").oid
        return {}

    def _batch(self, asked: dict[str, Any]) -> Any:
        repo = self.route.removeprefix("/datasets").removeprefix("/").removesuffix(".git/info/lfs/objects/batch")
        self._check_write(self._repo(repo).id)
        objects = []
        for wanted in asked["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if not self.hub.lfs_path(wanted["oid"]).is_file():
                answer["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}", "header": {}},
                    "verify": {"href": f"{self.hub.url}/verify"},
                }
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def _store(self, upload: Path) -> Any:
        oid = self.route.rsplit("/", 1)[1]
        with upload.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != oid:
            upload.unlink()
            raise Refused(400, f"the body has sha256 {found}")
        upload.rename(self.hub.lfs_path(oid))
        return {}

    def _resolve(self) -> tuple[int, dict[str, str], bytes | tuple[Path, int, int]]:
        repo_id, _, rest = self.route.removeprefix("/datasets").removeprefix("/").partition("/resolve/")
        repo = self._repo(repo_id)
        if repo.gated and not self._member(repo.id):
            raise Refused(403, f"Access to {repo_id} is restricted", "GatedRepo")
        revision = max((name for name in revisions(repo) if rest.startswith(f"{name}/")), key=len, default="")
        commit = repo.resolve(revision or rest.split("/")[0])
        path = rest.removeprefix(revision or rest.split("/")[0]).lstrip("/")
        blob = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.oid}
        if blob is None:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
        if blob.lfs:
            headers |= {"X-Linked-Etag": f'"{blob.lfs}"', "X-Linked-Size": str(blob.size)}
        headers |= {"ETag": f'"{blob.lfs or blob.oid}"', "Accept-Ranges": "bytes"}
        start, end, status = 0, blob.size, 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end, status = int(match[1]), min(int(match[2] or blob.size - 1) + 1, blob.size), 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        if blob.lfs:
            return status, headers, (self.hub.lfs_path(blob.lfs), start, end - start)
        return status, headers, (blob.content or b"")[start:end]

    def _collection(self, asked: dict[str, Any]) -> Any:
        slug = self.route.removeprefix("/api/collections").strip("/").removesuffix("/items")
        if slug and slug not in self.hub.collections:
            raise Refused(404, f"no collection {slug}")
        if self.command == "POST" and not slug:
            self._check_write(f"{asked['namespace']}/-")
            for held in self.hub.collections.values():
                if (held["title"], held["owner"]["name"]) == (asked["title"], asked["namespace"]):
                    raise Refused(409, "Collection already exists", None, slug=held["slug"])
            slug = f"{asked['namespace']}/{asked['title'].lower()}-{sha1(asked['title'].encode())[:24]}"
            self.hub.collections[slug] = {
                "slug": slug,
                "title": asked["title"],
                "owner": {"name": asked["namespace"]},
                "items": [],
                "lastUpdated": DATE,
                "position": 0,
                "private": asked.get("private", False),
                "theme": "orange",
                "upvotes": 0,
            }
        elif self.command == "POST":
            self._check_write(slug)
            items, item = self.hub.collections[slug]["items"], asked["item"]
            if item["id"] in {held["id"] for held in items}:
                raise Refused(409, "Item already in the collection")
            items.append({"_id": uuid.uuid4().hex, "position": len(items), **item})
        return self.hub.collections[slug]
