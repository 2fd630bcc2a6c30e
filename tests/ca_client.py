"""The Channel Access client of the tests, which is that of `pixieioc conform`."""

from pixieioc.conform.client import CaClient, NoAnswer, Post, PutFailed, Watch

__all__ = ["CaClient", "NoAnswer", "Post", "PutFailed", "Watch"]
