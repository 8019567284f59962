"""The collection on the Hub that holds all repositories of a run."""

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from sca_hf.store.hub.retry import status


def collection(api: HfApi, name: str, private: bool) -> str:
    """Return the slug of the collection "namespace/title", made if there is none. Raises what the client raises."""
    namespace, title = name.split("/")
    try:
        return api.create_collection(title, namespace=namespace, private=private).slug
    except HfHubHTTPError as error:
        slug = _slug(error) if status(error) == 409 else None
        if slug is None:
            raise
        return slug


def add_to_collection(api: HfApi, slug: str, repo: str) -> None:
    """Have a dataset repository in a collection, where it may be already. Raises what the client raises."""
    try:
        api.add_collection_item(slug, item_id=repo, item_type="dataset")
    except HfHubHTTPError as error:
        if status(error) != 409 or repo not in {item.item_id for item in api.get_collection(slug).items}:
            raise


def _slug(error: HfHubHTTPError) -> str | None:
    """Return the slug of the collection that exists already, as the Hub tells with its refusal."""
    try:
        slug = error.response.json().get("slug")
    except ValueError:
        return None
    return str(slug) if slug else None
