"""The catalogue of runs: what the sidecars in a folder, and in all below it, say of them."""

from pixieioc.catalogue.index import Catalogue, open_catalogue
from pixieioc.catalogue.query import Filter, RunRow, count, find

__all__ = ["Catalogue", "Filter", "RunRow", "count", "find", "open_catalogue"]
