"""Versions on the Hub: one dataset repository a stage, one tag a version, one collection a run.

    hub = Hub("org/name")
    hub.push(version)                              # to org/name-<stage>, tagged v-<fingerprint>
    hub.pull(hub.at("org/name-sft", "v-…"), store, "demo-sft")

A version is there when its tag is. Its files are committed to a branch of their own; that commit is tagged once the
Hub's own listing of it was compared with them; only then `main` gets the same files, and the branch goes. So nobody
finds on `main` what has no tag; a push that died leaves the branch, by which the next one knows what is missing. The
client honours HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE.
"""

import re
import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RemoteEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils._validators import validate_repo_id

from sca_hf.errors import HubError, one_line
from sca_hf.stage import Counts
from sca_hf.store.hub.collection import add_to_collection, collection
from sca_hf.store.hub.commit import commit_to_branch, commit_version, listing
from sca_hf.store.hub.edited_card import CARD, GENERATED
from sca_hf.store.hub.redact import hide_in_logs
from sca_hf.store.hub.retry import Result, bound_silence, call, status
from sca_hf.store.lineage import FILE as LINEAGE
from sca_hf.store.lineage import Lineage
from sca_hf.store.manifest import MANIFEST, read_manifest
from sca_hf.store.store import Store, Version
from sca_hf.wording import counted

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_THREADS = 4


@dataclass(frozen=True)
class Remote:
    """A complete version on the Hub. `revision`: what it was asked by; `commit`: what that names.

    `unfinished`: its tag is set, but its push has not brought it to `main`.
    """

    repo: str
    revision: str
    commit: str
    manifest_sha: str
    lineage: Lineage
    unfinished: bool = False

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""
        return self.lineage.fingerprint

    @property
    def counts(self) -> Counts:
        """Rows of the stage that made it."""
        return self.lineage.counts


