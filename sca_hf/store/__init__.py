"""Dataset versions: what a stage made, with its card, lineage and checksums, never changed once it is there."""

from sca_hf.store.store import Build, Store, Version

__all__ = ["Build", "Store", "Version"]
