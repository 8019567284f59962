"""A tuned model on the Hub."""

from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import EntryNotFoundError

from sca_hf.errors import HubError
from sca_hf.store.hub.edited_card import CARD, GENERATED
from sca_hf.store.hub.hub import Hub
from sca_hf.store.hub.redact import hide_in_logs
from sca_hf.store.hub.retry import bound_silence, call


class ModelRepository:
    """The model repository `name` ("namespace/name"). `private`: if it is to be made.

    All raise HubError where the Hub refuses or can't be reached; the constructor also where nothing could be pushed, so
    that hours of training aren't spent before that is known.
    """

    def __init__(self, name: str, *, private: bool = True) -> None:
        bound_silence()
        hide_in_logs(get_token())
        Hub(name).check_writable()
        self.name, self._private = name, private
        self._api = HfApi()

    def push(self, folder: Path) -> str:
        """Push a tuned model; where it is, "repository@commit". A card that was edited on the Hub stays."""
        what = f"push to {self.name}"
        call(what, lambda: self._api.create_repo(self.name, private=self._private, exist_ok=True), None)
        ignored = ["checkpoints/**", *([CARD] if self._edited(what) else [])]
        info = call(
            what,
            lambda: self._api.upload_folder(
                repo_id=self.name,
                folder_path=folder,
                ignore_patterns=ignored,
                commit_message=f"Tuned model {folder.resolve().name}",
            ),
            None,
        )
        return f"{self.name}@{info.oid}"

    def _edited(self, what: str) -> bool:
        """Whether a person changed the card on the Hub."""
        card, generated = (call(what, partial(self._content, name), None) for name in (CARD, GENERATED))
        if card is not None and generated is None:
            raise HubError(f"{self.name} has a card that no training wrote; give another name with --hub")
        return card != generated

    def _content(self, name: str) -> bytes | None:
        try:
            return Path(self._api.hf_hub_download(self.name, name)).read_bytes()
        except EntryNotFoundError:
            return None