class Hub:
    """The repositories `<name>-<stage>` of a run, `name` being "namespace/name". `private`: of repositories to be made.

    All methods raise HubError where the Hub refuses or can't be reached.
    """

    def __init__(
        self, name: str, *, private: bool = True, endpoint: str | None = None, token: str | None = None
    ) -> None:
        """By default with the endpoint and the token of the environment. Raises HubError for a forbidden name."""
        self.name, self.private, self._token = name, private, token
        self.check_name()
        bound_silence()
        hide_in_logs(token or get_token())
        self._api = HfApi(endpoint=endpoint, token=token)
        self._collected: set[str] = set()

    @classmethod
    def behind(cls, repo: str) -> Self:
        """Return the Hub of the run that a stage's repository belongs to, to read from it."""
        namespace, slash, name = repo.partition("/")
        return cls(f"{namespace}{slash}{name.rpartition('-')[0] or name}")

    def repo(self, stage: str) -> str:
        """Return the repository of a stage's versions."""
        return f"{self.name}-{stage}"

    def check_writable(self) -> None:
        """Raise HubError unless there is a token that may write to the namespace, as far as can be told beforehand."""
        user = self._ask(f"--hub {self.name}", self._api.whoami)
        namespace = self.name.split("/")[0]
        own = [user["name"], *(org["name"] for org in user.get("orgs", []))]
        if namespace not in own:
            raise HubError(
                f"--hub {self.name}: you are {user['name']}, who may write to {', '.join(own)} only; use one"
            )
        if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise HubError(
                f"--hub {self.name}: the token only reads; use one with write access (hf.co/settings/tokens)"
            )

    def find(self, stage: str, fingerprint: str) -> Remote | None:
        """Return the tagged version of a fingerprint, or None."""
        repo, tag = self.repo(stage), _tag(fingerprint)
        refs = self._refs(repo) or _NO_REFS
        if tag not in refs.tags:
            return None
        remote = self._remote(repo, tag, refs.tags[tag])
        return replace(remote, unfinished=_branch(fingerprint, remote.manifest_sha) in refs.branches)

    def at(self, repo: str, revision: str) -> Remote:
        """Return the version at a tag, a fingerprint, a branch or a commit of a repository."""
        name = _tag(revision) if _FINGERPRINT.fullmatch(revision) else revision
        info = self._ask(
            f"version {repo}@{revision}", lambda: self._api.repo_info(repo, repo_type="dataset", revision=name)
        )
        return self._remote(repo, name, str(info.sha))

    def pull(self, remote: Remote, store: Store, dataset: str) -> Version:
        """Bring a version into the store and verify it. Where it is there already, nothing is fetched.

        Raises HubError if the store has another build of its fingerprint, StoreError if what comes is not what its
        manifest says.
        """
        held = store.find(dataset, remote.fingerprint)
        if held is not None:
            check_same(held, remote)
            return held
        listed = self._ask(f"pull of {remote.repo}", lambda: listing(self._api, remote.repo, remote.commit))
        paths = [path for path in sorted(listed) if path not in {CARD, GENERATED, ".gitattributes"}]
        places = {path: path for path in paths} | {GENERATED if GENERATED in listed else CARD: CARD}

        def fill(root: Path) -> None:
            fetched = root / ".fetched"
            with ThreadPoolExecutor(_THREADS) as threads:
                list(threads.map(lambda path: self._fetch(remote, path, fetched), places))
            for path, place in places.items():
                (root / place).parent.mkdir(parents=True, exist_ok=True)
                (fetched / path).rename(root / place)
            shutil.rmtree(fetched)

        return store.receive(dataset, remote.fingerprint, fill)

    def push(self, version: Version) -> Remote:
        """Publish a version, or find it published. Files that the Hub has already are not sent again.

        Raises HubError if the Hub refuses: before the tag is set there is no version, after that it is there whole and
        `main` alone may lag behind; the next push goes on. Also if the Hub has the tag with another build, which stays.
        """
        version.verify()
        repo, tag = self.repo(version.lineage.stage), _tag(version.fingerprint)
        branch = _branch(version.fingerprint, version.manifest_sha)
        refs = self._refs(repo)
        if refs is None:
            self._ask(f"creation of {repo}", lambda: self._create(repo))
        tags, branches = (refs or _NO_REFS).tags, (refs or _NO_REFS).branches
        if tag not in tags:
            self._collect(repo)
            commit = self._ask(f"push to {repo}", lambda: commit_to_branch(self._api, repo, branch, version))
            tags, branches = self._ask(f"tag {tag} of {repo}", lambda: self._set_tag(repo, tag, commit)), {branch}
        published = self._remote(repo, tag, tags[tag])
        if branch in branches:
            if published.manifest_sha == version.manifest_sha:
                self._ask(f"main of {repo}", lambda: commit_version(self._api, repo, "main", version))
            self._ask(f"branch {branch} of {repo}", lambda: self._delete_branch(repo, branch))
        check_same(version, published)
        return published

    def check_name(self, stage: str | None = None) -> None:
        """Raise HubError if the Hub forbids the name, or that of a stage's repository."""
        try:
            if self.name.count("/") != 1:
                raise HFValidationError("it needs a namespace and a name")
            validate_repo_id(self.name if stage is None else self.repo(stage))
        except HFValidationError as error:
            raise HubError(
                f"--hub {self.name!r} gives no name that the Hub allows ({one_line(error)}); "
                "use namespace/name of letters, digits, '-', '_' and '.'"
            ) from None

    def _ask(self, what: str, ask: Callable[[], Result]) -> Result:
        return call(what, ask, self._token)

    def _refs(self, repo: str) -> "_Refs | None":
        """Tags and branches; None: no such repository, or none that may be seen."""
        try:
            return self._ask(f"tags of {repo}", lambda: self._asked_refs(repo))
        except _Missing:
            return None

    def _asked_refs(self, repo: str) -> "_Refs":
        try:
            refs = self._api.list_repo_refs(repo, repo_type="dataset")
        except RepositoryNotFoundError as error:
            if "Invalid credentials" in str(error):
                raise
            raise _Missing(repo) from None
        return _Refs({tag.name: tag.target_commit for tag in refs.tags}, {branch.name for branch in refs.branches})

    def _create(self, repo: str) -> None:
        try:
            self._api.create_repo(repo, repo_type="dataset", private=self.private)
        except HfHubHTTPError as error:
            # Another run made it meanwhile; or this one did, and its answer was lost.
            if status(error) != 409 or self._refs(repo) is None:
                raise

    def _set_tag(self, repo: str, tag: str, commit: str) -> Mapping[str, str]:
        """Return all tags, this one among them. Another build's tag stays as it is."""
        try:
            self._api.create_tag(repo, repo_type="dataset", tag=tag, revision=commit)
        except HfHubHTTPError as error:
            tags = (self._refs(repo) or _NO_REFS).tags
            if status(error) != 409 or tag not in tags:
                raise
            return tags
        return {tag: commit}

    def _delete_branch(self, repo: str, branch: str) -> None:
        try:
            self._api.delete_branch(repo, repo_type="dataset", branch=branch)
        except HfHubHTTPError as error:
            if status(error) != 404:  # another run's push of the same version was quicker
                raise

    def _collect(self, repo: str) -> None:
        """Have the repository in the run's collection."""
        if repo not in self._collected:
            slug = self._ask(f"collection {self.name}", lambda: collection(self._api, self.name, self.private))
            self._ask(f"collection {slug}", lambda: add_to_collection(self._api, slug, repo))
            self._collected.add(repo)

    def _remote(self, repo: str, revision: str, commit: str) -> Remote:
        def read() -> Remote:
            try:
                manifest, lineage = (self._cached(repo, commit, name) for name in (MANIFEST, LINEAGE))
                facts = Lineage.read(lineage.read_bytes())
                return Remote(repo, revision, commit, read_manifest(manifest.parent).sha, facts)
            except RemoteEntryNotFoundError:
                raise HubError(
                    f"{repo}@{revision} is not a version of a stage: it has no {MANIFEST} and {LINEAGE}; "
                    "give the tag of one (v-…), or use it as --input"
                ) from None

        return self._ask(f"version {repo}@{revision}", read)

    def _cached(self, repo: str, commit: str, path: str) -> Path:
        """Return a small file, in the client's cache, where the next run finds it."""
        return Path(self._api.hf_hub_download(repo, path, repo_type="dataset", revision=commit))

    def _fetch(self, remote: Remote, path: str, folder: Path) -> None:
        self._ask(
            f"pull of {path} from {remote.repo}@{remote.revision}",
            lambda: self._api.hf_hub_download(
                remote.repo, path, repo_type="dataset", revision=remote.commit, local_dir=folder
            ),
        )


