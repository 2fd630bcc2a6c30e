"""How thoroughly properties are tested: SOAK=20 in the environment gives them twenty times as many, random examples."""

import os

SOAK = int(os.environ.get("SOAK", "1"))
