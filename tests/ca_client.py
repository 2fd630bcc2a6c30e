"""The Channel Access client of the tests, which is that of `pixieioc conform`."""

from pixieioc.conform.client import ECA_DISCONN, CaClient, NoAnswer, Post, PutFailed, Watch

__all__ = ["ECA_DISCONN", "CaClient", "NoAnswer", "Post", "PutFailed", "Watch"]