class _Missing(HubError):
    """There is no such repository."""


@dataclass(frozen=True)
class _Refs:
    """Tags with their commits, and names of branches."""

    tags: Mapping[str, str]
    branches: Collection[str]


_NO_REFS = _Refs({}, ())


def check_same(version: Version, remote: Remote) -> None:
    """Raise HubError, which shows both builds, if a fingerprint has other rows here than on the Hub."""
    if version.manifest_sha == remote.manifest_sha:
        return
    here, there = (_build(lineage) for lineage in (version.lineage, remote.lineage))
    raise HubError(
        f"{remote.repo}@{remote.revision} is another build of {version.dataset}/{version.fingerprint}. "
        f"On the Hub: manifest {remote.manifest_sha[:16]}, {there}. "
        f"Here: manifest {version.manifest_sha[:16]}, {here}. "
        "Nothing was overwritten. To adopt the Hub's, remove yours and run again: "
        f"python -m sca_hf.versions rm {version.dataset}/{version.fingerprint} --store {version.path.parents[1]}"
    )


def _build(lineage: Lineage) -> str:
    engine = [lineage.model.build] if lineage.model else []
    packages = [f"{name} {number}" for name, number in sorted(lineage.packages.items())]
    return ", ".join([counted(lineage.counts.kept, "row"), *engine, *packages])


def _tag(fingerprint: str) -> str:
    return f"v-{fingerprint}"


def _branch(fingerprint: str, manifest_sha: str) -> str:
    """Where a build waits until it is tagged and on `main`."""
    return f"push-{fingerprint}-{manifest_sha[:8]}"
