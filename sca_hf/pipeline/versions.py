"""Where a run looks for versions and puts them: its store and, if it has one, the Hub behind it."""

from sca_hf.errors import HubError
from sca_hf.stage import Stage
from sca_hf.store.hub.hub import Hub, Remote, check_same
from sca_hf.store.store import Store, Version


class VersionResolver:
    """A store and a Hub, or a store alone. A stage that the Hub has is pulled; one that it lacks is pushed.

    `pilot`: no version becomes the latest.
    """

    def __init__(self, store: Store, hub: Hub | None = None, *, pilot: bool = False) -> None:
        self.store, self.hub, self._pilot = store, hub, pilot
        self._published: dict[str, Remote] = {}

    def look(self, stage: Stage, dataset: str, fingerprint: str) -> Version | Remote | None:
        """Return the version, in the store or on the Hub; nothing is fetched but its lineage."""
        return self.store.find(dataset, fingerprint) or self._remote(stage, fingerprint)

    def find(self, stage: Stage, dataset: str, fingerprint: str) -> Version | None:
        """Return the version in the store, pulled from the Hub if it was there alone.

        Raises HubError if both have it with other rows, StoreError if it can't be stored.
        """
        version, remote = self.store.find(dataset, fingerprint), self._remote(stage, fingerprint)
        if version is not None and remote is not None:
            check_same(version, remote)
        if version is None and remote is not None and self.hub is not None:
            version = self.hub.pull(remote, self.store, dataset)
        return version

    def check_writable(self) -> None:
        """Raise HubError if what is about to be made could not be pushed."""
        if self.hub is not None:
            self.hub.check_writable()

    def keep(self, version: Version) -> str | None:
        """Make the version the latest of its dataset, and push it if there is a Hub; where it is there: "repo@tag"."""
        if not self._pilot:
            self.store.use(version)
        if self.hub is None:
            return None
        remote = self._published.get(version.fingerprint)
        if remote is None or (remote.unfinished and self._may_write(self.hub)):
            remote = self.hub.push(version)
        return f"{remote.repo}@{remote.revision}"

    def before(self, stage: Stage, dataset: str, revision: str | None) -> Version | Remote | None:
        """What a run that starts after `stage` starts from: with a revision, that of the Hub; else the store's latest.

        Nothing is fetched: see `fetched`.
        """
        if self.hub is None:
            return self.store.latest(dataset)
        if revision is None and (latest := self.store.latest(dataset)) is not None:
            return latest
        return self.hub.at(self.hub.repo(stage.name), revision or "main")

    def fetched(self, version: Version | Remote, dataset: str) -> Version:
        """Return the version in the store, pulled if it is on the Hub alone."""
        if isinstance(version, Version) or self.hub is None:
            assert isinstance(version, Version)
            return version
        return self.hub.pull(version, self.store, dataset)

    def _may_write(self, hub: Hub) -> bool:
        """Return whether this user could finish what another's push left: who only reads is not stopped by it."""
        try:
            hub.check_writable()
        except HubError:
            return False
        return True

    def _remote(self, stage: Stage, fingerprint: str) -> Remote | None:
        remote = self.hub.find(stage.name, fingerprint) if self.hub is not None else None
        if remote is not None:
            self._published[fingerprint] = remote
        return remote
